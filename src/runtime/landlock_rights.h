// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// The rights of Landlock by name: bits of linux/landlock.h, written out because the header of the
// build machine may be older than the kernel that the program runs on.
namespace dhow::runtime::landlock {

// The version of the interface that first has the right.
struct Right {
  std::string_view name;
  std::uint64_t bit;
  int abi;
  bool files;  // also for a file; else only for what is in a folder
};

inline constexpr Right kFsRights[] = {
    {"execute", 1U << 0, 1, true},     {"write_file", 1U << 1, 1, true},
    {"read_file", 1U << 2, 1, true},   {"read_dir", 1U << 3, 1, false},
    {"remove_dir", 1U << 4, 1, false}, {"remove_file", 1U << 5, 1, false},
    {"make_char", 1U << 6, 1, false},  {"make_dir", 1U << 7, 1, false},
    {"make_reg", 1U << 8, 1, false},   {"make_sock", 1U << 9, 1, false},
    {"make_fifo", 1U << 10, 1, false}, {"make_block", 1U << 11, 1, false},
    {"make_sym", 1U << 12, 1, false},  {"refer", 1U << 13, 2, false},
    {"truncate", 1U << 14, 3, true},   {"ioctl_dev", 1U << 15, 5, true},
};

inline constexpr Right kNetRights[] = {
    {"bind", 1U << 0, 4, false},
    {"connect", 1U << 1, 4, false},
};

inline constexpr Right kScopes[] = {
    {"abstract_unix_socket", 1U << 0, 6, false},
    {"signal", 1U << 1, 6, false},
};

inline constexpr std::uint64_t kReadOnly = 1U << 2 | 1U << 3;
inline constexpr std::uint64_t kExecute = 1U << 0;
inline constexpr std::uint64_t kAllFs = (1U << 16) - 1;
inline constexpr std::uint64_t kReadWrite = kAllFs & ~kExecute;

// A group of rights: what a kernel lacks of it, or the policy doesn't handle, is left out.
inline constexpr std::optional<std::uint64_t> group_bits(std::string_view name) {
  if (name == "ro") return kReadOnly;
  if (name == "rw") return kReadWrite;
  if (name == "exec") return kExecute;
  return std::nullopt;
}

template <std::size_t kSize>
constexpr const Right* find_right(const Right (&table)[kSize], std::string_view name) {
  for (const Right& right : table) {
    if (right.name == name) return &right;
  }
  return nullptr;
}

// All bits of a table that version `abi` has.
template <std::size_t kSize>
constexpr std::uint64_t bits_of_abi(const Right (&table)[kSize], int abi) {
  std::uint64_t bits = 0;
  for (const Right& right : table) {
    if (right.abi <= abi) bits |= right.bit;
  }
  return bits;
}

// Those rights that make sense for something that is no folder.
constexpr std::uint64_t file_bits() {
  std::uint64_t bits = 0;
  for (const Right& right : kFsRights) {
    if (right.files) bits |= right.bit;
  }
  return bits;
}

}  // namespace dhow::runtime::landlock
