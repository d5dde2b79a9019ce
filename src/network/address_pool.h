// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "network/address.h"

namespace dhow::network {

// The addresses of one network in one family: which are taken, and the lowest that is free. Not
// thread safe.
template <typename Net>
class BasicAddressPool {
 public:
  using Address = decltype(Net::base);

  BasicAddressPool() = default;
  // Gives addresses of `range`, which lies in `subnet`; never the subnet's own address (which in
  // IPv6 is that of any router) or its broadcast address.
  BasicAddressPool(const Net& subnet, const Net& range);

  // None: all are taken. The cost does not grow with how many are: the search goes on from where
  // nothing below is free.
  std::optional<Address> take();
  // False: it is taken, or none of the subnet's. May be outside of the range.
  bool take(Address address);
  // As take(address), but of the range alone.
  bool take_of_range(Address address);
  // One that is not taken is left alone.
  void give_back(Address address);
  std::size_t taken() const { return taken_.size(); }

 private:
  Net subnet_;
  bool is_empty_ = true;  // nothing to give
  Address first_;         // of the range
  Address last_;
  Address next_;  // nothing of the range below it is free
  std::set<Address> taken_;
};
using AddressPool = BasicAddressPool<Subnet4>;
using AddressPool6 = BasicAddressPool<Subnet6>;

// A pool of subnets that networks without one of their own get theirs from.
template <typename Net>
struct BasicSubnetPool {
  Net base;
  int bits = 24;  // of each
};
using SubnetPool = BasicSubnetPool<Subnet4>;
using SubnetPool6 = BasicSubnetPool<Subnet6>;

// The first subnet of the pools that overlaps none of `used`; nullopt: there is none left.
std::optional<Subnet4> free_subnet(const std::vector<SubnetPool>& pools,
                                   const std::vector<Subnet4>& used);
std::optional<Subnet6> free_subnet(const std::vector<SubnetPool6>& pools,
                                   const std::vector<Subnet6>& used);

}  // namespace dhow::network
