// SPDX-License-Identifier: Apache-2.0
#include "oci/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "base/log.h"
#include "base/strings.h"
#include "oci/config_codec.h"

namespace dhow::oci {
namespace {

using testing::ElementsAre;

// The fault in a text, from whichever of the two steps; "" for a good one.
std::string fault_of(const std::string& text) {
  auto config = parse_config(text);
  if (!config.has_value()) return "does not parse: " + config.error().message();
  auto status = validate(*config);
  if (status.has_value()) return "";
  EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
  return status.error().message();
}

constexpr char kProcess[] = R"("process": {"args": ["sh"], "cwd": "/"})";
constexpr char kRoot[] = R"("root": {"path": "r"})";

// A good configuration with more members on top, and with more members in one of its parts.
std::string with_top(std::string_view members) {
  return cat(R"({"ociVersion": "1.3.0", )", kProcess, ",", kRoot, members.empty() ? "" : ",",
             members, "}");
}
std::string with_process(std::string_view members) {
  return cat(R"({"ociVersion": "1.3.0", "process": {"args": ["sh"], "cwd": "/", )", members, "},",
             kRoot, "}");
}
std::string with_linux(std::string_view members) {
  return with_top(cat(R"("linux": {)", members, "}"));
}
std::string with_resources(std::string_view members) {
  return with_linux(cat(R"("resources": {)", members, "}"));
}
std::string with_seccomp(std::string_view members) {
  return with_linux(cat(R"("seccomp": {)", members, "}"));
}

struct ConfigCase {
  const char* text;
  const char* fault;  // "": none
};

class WarningSink : public log::Sink {
 public:
  WarningSink() { log::set_sink(this, log::Level::kWarning); }
  ~WarningSink() override { log::set_sink(nullptr, log::Level::kInfo); }
  void write(log::Level, std::string_view message) override { lines.emplace_back(message); }

  std::vector<std::string> lines;
};

TEST(Validate, ChecksTheVersion) {
  for (const char* good :
       {"1.0.0", "1.3.0", "1.0.2-dev", "1.2.0+dev", "1.10.0-rc.1+b.7", "1.0.0--"}) {
    EXPECT_EQ(fault_of(cat(R"({"ociVersion": ")", good, "\",", kProcess, ",", kRoot, "}")), "")
        << good;
  }
  for (const char* bad :
       {"", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.00", "v1.0.0", "1.0.0-", "1.0.0-a..b", "1.0.0-01",
        "1.0.0+", "1.0.x", "1.-1.0", "1.0.0 ", "1.0.0-\xc3\xa9"}) {
    EXPECT_EQ(fault_of(cat(R"({"ociVersion": ")", bad, "\",", kProcess, ",", kRoot, "}")),
              cat("$.ociVersion: ", quoted(bad), " is no semantic version"));
  }
  for (const char* other : {"0.9.0", "2.0.0", "10.0.0"}) {
    EXPECT_EQ(fault_of(cat(R"({"ociVersion": ")", other, "\",", kProcess, ",", kRoot, "}")),
              cat("$.ociVersion: version ", quoted(other), " is not supported"));
  }
}

TEST(Validate, ChecksTheTop) {
  EXPECT_EQ(fault_of(with_top("")), "");
  EXPECT_EQ(fault_of(cat(R"({"ociVersion": "1.3.0", )", kProcess, "}")), "$.root: required");
  EXPECT_EQ(fault_of(cat(R"({"ociVersion": "1.3.0", "root": {"path": ""}, )", kProcess, "}")),
            "$.root.path: must not be empty");
  EXPECT_EQ(fault_of(cat(R"({"ociVersion": "1.3.0", )", kRoot, "}")), "$.process: required");
  static constexpr ConfigCase kCases[] = {
      {R"("hostname": "h")", "$.hostname: needs a uts namespace"},
      {R"("domainname": "d")", "$.domainname: needs a uts namespace"},
      {R"("hostname": "h", "domainname": "d", "linux": {"namespaces": [{"type": "uts"}]})", ""},
      {R"("hostname": "h", "linux": {"namespaces": [{"type": "uts", "path": "/n"}]})", ""},
      {R"("annotations": {"": "x"})", "$.annotations: a key is empty"},
      {R"("annotations": {"a": ""})", ""},
  };
  for (const ConfigCase& c : kCases) EXPECT_EQ(fault_of(with_top(c.text)), c.fault) << c.text;
  std::string uts = R"(", "linux": {"namespaces": [{"type": "uts"}]})";
  std::string name(64, 'h');
  EXPECT_EQ(fault_of(with_top(cat("\"hostname\": \"", name, uts))), "");
  EXPECT_EQ(fault_of(with_top(cat("\"hostname\": \"", name, "h", uts))),
            cat("$.hostname: \"", name, "h\" is longer than 64 bytes"));
}

TEST(Validate, ChecksMounts) {
  static constexpr ConfigCase kCases[] = {
      {R"({"destination": ""})", "$.mounts[0].destination: must not be empty"},
      {R"({"destination": "/a", "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]})",
       "$.mounts[0]: uidMappings and gidMappings need each other"},
      {R"({"destination": "/a", "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]})",
       "$.mounts[0]: uidMappings and gidMappings need each other"},
      {R"({"destination": "/a", "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
           "gidMappings": [{"containerID": 0, "hostID": 0, "size": 0}]})",
       "$.mounts[0].gidMappings[0].size: must be greater than 0"},
      {R"({"destination": "/a", "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
           "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]})",
       ""},
  };
  for (const ConfigCase& c : kCases) {
    EXPECT_EQ(fault_of(with_top(cat("\"mounts\": [", c.text, "]"))), c.fault) << c.text;
  }
}

TEST(Validate, WarnsOfWhatOthersAccept) {
  WarningSink sink;
  EXPECT_EQ(fault_of(with_top(R"("mounts": [{"destination": "data"}])")), "");
  EXPECT_EQ(fault_of(with_process(R"("scheduler": {"policy": "SCHED_IDLE", "nice": 3})")), "");
  EXPECT_EQ(fault_of(with_linux(R"("personality": {"domain": "LINUX", "flags": ["x"]})")), "");
  EXPECT_EQ(fault_of(with_seccomp(R"("defaultAction": "SCMP_ACT_ALLOW",
                                     "syscalls": [{"names": [], "action": "SCMP_ACT_LOG"}])")),
            "");
  EXPECT_THAT(sink.lines,
              ElementsAre("$.mounts[0].destination: \"data\" is not absolute, taken as below \"/\"",
                          "$.process.scheduler.nice: has no effect with SCHED_IDLE",
                          "$.linux.personality.flags: ignored, the specification defines none",
                          "$.linux.seccomp.syscalls[0].names: empty, the rule has no effect"));
}

TEST(Validate, ChecksHooks) {
  for (const char* name : {"prestart", "createRuntime", "createContainer", "startContainer",
                           "poststart", "poststop"}) {
    auto hooks = [&](std::string_view list) {
      return with_top(cat(R"("hooks": {")", name, "\": ", list, "}"));
    };
    EXPECT_EQ(fault_of(hooks(R"([{"path": "/h", "timeout": 1}])")), "") << name;
    EXPECT_EQ(fault_of(hooks(R"([{"path": "/h"}, {"path": "h"}])")),
              cat("$.hooks.", name, "[1].path: \"h\" is not absolute"));
    EXPECT_EQ(fault_of(hooks(R"([{"path": "/h", "timeout": 0}])")),
              cat("$.hooks.", name, "[0].timeout: must be greater than 0"));
    EXPECT_EQ(fault_of(hooks(R"([{"path": "/h", "timeout": -1}])")),
              cat("$.hooks.", name, "[0].timeout: must be greater than 0"));
  }
}

TEST(Validate, ChecksTheProcess) {
  static constexpr ConfigCase kCases[] = {
      {R"("args": [])", "$.process.args: must not be empty"},
      {R"("cwd": "tmp")", "$.process.cwd: \"tmp\" is not absolute"},
      {R"("cwd": "")", "$.process.cwd: \"\" is not absolute"},
      {R"("env": ["A=", "B=1=2"])", ""},
      {R"("env": ["A=1", "B"])", "$.process.env[1]: \"B\" is not of the form NAME=value"},
      {R"("env": ["=1"])", "$.process.env[0]: \"=1\" is not of the form NAME=value"},
      {R"("consoleSize": {"height": 65535, "width": 65535})", ""},
      {R"("consoleSize": {"height": 65536, "width": 1})",
       "$.process.consoleSize: a side is longer than 65535"},
      {R"("oomScoreAdj": 1000)", ""},
      {R"("oomScoreAdj": -1000)", ""},
      {R"("oomScoreAdj": 1001)", "$.process.oomScoreAdj: 1001 is not from -1000 to 1000"},
      {R"("oomScoreAdj": -1001)", "$.process.oomScoreAdj: -1001 is not from -1000 to 1000"},
      {R"("ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 7})", ""},
      {R"("ioPriority": {"class": "BE"})", "$.process.ioPriority.class: unknown I/O class \"BE\""},
      {R"("ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 8})",
       "$.process.ioPriority.priority: 8 is not from 0 to 7"},
      {R"("ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": -1})",
       "$.process.ioPriority.priority: -1 is not from 0 to 7"},
      {R"("execCPUAffinity": {"initial": "0-1, 4", "final": ""})", ""},
      {R"("execCPUAffinity": {"initial": "a"})",
       "$.process.execCPUAffinity.initial: \"a\" is no list of CPUs"},
      {R"("execCPUAffinity": {"final": "0;1"})",
       "$.process.execCPUAffinity.final: \"0;1\" is no list of CPUs"},
  };
  for (const ConfigCase& c : kCases) EXPECT_EQ(fault_of(with_process(c.text)), c.fault) << c.text;
}

TEST(Validate, ChecksRlimits) {
  for (const char* name :
       {"AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE",
        "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"}) {
    EXPECT_EQ(fault_of(with_process(
                  cat(R"("rlimits": [{"type": "RLIMIT_)", name, R"(", "hard": 2, "soft": 2}])"))),
              "")
        << name;
  }
  static constexpr ConfigCase kCases[] = {
      {R"({"type": "RLIMIT_X", "hard": 1, "soft": 1})",
       "$.process.rlimits[0].type: unknown rlimit \"RLIMIT_X\""},
      {R"({"type": "NOFILE", "hard": 1, "soft": 1})",
       "$.process.rlimits[0].type: unknown rlimit \"NOFILE\""},
      {R"({"type": "RLIMIT_CPU", "hard": 1, "soft": 2})",
       "$.process.rlimits[0].soft: 2 is greater than the hard limit 1"},
      {R"({"type": "RLIMIT_CPU", "hard": 1, "soft": 1}, {"type": "RLIMIT_AS", "hard": 1, "soft": 1},
          {"type": "RLIMIT_CPU", "hard": 1, "soft": 1})",
       "$.process.rlimits[2].type: a second RLIMIT_CPU, after number 0"},
  };
  for (const ConfigCase& c : kCases) {
    EXPECT_EQ(fault_of(with_process(cat("\"rlimits\": [", c.text, "]"))), c.fault) << c.text;
  }
}

TEST(Validate, ChecksTheScheduler) {
  static constexpr ConfigCase kCases[] = {
      {R"("policy": "SCHED_OTHER", "nice": -20)", ""},
      {R"("policy": "SCHED_BATCH", "nice": 19)", ""},
      {R"("policy": "SCHED_ISO")", ""},
      {R"("policy": "SCHED_RR", "priority": 99, "flags": ["SCHED_FLAG_RESET_ON_FORK"])", ""},
      {R"("policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3)", ""},
      {R"("policy": "")", ".policy: unknown scheduler policy \"\""},
      {R"("policy": "OTHER")", ".policy: unknown scheduler policy \"OTHER\""},
      {R"("policy": "SCHED_OTHER", "flags": ["X"])", ".flags[0]: unknown scheduler flag \"X\""},
      {R"("policy": "SCHED_OTHER", "nice": 20)", ".nice: 20 is not from -20 to 19"},
      {R"("policy": "SCHED_BATCH", "nice": -21)", ".nice: -21 is not from -20 to 19"},
      {R"("policy": "SCHED_OTHER", "priority": 1)", ".priority: only for SCHED_FIFO and SCHED_RR"},
      {R"("policy": "SCHED_FIFO")", ".priority: 0 is not from 1 to 99"},
      {R"("policy": "SCHED_RR", "priority": 100)", ".priority: 100 is not from 1 to 99"},
      {R"("policy": "SCHED_FIFO", "priority": 1, "runtime": 1)",
       ": runtime, deadline and period are only for SCHED_DEADLINE"},
      {R"("policy": "SCHED_OTHER", "deadline": 1)",
       ": runtime, deadline and period are only for SCHED_DEADLINE"},
      {R"("policy": "SCHED_OTHER", "period": 1)",
       ": runtime, deadline and period are only for SCHED_DEADLINE"},
  };
  for (const ConfigCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.process.scheduler", c.fault);
    EXPECT_EQ(fault_of(with_process(cat("\"scheduler\": {", c.text, "}"))), fault) << c.text;
  }
}

TEST(ValidateProcess, NamesTheGivenPath) {
  Process process;
  EXPECT_EQ(validate_process(process, "$").error().message(), "$.args: must not be empty");
  process.args = {"sh"};
  process.cwd = "/";
  EXPECT_TRUE(validate_process(process, "$").has_value());
  process.env = {std::string("A=\0", 3)};
  EXPECT_EQ(validate_process(process, "$").error().message(), "$.env[0]: the string holds a NUL");
}

TEST(Validate, ChecksDeviceRulesAndMemory) {
  static constexpr ConfigCase kCases[] = {
      {R"("devices": [{"allow": true, "major": -1, "minor": -1, "access": "mwr"}])", ""},
      {R"("devices": [{"allow": true, "access": "rx"}])",
       ".devices[0].access: \"rx\" is not of r, w and m"},
      {R"("devices": [{"allow": true, "major": -2}])", ".devices[0].major: must be at least -1"},
      {R"("devices": [{"allow": true, "minor": -2}])", ".devices[0].minor: must be at least -1"},
      {R"("memory": {"limit": 100, "swap": 100, "reservation": -1, "swappiness": 100})", ""},
      {R"("memory": {"limit": 100, "swap": -1})", ""},
      {R"("memory": {"limit": 100, "swap": 0})", ""},
      {R"("memory": {"limit": -1, "swap": 50})", ""},
      {R"("memory": {"limit": 100, "swap": 99})",
       ".memory.swap: memory and swap together, 99, are less than the memory limit 100"},
      {R"("memory": {"limit": -2})", ".memory.limit: -2 is less than -1"},
      {R"("memory": {"reservation": -2})", ".memory.reservation: -2 is less than -1"},
      {R"("memory": {"swap": -9})", ".memory.swap: -9 is less than -1"},
      {R"("memory": {"swappiness": 101})", ".memory.swappiness: 101 is not from 0 to 100"},
  };
  for (const ConfigCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.resources", c.fault);
    EXPECT_EQ(fault_of(with_resources(c.text)), fault) << c.text;
  }
}

TEST(Validate, ChecksCpuAndBlockIo) {
  static constexpr ConfigCase kCases[] = {
      {R"("cpu": {"shares": 0, "quota": -1, "period": 0, "idle": 1, "cpus": "0-3,7", "mems": "0"})",
       ""},
      {R"("cpu": {"quota": 1000, "period": 1000, "idle": 0})", ""},
      {R"("cpu": {"quota": 0, "period": 1000000})", ""},
      {R"("cpu": {"quota": 999})", ".cpu.quota: 999 is less than 1000 microseconds"},
      {R"("cpu": {"period": 999})", ".cpu.period: 999 is not from 1000 to 1000000 microseconds"},
      {R"("cpu": {"period": 1000001})",
       ".cpu.period: 1000001 is not from 1000 to 1000000 microseconds"},
      {R"("cpu": {"idle": 2})", ".cpu.idle: 2 is not 0 or 1"},
      {R"("cpu": {"cpus": "all"})", ".cpu.cpus: \"all\" is no list of CPUs"},
      {R"("cpu": {"mems": "x"})", ".cpu.mems: \"x\" is no list of memory nodes"},
      {R"("pids": {"limit": -1})", ""},
      {R"("pids": {"limit": 0})", ""},
      {R"("blockIO": {"weight": 10, "leafWeight": 1000})", ""},
      {R"("blockIO": {"weight": 0})", ""},
      {R"("blockIO": {"weight": 9})", ".blockIO.weight: 9 is not from 10 to 1000"},
      {R"("blockIO": {"leafWeight": 1001})", ".blockIO.leafWeight: 1001 is not from 10 to 1000"},
      {R"("blockIO": {"weightDevice": [{"major": -1, "minor": 0}]})",
       ".blockIO.weightDevice[0]: a device number is negative"},
      {R"("blockIO": {"weightDevice": [{"major": 1, "minor": 0, "weight": 5}]})",
       ".blockIO.weightDevice[0]: a weight is not from 10 to 1000"},
      {R"("blockIO": {"throttleReadBpsDevice": [{"major": 0, "minor": -1}]})",
       ".blockIO.throttleReadBpsDevice[0]: a device number is negative"},
      {R"("blockIO": {"throttleWriteBpsDevice": [{"major": -1, "minor": 1}]})",
       ".blockIO.throttleWriteBpsDevice[0]: a device number is negative"},
      {R"("blockIO": {"throttleReadIOPSDevice": [{"major": -1, "minor": 1}]})",
       ".blockIO.throttleReadIOPSDevice[0]: a device number is negative"},
      {R"("blockIO": {"throttleWriteIOPSDevice": [{"major": -1, "minor": 1}]})",
       ".blockIO.throttleWriteIOPSDevice[0]: a device number is negative"},
  };
  for (const ConfigCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.resources", c.fault);
    EXPECT_EQ(fault_of(with_resources(c.text)), fault) << c.text;
  }
}

TEST(Validate, ChecksTheOtherResources) {
  static constexpr ConfigCase kCases[] = {
      {R"("hugepageLimits": [{"pageSize": "64KB", "limit": 1}, {"pageSize": "1GB", "limit": 1}])",
       ""},
      {R"("hugepageLimits": [{"pageSize": "02MB", "limit": 1}])",
       ".hugepageLimits[0].pageSize: \"02MB\" is no page size such as \"2MB\""},
      {R"("hugepageLimits": [{"pageSize": "MB", "limit": 1}])",
       ".hugepageLimits[0].pageSize: \"MB\" is no page size such as \"2MB\""},
      {R"("hugepageLimits": [{"pageSize": "2M", "limit": 1}])",
       ".hugepageLimits[0].pageSize: \"2M\" is no page size such as \"2MB\""},
      {R"("hugepageLimits": [{"pageSize": "2MB/../x", "limit": 1}])",
       ".hugepageLimits[0].pageSize: \"2MB/../x\" is no page size such as \"2MB\""},
      {R"("network": {"priorities": [{"name": "eth0", "priority": 1}]})", ""},
      {R"("network": {"priorities": [{"name": "e 1", "priority": 1}]})",
       ".network.priorities[0].name: \"e 1\" is no name of a network device"},
      {R"("rdma": {"mlx5_1": {}})", ""},
      {R"("rdma": {"": {}})", ".rdma: \"\" is no name of an RDMA device"},
      {R"("unified": {"memory.high": "1", "cgroup.max.depth": "x"})", ""},
      {R"("unified": {"../memory.high": "1"})",
       ".unified: \"../memory.high\" must be a file name (no slashes)"},
      {R"("unified": {".hidden": "1"})",
       ".unified: \".hidden\" must be in the form CONTROLLER.PARAMETER"},
      {R"("unified": {"memory": "1"})",
       ".unified: \"memory\" must be in the form CONTROLLER.PARAMETER"},
      {R"("unified": {"": "1"})", ".unified: \"\" must be in the form CONTROLLER.PARAMETER"},
  };
  for (const ConfigCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.resources", c.fault);
    EXPECT_EQ(fault_of(with_resources(c.text)), fault) << c.text;
  }
}

}  // namespace
}  // namespace dhow::oci
