// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/devices.h"

#include <limits>
#include <string_view>

#include "base/strings.h"

namespace dhow::cgroup {
namespace {

Result<std::optional<std::uint32_t>> device_number(std::optional<std::int64_t> value) {
  if (!value || *value == -1) return std::optional<std::uint32_t>();
  if (*value < 0 || *value > std::numeric_limits<std::uint32_t>::max()) {
    return fail(Code::kInvalidArgument, cat("device rule: bad device number ", *value));
  }
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*value));
}

Result<std::uint32_t> access_bits(std::string_view text) {
  std::uint32_t bits = 0;
  for (char letter : text) {
    switch (letter) {
      case 'r':
        bits |= kAccessRead;
        break;
      case 'w':
        bits |= kAccessWrite;
        break;
      case 'm':
        bits |= kAccessMknod;
        break;
      default:
        return fail(Code::kInvalidArgument, cat("device rule: bad access ", quoted(text)));
    }
  }
  return bits == 0 ? kAccessAll : bits;
}

void append_default_rules(std::vector<DevicePolicyRule>& rules) {
  auto add = [&rules](char type, std::optional<std::uint32_t> major,
                      std::optional<std::uint32_t> minor, std::uint32_t access) {
    rules.push_back({true, type, major, minor, access});
  };
  add('c', {}, {}, kAccessMknod);
  add('b', {}, {}, kAccessMknod);
  add('c', 1, 3, kAccessAll);     // null
  add('c', 1, 5, kAccessAll);     // zero
  add('c', 1, 7, kAccessAll);     // full
  add('c', 1, 8, kAccessAll);     // random
  add('c', 1, 9, kAccessAll);     // urandom
  add('c', 5, 0, kAccessAll);     // tty
  add('c', 5, 2, kAccessAll);     // ptmx
  add('c', 136, {}, kAccessAll);  // pts: console among them
}

bool same_device(const DevicePolicyRule& a, const DevicePolicyRule& b) {
  return a.type == b.type && a.major == b.major && a.minor == b.minor;
}

bool overlaps(const DevicePolicyRule& a, const DevicePolicyRule& b) {
  if (a.type != b.type && a.type != 'a' && b.type != 'a') return false;
  if (a.major && b.major && a.major != b.major) return false;
  if (a.minor && b.minor && a.minor != b.minor) return false;
  return (a.access & b.access) != 0;
}

// On v1 an exception is taken back only by a rule for the very same device.
Status check_v1(const DevicePolicy& policy) {
  for (std::size_t later = 0; later < policy.rules.size(); ++later) {
    const DevicePolicyRule& rule = policy.rules[later];
    if (rule.allow != policy.default_allow) continue;
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      const DevicePolicyRule& other = policy.rules[earlier];
      if (other.allow != rule.allow && overlaps(rule, other) && !same_device(rule, other)) {
        return fail(Code::kUnimplemented,
                    cat("device rule ", quoted(device_rule_text(rule, rule.type)), " after ",
                        quoted(device_rule_text(other, other.type)),
                        ": cgroup v1 has no exceptions to exceptions"));
      }
    }
  }
  return {};
}

}  // namespace

Result<DevicePolicy> make_device_policy(const std::vector<oci::DeviceRule>& rules) {
  DevicePolicy policy;
  for (const oci::DeviceRule& rule : rules) {
    DevicePolicyRule item;
    item.allow = rule.allow;
    item.type = rule.type;
    if (item.type != 'a' && item.type != 'b' && item.type != 'c') {
      return fail(Code::kInvalidArgument, cat("device rule: bad type ", quoted(cat(rule.type))));
    }
    TRY_ASSIGN(item.major, device_number(rule.major));
    TRY_ASSIGN(item.minor, device_number(rule.minor));
    TRY_ASSIGN(item.access, access_bits(rule.access));
    if (item.type == 'a' && !item.major && !item.minor && item.access == kAccessAll) {
      policy.default_allow = item.allow;
      policy.rules.clear();
    } else {
      policy.rules.push_back(item);
    }
  }
  if (!policy.default_allow) append_default_rules(policy.rules);
  return policy;
}

std::string device_rule_text(const DevicePolicyRule& rule, char type) {
  std::string text = cat(type, " ");
  text += rule.major ? cat(*rule.major) : std::string("*");
  text += ':';
  text += rule.minor ? cat(*rule.minor) : std::string("*");
  text += ' ';
  if ((rule.access & kAccessRead) != 0) text += 'r';
  if ((rule.access & kAccessWrite) != 0) text += 'w';
  if ((rule.access & kAccessMknod) != 0) text += 'm';
  return text;
}

Status apply_devices_v1(const Folder& folder, const DevicePolicy& policy) {
  TRY(check_v1(policy));
  TRY(folder.write(policy.default_allow ? "devices.allow" : "devices.deny", "a"));
  for (const DevicePolicyRule& rule : policy.rules) {
    const char* file = rule.allow ? "devices.allow" : "devices.deny";
    // "a" with numbers means everything to the kernel, so both kinds are named.
    if (rule.type == 'a') {
      TRY(folder.write(file, device_rule_text(rule, 'c')));
      TRY(folder.write(file, device_rule_text(rule, 'b')));
    } else {
      TRY(folder.write(file, device_rule_text(rule, rule.type)));
    }
  }
  return {};
}

}  // namespace dhow::cgroup
