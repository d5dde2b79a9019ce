// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "network/address.h"

namespace dhow::network {

// The addresses of one network: which are taken, and the lowest that is free. Not thread safe.
class AddressPool {
 public:
  AddressPool() = default;
  // Gives addresses of `range`, which lies in `subnet`; never the subnet's own address or its
  // broadcast address.
  AddressPool(const Subnet4& subnet, const Subnet4& range);

  // None: all are taken. The cost does not grow with how many are: the search goes on from where
  // nothing below is free.
  std::optional<Ip4> take();
  // False: it is taken, or none of the subnet's. May be outside of the range.
  bool take(Ip4 address);
  // One that is not taken is left alone.
  void give_back(Ip4 address);
  std::size_t taken() const { return taken_.size(); }

 private:
  Subnet4 subnet_;
  std::uint64_t first_ = 1;  // of the range
  std::uint64_t last_ = 0;
  std::uint64_t next_ = 1;  // nothing of the range below it is free
  std::set<std::uint32_t> taken_;
};

// A pool of subnets that networks without one of their own get theirs from.
struct SubnetPool {
  Subnet4 base;
  int bits = 24;  // of each
};

// The first subnet of the pools that overlaps none of `used`; nullopt: there is none left.
std::optional<Subnet4> free_subnet(const std::vector<SubnetPool>& pools,
                                   const std::vector<Subnet4>& used);

}  // namespace dhow::network
