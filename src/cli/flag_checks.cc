// SPDX-License-Identifier: Apache-2.0
#include "cli/flag_checks.h"

#include <algorithm>
#include <arpa/inet.h>
#include <optional>

#include "base/strings.h"
#include "cli/create_request.h"
#include "oci/json_value.h"

namespace dhow::cli {
namespace {

bool is_address(std::string_view text) {
  std::string whole(text);
  unsigned char bytes[sizeof(struct in6_addr)];
  return ::inet_pton(AF_INET, whole.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, whole.c_str(), bytes) == 1;
}

// PATH:VALUE; what is wrong with its form.
std::string device_value_fault(std::string_view text, std::string_view& value) {
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return cat("bad format: ", text);
  if (!text.starts_with("/dev/")) return cat("bad format for device path: ", text);
  value = text.substr(colon + 1);
  return "";
}

std::string rate_fault(std::string_view text, bool bytes) {
  std::string_view value;
  if (std::string fault = device_value_fault(text, value); !fault.empty()) return fault;
  auto number = bytes ? parse_bytes(value) : parse_number<std::int64_t>(value);
  if (number && *number >= 0) return "";
  return cat("invalid rate for device: ", text, ". The correct format is <device-path>:<number>",
             bytes ? "[<unit>]. Number must be a positive integer. Unit is optional and can be "
                     "kb, mb, or gb"
                   : ". Number must be a positive integer");
}

bool is_device_number(std::string_view text) {
  return text == "*" || parse_number<std::uint32_t>(text).has_value();
}

}  // namespace

std::string extra_host_fault(std::string_view value) {
  // The address may be in brackets, and have colons.
  std::size_t separator = value.find('=');
  if (separator == std::string_view::npos) separator = value.find(':');
  if (separator == std::string_view::npos || separator == 0)
    return cat("bad format for add-host: ", quoted(value));
  std::string_view address = value.substr(separator + 1);
  if (address == "host-gateway") return "";
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  return is_address(address)
             ? ""
             : cat("invalid IP address in add-host: ", quoted(value.substr(separator + 1)));
}

std::string weight_device_fault(std::string_view value) {
  std::string_view weight;
  if (std::string fault = device_value_fault(value, weight); !fault.empty()) return fault;
  auto number = parse_number<std::uint16_t>(weight);
  bool good = number && (*number == 0 || (*number >= 10 && *number <= 1000));
  return good ? "" : cat("invalid weight for device: ", value);
}

std::string bytes_rate_fault(std::string_view value) { return rate_fault(value, true); }
std::string operations_rate_fault(std::string_view value) { return rate_fault(value, false); }

std::string device_rule_fault(std::string_view value) {
  auto words = split(value, ' ');
  bool good = words.size() == 3 && (words[0] == "a" || words[0] == "b" || words[0] == "c") &&
              !words[2].empty() && words[2].size() <= 3 &&
              words[2].find_first_not_of("rwm") == std::string_view::npos;
  if (good) {
    auto numbers = split(words[1], ':');
    good = numbers.size() == 2 && is_device_number(numbers[0]) && is_device_number(numbers[1]);
  }
  return good ? "" : cat("invalid device cgroup format '", value, "'");
}

std::string address_fault(std::string_view value) {
  return is_address(trim(value)) ? "" : cat("IP address is not correctly formatted: ", value);
}

std::string gpus_fault(std::string_view value) {
  oci::JsonWriter json;
  auto written = write_gpus(value, json);
  return written ? "" : written.error().message();
}

std::string label_fault(std::string_view value) {
  return value.starts_with('=') ? cat("invalid label '", value, "': empty name") : "";
}

std::string link_fault(std::string_view value) {
  if (value.empty()) return "empty string specified for links";
  return std::ranges::count(value, ':') > 1 ? cat("bad format for links: ", value) : "";
}

std::string mount_fault(std::string_view value) {
  oci::JsonWriter json;
  auto written = write_mount(value, json);
  return written ? "" : written.error().message();
}

std::string sysctl_fault(std::string_view value) {
  constexpr std::string_view kAllowed[] = {
      "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
      "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
  std::size_t equals = value.find('=');
  std::string_view name = value.substr(0, equals);
  bool good = equals != std::string_view::npos &&
              (std::ranges::find(kAllowed, name) != std::end(kAllowed) ||
               name.starts_with("net.") || name.starts_with("fs.mqueue."));
  return good ? "" : cat("sysctl '", value, "' is not allowed");
}

std::string ulimit_fault(std::string_view value) {
  auto limit = parse_ulimit(value);
  return limit ? "" : limit.error().message();
}

std::string size_fault(std::string_view value) {
  auto size = parse_bytes(value);
  return size && *size >= 0 ? "" : cat("invalid size: '", value, "'");
}

std::string swap_fault(std::string_view value) { return value == "-1" ? "" : size_fault(value); }

}  // namespace dhow::cli
