// SPDX-License-Identifier: Apache-2.0
#include "network/tuning.h"

#include <algorithm>

#include "base/strings.h"
#include "network/name_space.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

constexpr std::string_view kPlace = "IFNAME";

Result<std::pair<std::string, std::string>> parse_one(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  constexpr std::size_t kParts = 5;
  constexpr std::size_t kInterface = 3;
  std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return fail(Code::kInvalidArgument,
                cat("invalid network interface sysctl '", text, "': there is no '='"));
  }
  std::vector<std::string_view> parts = split(text.substr(0, equals), '.');
  bool is_known = parts.size() == kParts && parts[0] == "net" && parts[kInterface] == kPlace;
  for (std::size_t i = 0; is_known && i < kParts; ++i) {
    if (i == kInterface) continue;
    is_known = !parts[i].empty() && parts[i].find_first_not_of(kPlain) == std::string_view::npos;
  }
  if (!is_known) {
    return fail(Code::kInvalidArgument,
                cat("unrecognised network interface sysctl '", text,
                    "'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V'"));
  }
  return std::pair(cat(parts[1], "/", parts[2], "/", kPlace, "/", parts[4]),
                   std::string(text.substr(equals + 1)));
}

Status write_sysctls(const Endpoint& endpoint, const Join& wanted, FdRef space) {
  if (wanted.sysctls.empty()) return {};
  return run_in_name_space(space, [&]() -> Status {
    for (const auto& [path, value] : wanted.sysctls) {
      std::string file = cat("/proc/sys/net/", path);
      file.replace(file.find(kPlace), kPlace.size(), endpoint.inside);
      TRY_CONTEXT(write_existing(file, value), cat("set ", quoted(file)));
    }
    return {};
  });
}

// In bytes, with what is not given filled in.
Shape shape_of(const Rate& rate) {
  constexpr std::uint64_t kByte = 8;
  constexpr std::uint64_t kLeast = std::uint64_t{64} << 10;
  constexpr std::uint64_t kTenth = 10;
  Shape shape;
  shape.rate = std::max<std::uint64_t>(rate.bits_a_second / kByte, 1);
  shape.burst = rate.burst != 0 ? rate.burst / kByte : std::max(shape.rate / kTenth, kLeast);
  return shape;
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_interface_sysctls(
    std::string_view text) {
  std::vector<std::pair<std::string, std::string>> result;
  for (std::string_view one : split(text, ',')) {
    TRY_ASSIGN(auto sysctl, parse_one(one));
    result.push_back(std::move(sysctl));
  }
  return result;
}

// What comes to the container leaves by the outer end, what goes out by the inner one; where each
// is slowed down, it waits.
Status tune(const Endpoint& endpoint, const Join& wanted, FdRef space, Links& here, Links& there) {
  TRY(write_sysctls(endpoint, wanted, space));
  if (wanted.ingress.bits_a_second != 0) {
    if (endpoint.outside.empty()) {
      return fail(Code::kInvalidArgument,
                  "a limit of what comes to the container needs a network of the driver bridge");
    }
    TRY_ASSIGN(std::optional<LinkInfo> outer, here.find(endpoint.outside));
    if (outer) TRY(here.shape(outer->index, shape_of(wanted.ingress)));
  }
  if (wanted.egress.bits_a_second == 0) return {};
  TRY_ASSIGN(std::optional<LinkInfo> inner, there.find(endpoint.inside));
  if (!inner) return {};
  return there.shape(inner->index, shape_of(wanted.egress));
}

}  // namespace dhow::network
