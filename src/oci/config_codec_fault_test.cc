// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <string>

#include "base/strings.h"
#include "oci/config_codec.h"

namespace dhow::oci {
namespace {

template <typename Value>
std::string fault_of(const Result<Value>& result) {
  if (result.has_value()) return "no fault";
  EXPECT_EQ(result.error().code(), Code::kInvalidArgument);
  return result.error().message();
}

struct FaultCase {
  const char* text;
  const char* fault;
};

TEST(ParseConfigFault, NamesTheFieldOfTheTop) {
  static constexpr FaultCase kCases[] = {
      {R"([])", "$: expected an object, found an array"},
      {R"(null)", "$: expected an object, found null"},
      {R"({})", "$.ociVersion: required"},
      {R"({"ociVersion": 1})", "$.ociVersion: expected a string, found number 1"},
      {R"({"ociVersion": null})", "$.ociVersion: required"},
      {R"({"ociVersion": "1", "hostname": []})", "$.hostname: expected a string, found an array"},
      {R"({"ociVersion": "1", "hostname": "a\u0000b"})", "$.hostname: the string holds a NUL"},
      {R"({"ociVersion": "1", "domainname": {}})",
       "$.domainname: expected a string, found an object"},
      {R"({"ociVersion": "1", "root": "r"})", "$.root: expected an object, found string \"r\""},
      {R"({"ociVersion": "1", "root": {}})", "$.root.path: required"},
      {R"({"ociVersion": "1", "root": {"path": "r", "readonly": 0}})",
       "$.root.readonly: expected a boolean, found number 0"},
      {R"({"ociVersion": "1", "annotations": {"a.b": 1}})",
       "$.annotations[\"a.b\"]: expected a string, found number 1"},
      {R"({"ociVersion": "1", "annotations": {"a": null}})",
       "$.annotations.a: expected a string, found null"},
      {R"({"ociVersion": "1", "annotations": {"a\u0000": "1"}})",
       "$.annotations[\"a\\x00\"]: the name holds a NUL"},
      {R"({"ociVersion": "1", "annotations": []})",
       "$.annotations: expected an object, found an array"},
      {R"({"ociVersion": "1", "mounts": {}})", "$.mounts: expected an array, found an object"},
      {R"({"ociVersion": "1", "mounts": [{"destination": "/"}, null]})",
       "$.mounts[1]: expected an object, found null"},
      {R"({"ociVersion": "1", "mounts": [{"destination": "/", "options": ["a", 2]}]})",
       "$.mounts[0].options[1]: expected a string, found number 2"},
      {R"({"ociVersion": "1", "mounts": [{"destination": "/", "uidMappings": [{"hostID": 1}]}]})",
       "$.mounts[0].uidMappings[0].containerID: required"},
      {R"({"ociVersion": "1", "hooks": []})", "$.hooks: expected an object, found an array"},
      {R"({"ociVersion": "1", "hooks": {"poststop": [{}]}})", "$.hooks.poststop[0].path: required"},
      {R"({"ociVersion": "1", "hooks": {"prestart": [{"path": "/", "timeout": 1.5}]}})",
       "$.hooks.prestart[0].timeout: expected a 64-bit integer, found number 1.5"},
      {R"({"ociVersion": "1", "linux": true})", "$.linux: expected an object, found true"},
      {R"({"ociVersion": "1",)", "invalid JSON at line 1, column 20: incomplete JSON"},
  };
  for (const FaultCase& c : kCases) EXPECT_EQ(fault_of(parse_config(c.text)), c.fault);
}

TEST(ParseProcessFault, NamesTheField) {
  static constexpr FaultCase kCases[] = {
      {R"({})", "$.cwd: required"},
      {R"({"cwd": "/", "terminal": "x"})", "$.terminal: expected a boolean, found string \"x\""},
      {R"({"cwd": "/", "consoleSize": {"height": 1}})", "$.consoleSize.width: required"},
      {R"({"cwd": "/", "consoleSize": {"height": -1, "width": 1}})",
       "$.consoleSize.height: expected an unsigned 64-bit integer, found number -1"},
      {R"({"cwd": "/", "user": {"uid": "x"}})",
       "$.user.uid: expected an unsigned 32-bit integer, found string \"x\""},
      {R"({"cwd": "/", "user": {"gid": 4294967296}})",
       "$.user.gid: expected an unsigned 32-bit integer, found number 4294967296"},
      {R"({"cwd": "/", "user": {"umask": 1.0}})",
       "$.user.umask: expected an unsigned 32-bit integer, found number 1.0"},
      {R"({"cwd": "/", "user": {"additionalGids": [0, -1]}})",
       "$.user.additionalGids[1]: expected an unsigned 32-bit integer, found number -1"},
      {R"({"cwd": "/", "args": "sh"})", "$.args: expected an array, found string \"sh\""},
      {R"({"cwd": "/", "env": [false]})", "$.env[0]: expected a string, found false"},
      {R"({"cwd": "/", "env": ["A=\u0000"]})", "$.env[0]: the string holds a NUL"},
      {R"({"cwd": "/", "capabilities": ["CAP_KILL"]})",
       "$.capabilities: expected an object, found an array"},
      {R"({"cwd": "/", "capabilities": {"ambient": [1]}})",
       "$.capabilities.ambient[0]: expected a string, found number 1"},
      {R"({"cwd": "/", "rlimits": [{"hard": 1, "soft": 1}]})", "$.rlimits[0].type: required"},
      {R"({"cwd": "/", "rlimits": [{"type": "RLIMIT_CPU", "soft": 1}]})",
       "$.rlimits[0].hard: required"},
      {R"({"cwd": "/", "rlimits": [{"type": "RLIMIT_CPU", "hard": 1}]})",
       "$.rlimits[0].soft: required"},
      {R"({"cwd": "/", "rlimits": [{"type": "R", "hard": 1, "soft": 18446744073709551616}]})",
       "$.rlimits[0].soft: expected an unsigned 64-bit integer, found number 1.84467e+19"},
      {R"({"cwd": "/", "noNewPrivileges": 1})",
       "$.noNewPrivileges: expected a boolean, found number 1"},
      {R"({"cwd": "/", "apparmorProfile": 1})",
       "$.apparmorProfile: expected a string, found number 1"},
      {R"({"cwd": "/", "selinuxLabel": 1})", "$.selinuxLabel: expected a string, found number 1"},
      {R"({"cwd": "/", "oomScoreAdj": 2147483648})",
       "$.oomScoreAdj: expected a 32-bit integer, found number 2147483648"},
      {R"({"cwd": "/", "scheduler": {}})", "$.scheduler.policy: required"},
      {R"({"cwd": "/", "scheduler": {"policy": "SCHED_RR", "flags": "x"}})",
       "$.scheduler.flags: expected an array, found string \"x\""},
      {R"({"cwd": "/", "ioPriority": {}})", "$.ioPriority.class: required"},
      {R"({"cwd": "/", "ioPriority": {"class": "x", "priority": "1"}})",
       "$.ioPriority.priority: expected a 32-bit integer, found string \"1\""},
      {R"({"cwd": "/", "execCPUAffinity": {"initial": 0}})",
       "$.execCPUAffinity.initial: expected a string, found number 0"},
  };
  for (const FaultCase& c : kCases) EXPECT_EQ(fault_of(parse_process(c.text)), c.fault);
}

TEST(ParseResourcesFault, NamesTheField) {
  static constexpr FaultCase kCases[] = {
      {R"("x")", "$: expected an object, found string \"x\""},
      {R"({"devices": [{}]})", "$.devices[0].allow: required"},
      {R"({"devices": [{"allow": true, "type": "u"}]})",
       "$.devices[0].type: unknown device type \"u\""},
      {R"({"devices": [{"allow": true, "major": "1"}]})",
       "$.devices[0].major: expected a 64-bit integer, found string \"1\""},
      {R"({"memory": {"limit": 9223372036854775808}})",
       "$.memory.limit: expected a 64-bit integer, found number 9223372036854775808"},
      {R"({"memory": {"swappiness": -1}})",
       "$.memory.swappiness: expected an unsigned 64-bit integer, found number -1"},
      {R"({"memory": {"disableOOMKiller": "no"}})",
       "$.memory.disableOOMKiller: expected a boolean, found string \"no\""},
      {R"({"cpu": {"shares": -2}})",
       "$.cpu.shares: expected an unsigned 64-bit integer, found number -2"},
      {R"({"cpu": {"cpus": 0}})", "$.cpu.cpus: expected a string, found number 0"},
      {R"({"pids": 5})", "$.pids: expected an object, found number 5"},
      {R"({"pids": {"limit": true}})", "$.pids.limit: expected a 64-bit integer, found true"},
      {R"({"blockIO": {"weight": 65536}})",
       "$.blockIO.weight: expected an unsigned 16-bit integer, found number 65536"},
      {R"({"blockIO": {"weightDevice": [{"minor": 1}]}})",
       "$.blockIO.weightDevice[0].major: required"},
      {R"({"blockIO": {"throttleWriteIOPSDevice": [{"major": 1}]}})",
       "$.blockIO.throttleWriteIOPSDevice[0].minor: required"},
      {R"({"hugepageLimits": [{"limit": 1}]})", "$.hugepageLimits[0].pageSize: required"},
      {R"({"hugepageLimits": [{"pageSize": "2MB"}]})", "$.hugepageLimits[0].limit: required"},
      {R"({"network": {"priorities": [{"name": "e"}]}})",
       "$.network.priorities[0].priority: required"},
      {R"({"rdma": {"m": {"hcaHandles": -1}}})",
       "$.rdma.m.hcaHandles: expected an unsigned 32-bit integer, found number -1"},
      {R"({"unified": {"memory.high": 1}})",
       "$.unified[\"memory.high\"]: expected a string, found number 1"},
  };
  for (const FaultCase& c : kCases) EXPECT_EQ(fault_of(parse_resources(c.text)), c.fault);
}

TEST(ParseConfigFault, NamesTheFieldOfLinux) {
  static constexpr FaultCase kCases[] = {
      {R"({"namespaces": [{}]})", "$.linux.namespaces[0].type: required"},
      {R"({"namespaces": [{"type": "net"}]})",
       "$.linux.namespaces[0].type: unknown namespace type \"net\""},
      {R"({"namespaces": [{"type": 1}]})",
       "$.linux.namespaces[0].type: expected a string, found number 1"},
      {R"({"gidMappings": [{"containerID": 0, "hostID": 0}]})",
       "$.linux.gidMappings[0].size: required"},
      {R"({"timeOffsets": {"monotonic": {"nanosecs": -1}}})",
       "$.linux.timeOffsets.monotonic.nanosecs: expected an unsigned 32-bit integer, "
       "found number -1"},
      {R"({"devices": [{"type": "c"}]})", "$.linux.devices[0].path: required"},
      {R"({"devices": [{"path": "/d"}]})", "$.linux.devices[0].type: required"},
      {R"({"devices": [{"path": "/d", "type": "a"}]})",
       "$.linux.devices[0].type: unknown device type \"a\""},
      {R"({"devices": [{"path": "/d", "type": "c", "fileMode": 65536}]})",
       "$.linux.devices[0].fileMode: expected a file mode, found number 65536"},
      {R"({"devices": [{"path": "/d", "type": "c", "fileMode": "0666"}]})",
       "$.linux.devices[0].fileMode: expected an unsigned 32-bit integer, found string \"0666\""},
      {R"({"netDevices": {"eth0": "x"}})",
       "$.linux.netDevices.eth0: expected an object, found string \"x\""},
      {R"({"netDevices": {"eth0": {"name": 1}}})",
       "$.linux.netDevices.eth0.name: expected a string, found number 1"},
      {R"({"netDevices": {"e\u0000": {}}})",
       "$.linux.netDevices[\"e\\x00\"]: the name holds a NUL"},
      {R"({"cgroupsPath": []})", "$.linux.cgroupsPath: expected a string, found an array"},
      {R"({"resources": {"memory": []}})",
       "$.linux.resources.memory: expected an object, found an array"},
      {R"({"sysctl": {"net.x": 1}})",
       "$.linux.sysctl[\"net.x\"]: expected a string, found number 1"},
      {R"({"rootfsPropagation": "bad"})",
       "$.linux.rootfsPropagation: unknown propagation mode \"bad\""},
      {R"({"maskedPaths": "/x"})", "$.linux.maskedPaths: expected an array, found string \"/x\""},
      {R"({"intelRdt": {"enableMonitoring": 1}})",
       "$.linux.intelRdt.enableMonitoring: expected a boolean, found number 1"},
      {R"({"memoryPolicy": {"nodes": 0}})",
       "$.linux.memoryPolicy.nodes: expected a string, found number 0"},
      {R"({"personality": {"flags": {}}})",
       "$.linux.personality.flags: expected an array, found an object"},
  };
  for (const FaultCase& c : kCases) {
    EXPECT_EQ(fault_of(parse_config(cat(R"({"ociVersion": "1", "linux": )", c.text, "}"))),
              c.fault);
  }
}

TEST(ParseConfigFault, NamesTheFieldOfSeccomp) {
  static constexpr FaultCase kCases[] = {
      {R"({})", ".defaultAction: required"},
      {R"({"defaultAction": "ALLOW"})", ".defaultAction: unknown seccomp action \"ALLOW\""},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": -1})",
       ".defaultErrnoRet: expected an unsigned 32-bit integer, found number -1"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": [1]})",
       ".architectures[0]: expected a string, found number 1"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_LOG"}]})",
       ".syscalls[0].names: required"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"]}]})",
       ".syscalls[0].action: required"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "x"}]})",
       ".syscalls[0].action: unknown seccomp action \"x\""},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"],
           "action": "SCMP_ACT_LOG", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]})",
       ".syscalls[0].args[0].index: expected a number from 0 to 5, found number 6"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"],
           "action": "SCMP_ACT_LOG", "args": [{"index": 0, "value": 1, "op": "=="}]}]})",
       ".syscalls[0].args[0].op: unknown seccomp operator \"==\""},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"],
           "action": "SCMP_ACT_LOG", "args": [{"index": 0, "op": "SCMP_CMP_EQ"}]}]})",
       ".syscalls[0].args[0].value: required"},
  };
  for (const FaultCase& c : kCases) {
    std::string text = cat(R"({"ociVersion": "1", "linux": {"seccomp": )", c.text, "}}");
    EXPECT_EQ(fault_of(parse_config(text)), cat("$.linux.seccomp", c.fault));
  }
}

TEST(ParseConfigFault, CutsLongTextsInMessages) {
  std::string text = cat(R"({"ociVersion": "1", "root": ")", std::string(100, 'x'), "\"}");
  EXPECT_EQ(fault_of(parse_config(text)),
            cat("$.root: expected an object, found string \"", std::string(40, 'x'), "\"..."));
}

}  // namespace
}  // namespace dhow::oci
