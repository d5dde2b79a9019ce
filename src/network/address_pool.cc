// SPDX-License-Identifier: Apache-2.0
#include "network/address_pool.h"

#include <algorithm>

namespace dhow::network {
namespace {

// Subnets of 31 and 32 bits have neither an address of their own nor a broadcast address
// (RFC 3021).
bool has_ends(const Subnet4& subnet) { return subnet.bits < 31; }

}  // namespace

AddressPool::AddressPool(const Subnet4& subnet, const Subnet4& range)
    : subnet_(subnet), first_(range.base.value), last_(range.last().value) {
  if (has_ends(subnet)) {
    first_ = std::max<std::uint64_t>(first_, std::uint64_t{subnet.base.value} + 1);
    last_ = std::min<std::uint64_t>(last_, std::uint64_t{subnet.last().value} - 1);
  }
  next_ = first_;
}

std::optional<Ip4> AddressPool::take() {
  // Neighbours in the set are neighbours in the subnet where many are taken: one walk, no searches.
  auto at = taken_.lower_bound(static_cast<std::uint32_t>(next_));
  while (next_ <= last_ && at != taken_.end() && *at == next_) {
    ++next_;
    ++at;
  }
  if (next_ > last_) return std::nullopt;
  Ip4 address{static_cast<std::uint32_t>(next_++)};
  taken_.insert(address.value);
  return address;
}

bool AddressPool::take(Ip4 address) {
  if (!subnet_.contains(address)) return false;
  if (has_ends(subnet_) && (address == subnet_.base || address == subnet_.last())) return false;
  return taken_.insert(address.value).second;
}

void AddressPool::give_back(Ip4 address) {
  if (taken_.erase(address.value) == 0) return;
  if (address.value >= first_ && address.value < next_) next_ = address.value;
}

std::optional<Subnet4> free_subnet(const std::vector<SubnetPool>& pools,
                                   const std::vector<Subnet4>& used) {
  for (const SubnetPool& pool : pools) {
    std::uint64_t size = std::uint64_t{1} << (32 - pool.bits);
    std::uint64_t end = std::uint64_t{pool.base.last().value} + 1;
    for (std::uint64_t at = pool.base.base.value; at + size <= end;) {
      Subnet4 candidate{{static_cast<std::uint32_t>(at)}, pool.bits};
      auto hindrance = std::ranges::find_if(
          used, [&](const Subnet4& other) { return other.overlaps(candidate); });
      if (hindrance == used.end()) return candidate;
      // Behind what is in the way, at a place that one of this size can begin at.
      std::uint64_t behind = std::uint64_t{hindrance->last().value} + 1;
      at = std::max(at + size, (behind + size - 1) / size * size);
    }
  }
  return std::nullopt;
}

}  // namespace dhow::network
