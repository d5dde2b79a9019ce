// SPDX-License-Identifier: Apache-2.0
// Limits, restart policies, devices and security options of new containers.
#include <algorithm>

#include "base/strings.h"
#include "cli/create_request.h"
#include "oci/json_value.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

using oci::JsonWriter;

struct Pair {
  std::string_view flag;
  std::string_view member;
};

std::unexpected<Error> bad(const std::string& text) { return fail(Code::kInvalidArgument, text); }

// PATH:NUMBER of --blkio-weight-device, --device-*; checked as flags.
void write_throttle(const Arguments& arguments, const Pair& pair, std::string_view value_member,
                    bool bytes, JsonWriter& json) {
  auto items = arguments.list(pair.flag);
  if (items.empty()) return;
  json.key(pair.member).begin_array();
  for (std::string_view item : items) {
    std::size_t colon = item.rfind(':');
    auto number = bytes ? parse_bytes(item.substr(colon + 1))
                        : parse_number<std::int64_t>(item.substr(colon + 1));
    json.begin_object()
        .member("Path", item.substr(0, colon))
        .member_number(value_member, number.value_or(0))
        .end_object();
  }
  json.end_array();
}

void write_block_io(const Arguments& arguments, JsonWriter& json) {
  write_throttle(arguments, {"blkio-weight-device", "BlkioWeightDevice"}, "Weight", false, json);
  write_throttle(arguments, {"device-read-bps", "BlkioDeviceReadBps"}, "Rate", true, json);
  write_throttle(arguments, {"device-write-bps", "BlkioDeviceWriteBps"}, "Rate", true, json);
  write_throttle(arguments, {"device-read-iops", "BlkioDeviceReadIOps"}, "Rate", false, json);
  write_throttle(arguments, {"device-write-iops", "BlkioDeviceWriteIOps"}, "Rate", false, json);
}

Status write_ulimits(const Arguments& arguments, JsonWriter& json) {
  auto limits = arguments.list("ulimit");
  if (limits.empty()) return {};
  json.key("Ulimits").begin_array();
  for (std::string_view text : limits) {
    TRY_ASSIGN(Ulimit limit, parse_ulimit(text));
    json.begin_object()
        .member("Name", limit.name)
        .member_number("Hard", limit.hard)
        .member_number("Soft", limit.soft);
    json.end_object();
  }
  json.end_array();
  return {};
}

bool is_cdi_name(std::string_view device) {
  std::size_t slash = device.find('/');
  return !device.starts_with('/') && slash != std::string_view::npos &&
         device.find('=', slash) != std::string_view::npos;
}

Status write_device(std::string_view device, JsonWriter& json) {
  std::vector<std::string_view> parts = split(device, ':');
  std::string_view path = parts[0];
  std::string_view inside = path;
  std::string_view rights = "rwm";
  bool only_rights =
      parts.size() == 2 && parts[1].find_first_not_of("rwm") == std::string_view::npos;
  if (parts.size() > 1) (only_rights ? rights : inside) = parts[1];
  if (parts.size() > 2) rights = parts[2];
  if (!path.starts_with('/')) return bad(cat(path, " is not an absolute path"));
  bool good_rights =
      !rights.empty() && rights.size() <= 3 && rights.find_first_not_of("rwm") == rights.npos;
  if (!good_rights || parts.size() > 3) return bad(cat("bad mode specified: ", rights));
  json.begin_object()
      .member("PathOnHost", path)
      .member("PathInContainer", inside)
      .member("CgroupPermissions", rights);
  json.end_object();
  return {};
}

}  // namespace

Result<Ulimit> parse_ulimit(std::string_view text) {
  constexpr std::string_view kKnown[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                         "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                         "rss",     "rtprio",   "rttime", "sigpending", "stack"};
  std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals + 1 == text.size())
    return bad(cat("invalid ulimit argument: ", text));
  Ulimit limit;
  limit.name = text.substr(0, equals);
  if (std::ranges::find(kKnown, limit.name) == std::end(kKnown))
    return bad(cat("invalid ulimit type: ", limit.name));
  std::string_view values = text.substr(equals + 1);
  std::size_t colon = values.find(':');
  auto number = [](std::string_view one) -> std::optional<std::int64_t> {
    return one == "unlimited" ? std::optional<std::int64_t>(-1) : parse_number<std::int64_t>(one);
  };
  auto soft = number(values.substr(0, colon));
  auto hard = colon == std::string_view::npos ? soft : number(values.substr(colon + 1));
  if (!soft || !hard) return bad(cat("invalid ulimit argument: ", text));
  if (*hard != -1 && (*soft == -1 || *soft > *hard)) {
    return bad(
        cat("ulimit soft limit must be less than or equal to hard limit: ", *soft, " > ", *hard));
  }
  limit.soft = *soft;
  limit.hard = *hard;
  return limit;
}

// --gpus all | N | "device=…,capabilities=…,driver=…,options=…"
Status write_gpus(std::string_view text, JsonWriter& json) {
  TRY_ASSIGN(auto fields, split_csv(text));
  std::string driver;
  std::int64_t count = 0;
  std::vector<std::string_view> ids;
  std::vector<std::string_view> capabilities = {"gpu"};
  for (const std::string& field : fields) {
    std::string_view name = std::string_view(field).substr(0, field.find('='));
    std::string_view value =
        name.size() == field.size() ? name : std::string_view(field).substr(name.size() + 1);
    if (name.size() == field.size() || name == "count") {
      auto number =
          value == "all" ? std::optional<std::int64_t>(-1) : parse_number<std::int64_t>(value);
      if (!number) {
        return bad(cat("invalid count (", value,
                       "): value must be either \"all\" or an integer: ", "invalid syntax"));
      }
      count = *number;
    } else if (name == "device") {
      ids = split(value, ',');
    } else if (name == "driver") {
      driver = value;
    } else if (name == "capabilities") {
      for (std::string_view one : split(value, ',')) capabilities.push_back(one);
    } else if (name != "options") {
      return bad(cat("unexpected key '", name, "' in '", field, "'"));
    }
  }
  if (ids.empty() && count == 0) count = 1;
  json.begin_object().member("Driver", driver).member_number("Count", count);
  write_strings(json, "DeviceIDs", ids);
  json.key("Capabilities").begin_array().begin_array();
  for (std::string_view one : capabilities) json.string(one);
  json.end_array().end_array().end_object();
  return {};
}

namespace {

Status write_devices(const Arguments& arguments, JsonWriter& json) {
  std::vector<std::string_view> devices = arguments.list("device");
  auto cdi = std::stable_partition(devices.begin(), devices.end(),
                                   [](std::string_view one) { return !is_cdi_name(one); });
  if (cdi != devices.begin()) {
    json.key("Devices").begin_array();
    for (auto it = devices.begin(); it != cdi; ++it) TRY(write_device(*it, json));
    json.end_array();
  }
  std::string_view gpus = arguments.string("gpus");
  if (cdi != devices.end() || !gpus.empty()) {
    json.key("DeviceRequests").begin_array();
    if (cdi != devices.end()) {
      json.begin_object().member("Driver", "cdi");
      write_strings(json, "DeviceIDs", {cdi, devices.end()});
      json.end_object();
    }
    if (!gpus.empty()) TRY(write_gpus(gpus, json));
    json.end_array();
  }
  write_strings(json, "DeviceCgroupRules", arguments.list("device-cgroup-rule"));
  return {};
}

// The seccomp option carries the profile itself, as JSON without blanks.
Result<std::string> seccomp_option(std::string_view value) {
  if (value == "unconfined" || value == "builtin") return cat("seccomp=", value);
  auto text = read_file(value);
  if (!text)
    return bad(cat("opening seccomp profile (", value, ") failed: open ", value, ": ",
                   errno_text(text.error().sys_errno())));
  auto document = oci::JsonDocument::parse(*text);
  if (!document)
    return bad(cat("compacting json for seccomp profile (", value,
                   ") failed: ", document.error().message()));
  std::string compact;
  bool inside = false;
  for (std::size_t i = 0; i < text->size(); ++i) {
    char c = (*text)[i];
    if (inside && c == '\\') {
      compact += c;
      compact += (*text)[++i];
      continue;
    }
    if (c == '"') inside = !inside;
    if (inside || (c != ' ' && c != '\n' && c != '\r' && c != '\t')) compact += c;
  }
  return "seccomp=" + compact;
}

Status check_namespace_modes(const Arguments& arguments) {
  struct Modes {
    std::string_view flag;
    std::string_view what;
    bool joins;        // container:NAME
    bool has_private;  // "private"
  };
  for (const Modes& modes :
       {Modes{"pid", "PID", true, false}, Modes{"uts", "UTS", false, false},
        Modes{"userns", "USER", false, false}, Modes{"cgroupns", "CGROUP", false, true}}) {
    std::string_view mode = arguments.string(modes.flag);
    bool joins = modes.joins && mode.starts_with("container:") && mode != "container:";
    bool good = mode.empty() || mode == "host" || joins || (modes.has_private && mode == "private");
    if (!good) return bad(cat("--", modes.flag, ": invalid ", modes.what, " mode"));
  }
  return {};
}

Status write_security(const Arguments& arguments, JsonWriter& json) {
  std::vector<std::string> options;
  bool bare_paths = false;
  for (std::string_view option : arguments.list("security-opt")) {
    std::size_t separator = option.find('=');
    if (separator == std::string_view::npos) separator = option.find(':');
    if (option == "systempaths=unconfined") {
      bare_paths = true;
    } else if (separator == std::string_view::npos && option != "no-new-privileges" &&
               option != "writable-cgroups") {
      return bad(cat("Invalid --security-opt: ", quoted(option)));
    } else if (option.starts_with("seccomp") && separator == 7) {
      TRY_ASSIGN(std::string profile, seccomp_option(option.substr(8)));
      options.push_back(std::move(profile));
    } else {
      options.emplace_back(option);
    }
  }
  write_strings(json, "SecurityOpt", {options.begin(), options.end()});
  if (bare_paths) {
    json.key("MaskedPaths").begin_array().end_array();
    json.key("ReadonlyPaths").begin_array().end_array();
  }
  return {};
}

}  // namespace

Status write_restart_policy(std::string_view policy, JsonWriter& json) {
  std::size_t colon = policy.find(':');
  std::string_view name = policy.substr(0, colon);
  std::int64_t count = 0;
  if (colon != std::string_view::npos) {
    auto number = parse_number<std::int64_t>(policy.substr(colon + 1));
    if (!number)
      return bad("invalid restart policy format: maximum retry count must be an integer");
    count = *number;
  }
  if (name.empty()) return bad("invalid restart policy format: no policy provided before colon");
  json.key("RestartPolicy")
      .begin_object()
      .member("Name", name)
      .member_number("MaximumRetryCount", count)
      .end_object();
  return {};
}

Status write_resources(const Arguments& arguments, JsonWriter& json) {
  constexpr Pair kNumbers[] = {{"cpu-shares", "CpuShares"},
                               {"cpu-period", "CpuPeriod"},
                               {"cpu-quota", "CpuQuota"},
                               {"cpu-rt-period", "CpuRealtimePeriod"},
                               {"cpu-rt-runtime", "CpuRealtimeRuntime"},
                               {"pids-limit", "PidsLimit"}};
  constexpr Pair kSizes[] = {{"memory", "Memory"},
                             {"memory-reservation", "MemoryReservation"},
                             {"memory-swap", "MemorySwap"}};
  constexpr Pair kTexts[] = {{"cpuset-cpus", "CpusetCpus"}, {"cpuset-mems", "CpusetMems"}};
  for (const Pair& pair : kNumbers) {
    if (arguments.has(pair.flag)) json.member_number(pair.member, arguments.integer(pair.flag));
  }
  for (const Pair& pair : kSizes) {
    if (arguments.has(pair.flag)) json.member_number(pair.member, arguments.bytes(pair.flag));
  }
  for (const Pair& pair : kTexts) {
    if (arguments.has(pair.flag)) json.member(pair.member, arguments.string(pair.flag));
  }
  if (arguments.has("cpus"))
    json.member_number("NanoCpus", parse_cpus(arguments.string("cpus")).value_or(0));
  if (arguments.has("blkio-weight"))
    json.key("BlkioWeight").number_unsigned(arguments.unsigned_integer("blkio-weight"));
  auto swappiness = arguments.integer("memory-swappiness", -1);
  if (swappiness < -1 || swappiness > 100) {
    return bad(cat("invalid value: ", swappiness, ". Valid memory swappiness range is 0-100"));
  }
  if (arguments.has("memory-swappiness") && arguments.integer("memory-swappiness") != -1) {
    json.member_number("MemorySwappiness", arguments.integer("memory-swappiness"));
  }
  if (arguments.boolean("oom-kill-disable")) json.member_boolean("OomKillDisable", true);
  write_block_io(arguments, json);
  return write_ulimits(arguments, json);
}

Status write_isolation(const Arguments& arguments, JsonWriter& json) {
  constexpr Pair kTexts[] = {{"cgroup-parent", "CgroupParent"},
                             {"cgroupns", "CgroupnsMode"},
                             {"ipc", "IpcMode"},
                             {"isolation", "Isolation"},
                             {"pid", "PidMode"},
                             {"runtime", "Runtime"},
                             {"userns", "UsernsMode"},
                             {"uts", "UTSMode"}};
  constexpr Pair kLists[] = {{"cap-add", "CapAdd"},
                             {"cap-drop", "CapDrop"},
                             {"dns", "Dns"},
                             {"dns-search", "DnsSearch"},
                             {"group-add", "GroupAdd"}};
  constexpr Pair kMaps[] = {
      {"annotation", "Annotations"}, {"storage-opt", "StorageOpt"}, {"sysctl", "Sysctls"}};
  TRY(check_namespace_modes(arguments));
  for (const Pair& pair : kTexts) {
    if (arguments.has(pair.flag)) json.member(pair.member, arguments.string(pair.flag));
  }
  for (const Pair& pair : kLists) write_strings(json, pair.member, arguments.list(pair.flag));
  for (const Pair& pair : kMaps) write_map(json, pair.member, arguments.list(pair.flag));
  auto options = arguments.list("dns-option");
  for (std::string_view option : arguments.list("dns-opt")) options.push_back(option);
  write_strings(json, "DnsOptions", options);
  std::vector<std::string> hosts;
  for (std::string_view host : arguments.list("add-host")) {
    std::size_t separator = host.find_first_of("=:");
    hosts.push_back(cat(host.substr(0, separator), ":", host.substr(separator + 1)));
  }
  write_strings(json, "ExtraHosts", {hosts.begin(), hosts.end()});
  if (arguments.boolean("privileged")) json.member_boolean("Privileged", true);
  if (arguments.boolean("read-only")) json.member_boolean("ReadonlyRootfs", true);
  if (arguments.has("init")) json.member_boolean("Init", arguments.boolean("init"));
  if (arguments.has("oom-score-adj"))
    json.member_number("OomScoreAdj", arguments.integer("oom-score-adj"));
  if (arguments.has("shm-size")) json.member_number("ShmSize", arguments.bytes("shm-size"));
  TRY(write_devices(arguments, json));
  return write_security(arguments, json);
}

}  // namespace dhow::cli
