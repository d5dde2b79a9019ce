// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/cgroup/folder.h"
#include "sys/fd.h"

struct bpf_insn;

namespace dhow::cgroup {

// Bits of a device access, as the kernel's BPF_DEVCG_ACC_*.
inline constexpr std::uint32_t kAccessMknod = 1;
inline constexpr std::uint32_t kAccessRead = 2;
inline constexpr std::uint32_t kAccessWrite = 4;
inline constexpr std::uint32_t kAccessAll = 7;

struct DevicePolicyRule {
  bool allow = false;
  char type = 'a';                     // a: both kinds
  std::optional<std::uint32_t> major;  // nullopt: all
  std::optional<std::uint32_t> minor;
  std::uint32_t access = kAccessAll;
};

// The rules of a container without those that a later wildcard overrules. The last rule that
// matches decides, for each access bit on its own; without one, `default_allow` does.
struct DevicePolicy {
  bool default_allow = false;
  std::vector<DevicePolicyRule> rules;
};

// The rules of linux.resources.devices, and after them, unless everything is allowed anyway, what
// every container may do: mknod of anything, and the devices that the runtime itself puts into
// /dev (config-linux.md, "Default Devices").
Result<DevicePolicy> make_device_policy(const std::vector<oci::DeviceRule>& rules);

// A rule as the v1 files take it and systemd shows it: "c 1:3 rwm".
std::string device_rule_text(const DevicePolicyRule& rule, char type);

// Writes the policy to devices.allow and devices.deny (devices.rst). These can't hold an exception
// to a wildcard exception: such rules are kUnimplemented, before anything is written.
Status apply_devices_v1(const Folder& folder, const DevicePolicy& policy);

// The policy as a program of type BPF_PROG_TYPE_CGROUP_DEVICE.
std::vector<bpf_insn> build_device_program(const DevicePolicy& policy);

// Loads the program and attaches it to the cgroup, in place of one that this function attached
// before and beside those of others (all of them must allow an access).
Status apply_devices_v2(const Folder& folder, const DevicePolicy& policy);

}  // namespace dhow::cgroup
