// SPDX-License-Identifier: Apache-2.0
// How fast an interface may send, and what becomes of what it sends.
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <arpa/inet.h>
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

Status Links::give_outgoing_to(int index, FdRef program) {
  NetlinkRequest hooks(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
  struct tcmsg header{};
  header.tcm_ifindex = index;
  header.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
  header.tcm_parent = TC_H_CLSACT;
  hooks.header(header);
  hooks.attribute_text(TCA_KIND, "clsact");
  auto made = socket_.execute(std::move(hooks));
  if (!made && made.error().sys_errno() != EEXIST) {
    return fail(std::move(made).error().add_context("hook in at what leaves (clsact)"));
  }
  NetlinkRequest filter(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE);
  constexpr std::uint32_t kFirst = 1;
  header.tcm_handle = kFirst;
  header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
  header.tcm_info = TC_H_MAKE(kFirst << 16, htons(ETH_P_ALL));
  filter.header(header);
  filter.attribute_text(TCA_KIND, "bpf");
  std::size_t options = filter.begin_nested(TCA_OPTIONS);
  filter.attribute_number(TCA_BPF_FD, static_cast<std::uint32_t>(program.get()));
  filter.attribute_text(TCA_BPF_NAME, "dhow");
  filter.attribute_number(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  filter.end_nested(options);
  TRY_CONTEXT(socket_.execute(std::move(filter)), "hook in at what leaves (cls_bpf)");
  return {};
}

}  // namespace dhow::network
