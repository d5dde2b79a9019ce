// SPDX-License-Identifier: Apache-2.0
// How fast an interface may send.
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/strings.h"
#include "network/links.h"

namespace dhow::network {

Status Links::shape(int index, const Shape& shape) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  // What has waited for longer than this is dropped; of CNI's plugin for it.
  constexpr std::uint64_t kWaitsInASecond = 40;
  NetlinkRequest request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  struct tcmsg header{};
  header.tcm_ifindex = index;
  header.tcm_handle = 1U << 16;
  header.tcm_parent = TC_H_ROOT;
  request.header(header);
  request.attribute_text(TCA_KIND, "tbf");
  struct tc_tbf_qopt parameters{};
  parameters.rate.rate = static_cast<std::uint32_t>(std::min(shape.rate, kMost));
  parameters.rate.linklayer = TC_LINKLAYER_ETHERNET;
  parameters.limit =
      static_cast<std::uint32_t>(std::min(shape.rate / kWaitsInASecond + shape.burst, kMost));
  auto bytes_of = [](const auto& value) {
    return std::string_view(reinterpret_cast<const char*>(&value), sizeof value);
  };
  std::size_t options = request.begin_nested(TCA_OPTIONS);
  request.attribute(TCA_TBF_PARMS, bytes_of(parameters));
  if (shape.rate >= kMost) request.attribute(TCA_TBF_RATE64, bytes_of(shape.rate));
  request.attribute_number(TCA_TBF_BURST, static_cast<std::uint32_t>(std::min(shape.burst, kMost)));
  request.end_nested(options);
  auto done = socket_.execute(std::move(request));
  if (done) return {};
  if (done.error().sys_errno() == ENOENT) {
    return fail(Code::kUnimplemented, "this kernel has no token buckets (CONFIG_NET_SCH_TBF)");
  }
  return fail(std::move(done).error().add_context("limit the rate of an interface"));
}

}  // namespace dhow::network
