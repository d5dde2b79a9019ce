// SPDX-License-Identifier: Apache-2.0
// Profiles for the seccomp compiler: whatever it accepts must be a program that the kernel would
// take and that answers every call.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/seccomp/compile.h"
#include "runtime/seccomp/testing/bpf.h"

namespace dhow::seccomp {
namespace {

// Bytes read front to back; zeros once they run out.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  template <typename Number>
  Number number() {
    Number value{};
    const std::size_t size = left_ < sizeof value ? left_ : sizeof value;
    if (size != 0) memcpy(&value, data_, size);
    data_ += size;
    left_ -= size;
    return value;
  }
  std::uint32_t below(std::uint32_t limit) { return number<std::uint8_t>() % limit; }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

oci::SeccompAction action_from(Bytes& bytes) {
  return static_cast<oci::SeccompAction>(bytes.below(8));
}

std::optional<std::uint32_t> errno_from(Bytes& bytes) {
  if (bytes.below(2) == 0) return std::nullopt;
  return bytes.number<std::uint32_t>();
}

// Mostly small, since profiles meet on small values.
std::uint64_t value_from(Bytes& bytes) {
  switch (bytes.below(4)) {
    case 0:
      return bytes.number<std::uint8_t>();
    case 1:
      return std::uint64_t{bytes.number<std::uint8_t>()} << 32 | bytes.number<std::uint8_t>();
    case 2:
      return ~std::uint64_t{bytes.number<std::uint8_t>()};
    default:
      return bytes.number<std::uint64_t>();
  }
}

oci::SeccompSyscall entry_from(Bytes& bytes, const Machine& machine) {
  oci::SeccompSyscall entry;
  entry.action = action_from(bytes);
  entry.errno_ret = errno_from(bytes);
  const std::uint32_t names = 1 + bytes.below(8);
  for (std::uint32_t i = 0; i < names; ++i) {
    const auto row = bytes.number<std::uint16_t>() % (machine.rows.size() + 2);
    if (row < machine.rows.size()) {
      entry.names.emplace_back(machine.rows[row].name);
    } else {
      entry.names.emplace_back(row == machine.rows.size() ? "" : "no_such_call");
    }
  }
  const std::uint32_t args = bytes.below(4);
  for (std::uint32_t i = 0; i < args; ++i) {
    entry.args.push_back({bytes.below(7), value_from(bytes), value_from(bytes),
                          static_cast<oci::SeccompOperator>(bytes.below(7))});
  }
  return entry;
}

oci::Seccomp profile_from(Bytes& bytes, const Machine& machine) {
  oci::Seccomp profile;
  profile.default_action = action_from(bytes);
  profile.default_errno_ret = errno_from(bytes);
  const std::uint32_t archs = bytes.number<std::uint8_t>();
  for (std::size_t i = 0; i < machine.abis.size(); ++i) {
    if ((archs >> i & 1) != 0) profile.architectures.emplace_back(machine.abis[i].name);
  }
  if (bytes.below(4) == 0) profile.flags = known_flags();
  while (!bytes.empty()) profile.syscalls.push_back(entry_from(bytes, machine));
  return profile;
}

void check(const Machine& machine, const Program& program) {
  const std::string fault = testing::find_fault(program.instructions);
  if (!fault.empty()) {
    fprintf(stderr, "unsound program: %s\n", fault.c_str());
    abort();
  }
  for (const Abi& abi : machine.abis) {
    for (std::uint32_t number = 0; number < 600; ++number) {
      seccomp_data data{};
      data.arch = abi.audit_arch;
      data.nr = static_cast<int>(number | abi.number_bit);
      for (auto& arg : data.args) arg = number;
      if (!testing::run(program.instructions, data)) abort();
    }
  }
}

}  // namespace
}  // namespace dhow::seccomp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dhow::seccomp;
  Bytes bytes(data, size);
  const Machine& machine = bytes.below(2) == 0 ? kX86Machine : kArmMachine;
  const dhow::oci::Seccomp profile = profile_from(bytes, machine);
  if (const auto program = compile_for(profile, machine)) check(machine, *program);
  return 0;
}
