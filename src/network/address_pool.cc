// SPDX-License-Identifier: Apache-2.0
#include "network/address_pool.h"

#include <algorithm>

namespace dhow::network {
namespace {

// Subnets of 31 and 32 bits have neither an address of their own nor a broadcast address
// (RFC 3021); those of 127 and 128 no address of any router (RFC 6164).
bool has_first(const Subnet4& subnet) { return subnet.bits < 31; }
bool has_first(const Subnet6& subnet) { return subnet.bits < 127; }
bool has_broadcast(const Subnet4& subnet) { return subnet.bits < 31; }
bool has_broadcast(const Subnet6&) { return false; }

Ip4 before(Ip4 address) { return {address.value - 1}; }
Ip6 before(Ip6 address) { return {address.high - (address.low == 0 ? 1 : 0), address.low - 1}; }

Subnet4 around(Ip4 address, int bits) { return Address4{address, bits}.subnet(); }
Subnet6 around(Ip6 address, int bits) { return Address6{address, bits}.subnet(); }

template <typename Net>
std::optional<Net> free_subnet_of(const BasicSubnetPool<Net>& pool, const std::vector<Net>& used) {
  Net candidate{pool.base.base, pool.bits};
  while (true) {
    auto hindrance =
        std::ranges::find_if(used, [&](const Net& other) { return other.overlaps(candidate); });
    if (hindrance == used.end()) return candidate;
    // Behind what is in the way, at a place that one of this size can begin at.
    auto last = around(std::max(hindrance->last(), candidate.last()), pool.bits).last();
    if (last >= pool.base.last()) return std::nullopt;
    candidate.base = last.next();
  }
}

template <typename Net>
std::optional<Net> first_free(const std::vector<BasicSubnetPool<Net>>& pools,
                              const std::vector<Net>& used) {
  for (const BasicSubnetPool<Net>& pool : pools) {
    if (auto found = free_subnet_of(pool, used)) return found;
  }
  return std::nullopt;
}

}  // namespace

template <typename Net>
BasicAddressPool<Net>::BasicAddressPool(const Net& subnet, const Net& range)
    : subnet_(subnet), first_(range.base), last_(range.last()) {
  if (has_first(subnet) && first_ == subnet.base) first_ = first_.next();
  if (has_broadcast(subnet) && last_ == subnet.last()) last_ = before(last_);
  is_empty_ = last_ < first_;
  next_ = first_;
}

template <typename Net>
auto BasicAddressPool<Net>::take() -> std::optional<Address> {
  if (is_empty_) return std::nullopt;
  // Neighbours in the set are neighbours in the subnet where many are taken: one walk, no searches.
  auto at = taken_.lower_bound(next_);
  while (at != taken_.end() && *at == next_) {
    if (next_ == last_) return std::nullopt;
    next_ = next_.next();
    ++at;
  }
  taken_.insert(at, next_);
  return next_;
}

template <typename Net>
bool BasicAddressPool<Net>::take(Address address) {
  if (!subnet_.contains(address)) return false;
  if (has_first(subnet_) && address == subnet_.base) return false;
  if (has_broadcast(subnet_) && address == subnet_.last()) return false;
  return taken_.insert(address).second;
}

template <typename Net>
bool BasicAddressPool<Net>::take_of_range(Address address) {
  return !is_empty_ && first_ <= address && address <= last_ && take(address);
}

template <typename Net>
void BasicAddressPool<Net>::give_back(Address address) {
  if (taken_.erase(address) == 0) return;
  if (address >= first_ && address < next_) next_ = address;
}

template class BasicAddressPool<Subnet4>;
template class BasicAddressPool<Subnet6>;

std::optional<Subnet4> free_subnet(const std::vector<SubnetPool>& pools,
                                   const std::vector<Subnet4>& used) {
  return first_free(pools, used);
}

std::optional<Subnet6> free_subnet(const std::vector<SubnetPool6>& pools,
                                   const std::vector<Subnet6>& used) {
  return first_free(pools, used);
}

}  // namespace dhow::network
