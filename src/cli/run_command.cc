// SPDX-License-Identifier: Apache-2.0
// inspect --format run: the command line that makes a container again.
#include <algorithm>

#include "base/strings.h"
#include "cli/output_verbs.h"
#include "cli/units.h"

namespace dhow::cli {
namespace {

using oci::JsonKind;
using oci::JsonValue;

// For a shell: quoted when it has to be.
std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@,+%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(text);
  std::string word = "'";
  for (char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::vector<std::string> texts_of(JsonValue list) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < list.size(); ++i)
    texts.emplace_back(list.item(i).as_string().value_or(""));
  return texts;
}

bool is_true(JsonValue value) { return value.as_boolean().value_or(false); }

class CommandLine {
 public:
  explicit CommandLine(std::string_view program) : text_(cat(program, " run")) {}

  void word(std::string_view value) { text_ += cat(" ", shell_word(value)); }
  void flag(std::string_view name) { text_ += cat(" ", name); }
  void flag(std::string_view name, std::string_view value) {
    text_ += cat(" ", name, name.starts_with("--") ? "=" : " ", shell_word(value));
  }
  void text(std::string_view name, JsonValue object, std::string_view member) {
    if (std::string value = text_member(object, member); !value.empty()) flag(name, value);
  }
  void number(std::string_view name, JsonValue object, std::string_view member) {
    if (std::int64_t value = number_member(object, member); value != 0) flag(name, cat(value));
  }
  void on(std::string_view name, JsonValue object, std::string_view member) {
    if (is_true(object.find(member))) flag(name);
  }
  void list(std::string_view name, JsonValue values) {
    for (const std::string& value : texts_of(values)) flag(name, value);
  }
  void map(std::string_view name, JsonValue values, std::string_view between = "=") {
    for (std::size_t i = 0; i < values.size(); ++i) {
      oci::JsonMember member = values.member(i);
      std::string value(member.value.as_string().value_or(""));
      flag(name, value.empty() && between == ":" ? std::string(member.name)
                                                 : cat(member.name, between, value));
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void add_process(JsonValue container, JsonValue config, JsonValue from_image, CommandLine& line) {
  line.on("-t", config, "Tty");
  line.on("-i", config, "OpenStdin");
  std::string name = text_member(container, "Name");
  if (name.starts_with('/')) name.erase(0, 1);
  if (!name.empty()) line.flag("--name", name);
  // The host name is the short id unless it was given.
  std::string host = text_member(config, "Hostname");
  if (!host.empty() && !text_member(container, "Id").starts_with(host))
    line.flag("--hostname", host);
  line.text("--domainname", config, "Domainname");
  auto differs = [&](std::string_view member) {
    return text_member(config, member) != text_member(from_image, member);
  };
  if (differs("User")) line.text("--user", config, "User");
  if (differs("WorkingDir")) line.text("--workdir", config, "WorkingDir");
  if (differs("StopSignal")) line.text("--stop-signal", config, "StopSignal");
  line.number("--stop-timeout", config, "StopTimeout");
  std::vector<std::string> given = texts_of(from_image.find("Env"));
  for (const std::string& one : texts_of(config.find("Env"))) {
    if (std::ranges::find(given, one) == given.end()) line.flag("--env", one);
  }
  JsonValue labels = config.find("Labels");
  for (std::size_t i = 0; i < labels.size(); ++i) {
    oci::JsonMember label = labels.member(i);
    std::string value(label.value.as_string().value_or(""));
    if (text_member(from_image.find("Labels"), label.name) == value &&
        !from_image.find("Labels").find(label.name).is_null())
      continue;
    line.flag("--label", cat(label.name, "=", value));
  }
  JsonValue exposed = config.find("ExposedPorts");
  for (std::size_t i = 0; i < exposed.size(); ++i) {
    oci::JsonMember port = exposed.member(i);
    bool said = !from_image.find("ExposedPorts").find(port.name).is_null() ||
                container.find("HostConfig").find("PortBindings").find(port.name).size() != 0;
    if (!said) line.flag("--expose", port.name);
  }
  JsonValue volumes = config.find("Volumes");
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    if (from_image.find("Volumes").find(volumes.member(i).name).is_null())
      line.flag("--volume", volumes.member(i).name);
  }
}

void add_health(JsonValue health, JsonValue from_image, CommandLine& line) {
  std::vector<std::string> test = texts_of(health.find("Test"));
  if (test.empty() || test == texts_of(from_image.find("Test"))) return;
  if (test[0] == "NONE") return line.flag("--no-healthcheck");
  std::string command = test.size() > 1 ? test[1] : "";
  for (std::size_t i = 2; i < test.size(); ++i) command += " " + shell_word(test[i]);
  line.flag("--health-cmd", command);
  auto time = [&](std::string_view name, std::string_view member) {
    if (std::int64_t value = number_member(health, member); value != 0)
      line.flag(name, cat(value / 1'000'000, "ms"));
  };
  time("--health-interval", "Interval");
  time("--health-timeout", "Timeout");
  time("--health-start-period", "StartPeriod");
  time("--health-start-interval", "StartInterval");
  line.number("--health-retries", health, "Retries");
}

void add_storage(JsonValue host, CommandLine& line) {
  line.list("--volume", host.find("Binds"));
  line.map("--tmpfs", host.find("Tmpfs"), ":");
  line.list("--volumes-from", host.find("VolumesFrom"));
  JsonValue mounts = host.find("Mounts");
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    JsonValue mount = mounts.item(i);
    std::string text = cat("type=", text_member(mount, "Type"));
    if (std::string source = text_member(mount, "Source"); !source.empty())
      text += cat(",source=", source);
    text += cat(",target=", text_member(mount, "Target"));
    if (is_true(mount.find("ReadOnly"))) text += ",readonly";
    if (std::string how = text_member(mount.find("BindOptions"), "Propagation"); !how.empty())
      text += cat(",bind-propagation=", how);
    if (std::int64_t size = number_member(mount.find("TmpfsOptions"), "SizeBytes"); size != 0)
      text += cat(",tmpfs-size=", size);
    line.flag("--mount", text);
  }
  line.on("--read-only", host, "ReadonlyRootfs");
  line.map("--storage-opt", host.find("StorageOpt"));
}

void add_network(JsonValue host, CommandLine& line) {
  std::string mode = text_member(host, "NetworkMode");
  if (!mode.empty() && mode != "default" && mode != "bridge") line.flag("--network", mode);
  JsonValue bindings = host.find("PortBindings");
  for (std::size_t i = 0; i < bindings.size(); ++i) {
    oci::JsonMember port = bindings.member(i);
    for (std::size_t j = 0; j < port.value.size(); ++j) {
      std::string ip = text_member(port.value.item(j), "HostIp");
      if (ip.find(':') != std::string::npos) ip = cat("[", ip, "]");
      std::string outside = text_member(port.value.item(j), "HostPort");
      line.flag("--publish", cat(ip, ip.empty() ? "" : ":", outside,
                                 outside.empty() && ip.empty() ? "" : ":", port.name));
    }
  }
  line.on("--publish-all", host, "PublishAllPorts");
  line.list("--add-host", host.find("ExtraHosts"));
  line.list("--dns", host.find("Dns"));
  line.list("--dns-option", host.find("DnsOptions"));
  line.list("--dns-search", host.find("DnsSearch"));
}

void add_devices(JsonValue host, CommandLine& line) {
  JsonValue devices = host.find("Devices");
  for (std::size_t i = 0; i < devices.size(); ++i) {
    JsonValue device = devices.item(i);
    line.flag("--device",
              cat(text_member(device, "PathOnHost"), ":", text_member(device, "PathInContainer"),
                  ":", text_member(device, "CgroupPermissions")));
  }
  line.list("--device-cgroup-rule", host.find("DeviceCgroupRules"));
  JsonValue limits = host.find("Ulimits");
  for (std::size_t i = 0; i < limits.size(); ++i) {
    JsonValue limit = limits.item(i);
    line.flag("--ulimit", cat(text_member(limit, "Name"), "=", number_member(limit, "Soft"), ":",
                              number_member(limit, "Hard")));
  }
}

void add_resources(JsonValue host, CommandLine& line) {
  line.number("--memory", host, "Memory");
  line.number("--memory-reservation", host, "MemoryReservation");
  // Twice the memory is the default.
  std::int64_t swap = number_member(host, "MemorySwap");
  if (swap != 0 && swap != 2 * number_member(host, "Memory")) line.flag("--memory-swap", cat(swap));
  if (std::int64_t cpus = number_member(host, "NanoCpus"); cpus != 0) {
    line.flag("--cpus", go_float_text(static_cast<double>(cpus) / 1e9));
  }
  line.number("--cpu-shares", host, "CpuShares");
  line.number("--cpu-period", host, "CpuPeriod");
  line.number("--cpu-quota", host, "CpuQuota");
  line.text("--cpuset-cpus", host, "CpusetCpus");
  line.text("--cpuset-mems", host, "CpusetMems");
  line.number("--pids-limit", host, "PidsLimit");
  line.number("--blkio-weight", host, "BlkioWeight");
  line.number("--oom-score-adj", host, "OomScoreAdj");
  line.on("--oom-kill-disable", host, "OomKillDisable");
  constexpr std::int64_t kDefaultShm = 67'108'864;
  if (std::int64_t size = number_member(host, "ShmSize"); size != 0 && size != kDefaultShm)
    line.flag("--shm-size", cat(size));
  add_devices(host, line);
}

void add_isolation(JsonValue host, CommandLine& line) {
  line.on("--privileged", host, "Privileged");
  line.list("--cap-add", host.find("CapAdd"));
  line.list("--cap-drop", host.find("CapDrop"));
  line.list("--security-opt", host.find("SecurityOpt"));
  line.list("--group-add", host.find("GroupAdd"));
  line.map("--sysctl", host.find("Sysctls"));
  line.map("--annotation", host.find("Annotations"));
  line.text("--pid", host, "PidMode");
  line.text("--uts", host, "UTSMode");
  line.text("--userns", host, "UsernsMode");
  std::string ipc = text_member(host, "IpcMode");
  if (!ipc.empty() && ipc != "private") line.flag("--ipc", ipc);
  if (text_member(host, "CgroupnsMode") == "host") line.flag("--cgroupns", "host");
  line.text("--cgroup-parent", host, "CgroupParent");
  line.on("--init", host, "Init");
}

void add_policies(JsonValue host, CommandLine& line) {
  line.on("--rm", host, "AutoRemove");
  std::string restart = text_member(host.find("RestartPolicy"), "Name");
  std::int64_t retries = number_member(host.find("RestartPolicy"), "MaximumRetryCount");
  if (!restart.empty() && restart != "no")
    line.flag("--restart", retries != 0 ? cat(restart, ":", retries) : restart);
  std::string driver = text_member(host.find("LogConfig"), "Type");
  JsonValue options = host.find("LogConfig").find("Config");
  if (!driver.empty() && (driver != "json-file" || options.size() != 0))
    line.flag("--log-driver", driver);
  line.map("--log-opt", options);
  std::string runtime = text_member(host, "Runtime");
  if (!runtime.empty() && runtime != "runc" && runtime != "dhow") line.flag("--runtime", runtime);
}

}  // namespace

Result<std::string> run_command_text(std::string_view program, JsonValue container,
                                     JsonValue image) {
  JsonValue config = container.find("Config");
  JsonValue host = container.find("HostConfig");
  JsonValue from_image = image.find("Config");
  CommandLine line(program);
  bool attached = is_true(config.find("AttachStdout")) || is_true(config.find("AttachStderr"));
  if (!attached) line.flag("-d");
  add_process(container, config, from_image, line);
  add_health(config.find("Healthcheck"), from_image.find("Healthcheck"), line);
  add_policies(host, line);
  add_network(host, line);
  add_storage(host, line);
  add_resources(host, line);
  add_isolation(host, line);
  std::vector<std::string> entry = texts_of(config.find("Entrypoint"));
  std::vector<std::string> words = texts_of(config.find("Cmd"));
  bool own_entry = entry != texts_of(from_image.find("Entrypoint"));
  if (own_entry) line.flag("--entrypoint", entry.empty() ? "" : entry[0]);
  line.word(text_member(config, "Image"));
  // The flag takes one word: the rest of an entry point goes before the command.
  if (own_entry) {
    for (std::size_t i = 1; i < entry.size(); ++i) line.word(entry[i]);
  }
  if (own_entry || words != texts_of(from_image.find("Cmd"))) {
    for (const std::string& one : words) line.word(one);
  }
  return line.take();
}

}  // namespace dhow::cli
