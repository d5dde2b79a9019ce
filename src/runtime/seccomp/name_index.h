// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "runtime/seccomp/machine.h"

namespace dhow::seccomp {

// Name -> row by open addressing, filled at compile time: a look-up costs one hash and one compare,
// and nothing runs at start-up.
template <std::size_t Count>
class NameIndex {
 public:
  explicit consteval NameIndex(const std::array<SyscallRow, Count>& rows) {
    static_assert(Count * 2 <= kSlots);
    for (std::size_t i = 0; i < Count; ++i) {
      std::uint32_t slot = hash(rows[i].name) % kSlots;
      while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
      slots_[slot] = static_cast<std::uint16_t>(i + 1);
    }
  }

  const SyscallRow* find(const std::array<SyscallRow, Count>& rows, std::string_view name) const {
    for (std::uint32_t slot = hash(name) % kSlots; slots_[slot] != 0; slot = (slot + 1) % kSlots) {
      const SyscallRow& row = rows[slots_[slot] - 1U];
      if (row.name == name) return &row;
    }
    return nullptr;
  }

 private:
  static constexpr std::uint32_t kSlots = 1024;

  // FNV-1a.
  static constexpr std::uint32_t hash(std::string_view name) {
    std::uint32_t value = 2166136261U;
    for (char c : name) value = (value ^ static_cast<std::uint8_t>(c)) * 16777619U;
    return value ^ (value >> 15);
  }

  std::array<std::uint16_t, kSlots> slots_{};  // row + 1; 0: free
};

}  // namespace dhow::seccomp
