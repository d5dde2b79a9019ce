// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <string>

#include "base/strings.h"
#include "oci/config_codec.h"
#include "oci/validate.h"

namespace dhow::oci {
namespace {

// The fault in a configuration whose $.linux has these members; "" for a good one.
std::string fault_of(std::string_view members) {
  auto config = parse_config(cat(
      R"({"ociVersion": "1.3.0", "process": {"args": ["sh"], "cwd": "/"}, "root": {"path": "r"},
          "linux": {)",
      members, "}}"));
  if (!config.has_value()) return "does not parse: " + config.error().message();
  auto status = validate(*config);
  return status.has_value() ? "" : status.error().message();
}

struct LinuxCase {
  const char* text;
  const char* fault;  // "": none
};

TEST(ValidateLinux, ChecksNamespaces) {
  static constexpr LinuxCase kCases[] = {
      {R"("namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "pid", "path": "/p"}])",
       "$.linux.namespaces[2]: a second namespace of type pid"},
      {R"("namespaces": [{"type": "network", "path": "proc/1/ns/net"}])",
       "$.linux.namespaces[0].path: \"proc/1/ns/net\" is not absolute"},
      {R"("namespaces": [{"type": "time"}], "timeOffsets": {"boottime": {"nanosecs": 999999999}})",
       ""},
      {R"("namespaces": [{"type": "time"}], "timeOffsets": {"boottime": {"nanosecs": 1000000000}})",
       "$.linux.timeOffsets.boottime.nanosecs: 1000000000 is a second or more"},
      {R"("namespaces": [{"type": "time"}], "timeOffsets": {"realtime": {}})",
       "$.linux.timeOffsets: unknown clock \"realtime\""},
      {R"("timeOffsets": {"boottime": {}})", "$.linux.timeOffsets: needs a time namespace"},
      {R"("timeOffsets": {})", ""},
      {R"("namespaces": [{"type": "time", "path": "/t"}], "timeOffsets": {"boottime": {}})",
       "$.linux.timeOffsets: the time namespace is not a new one"},
  };
  for (const LinuxCase& c : kCases) EXPECT_EQ(fault_of(c.text), c.fault) << c.text;
}

TEST(ValidateLinux, ChecksUserNamespaces) {
  static constexpr LinuxCase kCases[] = {
      {R"("uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])",
       "$.linux.uidMappings: needs a user namespace"},
      {R"("gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])",
       "$.linux.gidMappings: needs a user namespace"},
      {R"("namespaces": [{"type": "user"}])",
       "$.linux.uidMappings: required by a new user namespace"},
      {R"("namespaces": [{"type": "user"}],
          "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])",
       "$.linux.gidMappings: required by a new user namespace"},
      {R"("namespaces": [{"type": "user", "path": "/u"}])", ""},
      {R"("namespaces": [{"type": "user", "path": "/u"}],
          "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])",
       ""},
  };
  for (const LinuxCase& c : kCases) EXPECT_EQ(fault_of(c.text), c.fault) << c.text;
}

TEST(ValidateLinux, ChecksMappings) {
  static constexpr LinuxCase kCases[] = {
      {R"({"containerID": 0, "hostID": 0, "size": 4294967295})", ""},
      {R"({"containerID": 1, "hostID": 1, "size": 4294967295})", ""},
      {R"({"containerID": 0, "hostID": 0, "size": 0})", "[0].size: must be greater than 0"},
      {R"({"containerID": 2, "hostID": 0, "size": 4294967295})", "[0]: reaches beyond 32 bits"},
      {R"({"containerID": 0, "hostID": 2, "size": 4294967295})", "[0]: reaches beyond 32 bits"},
      {R"({"containerID": 0, "hostID": 100, "size": 10},
          {"containerID": 10, "hostID": 90, "size": 10})",
       ""},
      {R"({"containerID": 0, "hostID": 100, "size": 10},
          {"containerID": 9, "hostID": 200, "size": 10})",
       "[1]: overlaps range 0"},
      {R"({"containerID": 0, "hostID": 100, "size": 10},
          {"containerID": 10, "hostID": 200, "size": 10},
          {"containerID": 30, "hostID": 191, "size": 10})",
       "[2]: overlaps range 1"},
  };
  for (const LinuxCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.uidMappings", c.fault);
    EXPECT_EQ(fault_of(cat(R"("namespaces": [{"type": "user"}], "uidMappings": [)", c.text,
                           R"(], "gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])")),
              fault)
        << c.text;
  }
  std::string many = R"({"containerID": 0, "hostID": 0, "size": 1})";
  for (int i = 1; i <= 340; ++i) {
    many += cat(R"(, {"containerID": )", i, R"(, "hostID": )", i, R"(, "size": 1})");
  }
  EXPECT_EQ(fault_of(cat(R"("namespaces": [{"type": "user"}], "gidMappings": [)", many,
                         R"(], "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}])")),
            "$.linux.gidMappings: more than 340 ranges");
}

TEST(ValidateLinux, ChecksSysctls) {
  static constexpr LinuxCase kAllowed[] = {
      {"kernel.msgmax", "ipc"},
      {"kernel.sem", "ipc"},
      {"kernel/shmmax", "ipc"},
      {"kernel.shm_rmid_forced", "ipc"},
      {"fs.mqueue.msg_max", "ipc"},
      {"fs/mqueue/msg_max", "ipc"},
      {"net.core.somaxconn", "network"},
      {"net/ipv4/conf/eth0.1/forwarding", "network"},
      {"kernel.hostname", "uts"},
      {"kernel.domainname", "uts"},
      {"user.max_pid_namespaces", "user"},
  };
  for (const LinuxCase& c : kAllowed) {
    std::string sysctl = cat(R"("sysctl": {")", c.text, R"(": "1"})");
    EXPECT_EQ(fault_of(sysctl),
              cat("$.linux.sysctl[\"", c.text, "\"]: needs a namespace of type ", c.fault));
    EXPECT_EQ(fault_of(cat(sysctl, R"(, "namespaces": [{"type": "ipc"}, {"type": "network"},
        {"type": "uts"}, {"type": "user", "path": "/u"}])")),
              "");
  }
  for (const char* name : {"kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.pid_max",
                           "network.x", "kernel.shmmaxx", "net"}) {
    EXPECT_EQ(fault_of(cat(R"("sysctl": {")", name, R"(": "1"})")),
              cat("$.linux.sysctl[\"", name,
                  "\"]: not in a namespace of its own, it would change the host"));
  }
  for (const char* name : {"", "net..x", "net/../kernel/core_pattern", "net/./x", "/net/x",
                           "net/x/", ".net.x", "net.//.x"}) {
    EXPECT_EQ(fault_of(cat(R"("sysctl": {")", name, R"(": "1"})")),
              cat("$.linux.sysctl[\"", name, "\"]: no name of a sysctl"));
  }
}

TEST(ValidateLinux, RefusesSysctlsThatRepeatAField) {
  constexpr char kTop[] = R"({"ociVersion": "1.3.0", "process": {"args": ["sh"], "cwd": "/"},
      "root": {"path": "r"}, "hostname": "h", "domainname": "d",
      "linux": {"namespaces": [{"type": "uts"}], "sysctl": {)";
  auto fault = [&](std::string_view sysctl) {
    auto config = parse_config(cat(kTop, sysctl, "}}}"));
    EXPECT_TRUE(config.has_value());
    return validate(*config).error().message();
  };
  EXPECT_EQ(fault(R"("kernel.hostname": "x")"),
            "$.linux.sysctl[\"kernel.hostname\"]: conflicts with $.hostname");
  EXPECT_EQ(fault(R"("kernel/domainname": "x")"),
            "$.linux.sysctl[\"kernel/domainname\"]: conflicts with $.domainname");
}

TEST(SysctlFile, TakesTheFirstSeparator) {
  EXPECT_EQ(sysctl_file("net.ipv4.conf.eth0/1.rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
  EXPECT_EQ(sysctl_file("net/ipv4/conf/eth0.1/rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
  EXPECT_EQ(sysctl_file("kernel.sem"), "kernel/sem");
  EXPECT_EQ(sysctl_file("single"), "single");
  EXPECT_EQ(sysctl_file("net./../x"), "") << "it swaps to net/../x";
}

TEST(ValidateLinux, ChecksDevices) {
  static constexpr LinuxCase kCases[] = {
      {R"({"path": "/dev/x", "type": "c", "major": 1, "minor": 0})", ""},
      {R"({"path": "/dev/x", "type": "p", "major": -1})", ""},
      {R"({"path": "dev/x", "type": "c"})", "[0].path: \"dev/x\" is not absolute"},
      {R"({"path": "/dev/x", "type": "b", "major": -1})", "[0].major: must not be negative"},
      {R"({"path": "/dev/x", "type": "u", "minor": -1})", "[0].minor: must not be negative"},
  };
  for (const LinuxCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.devices", c.fault);
    EXPECT_EQ(fault_of(cat("\"devices\": [", c.text, "]")), fault) << c.text;
  }
}

TEST(ValidateLinux, ChecksNetDevices) {
  EXPECT_EQ(fault_of(R"("netDevices": {"eth0": {}})"),
            "$.linux.netDevices: needs a network namespace");
  EXPECT_EQ(fault_of(R"("netDevices": {})"), "");
  static constexpr LinuxCase kCases[] = {
      {R"("eth0": {}, "eth1": {"name": "lan%d"}, "eth2": {"name": "lan%d"})", ""},
      {R"("abcdefghijklmno": {})", ""},
      {R"("abcdefghijklmnop": {})", ": \"abcdefghijklmnop\" is no name of a network device"},
      {R"("": {})", ": \"\" is no name of a network device"},
      {R"("eth0": {"name": ".."})", ": \"..\" is no name of a network device"},
      {R"("eth0": {"name": "a/b"})", ": \"a/b\" is no name of a network device"},
      {R"("eth0": {"name": "a:b"})", ": \"a:b\" is no name of a network device"},
      {R"("eth0": {"name": "a b"})", ": \"a b\" is no name of a network device"},
      {R"(".": {"name": "a"})", ": \".\" is no name of a network device"},
      {R"("eth0": {"name": "lan"}, "eth1": {"name": "lan"})",
       ": two devices are to be named \"lan\""},
      {R"("eth0": {}, "eth1": {"name": "eth0"})", ": two devices are to be named \"eth0\""},
  };
  for (const LinuxCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.netDevices", c.fault);
    EXPECT_EQ(fault_of(cat(R"("namespaces": [{"type": "network"}], "netDevices": {)", c.text, "}")),
              fault)
        << c.text;
  }
}

TEST(ValidateLinux, ChecksPaths) {
  for (const char* name : {"maskedPaths", "readonlyPaths"}) {
    EXPECT_EQ(fault_of(cat("\"", name, R"(": ["/a"])")),
              cat("$.linux.", name, ": needs a mount namespace"));
    EXPECT_EQ(fault_of(cat("\"", name, "\": []")), "");
    EXPECT_EQ(fault_of(cat(R"("namespaces": [{"type": "mount"}], ")", name, R"(": ["/a", "b"])")),
              cat("$.linux.", name, "[1]: \"b\" is not absolute"));
    EXPECT_EQ(fault_of(cat(R"("namespaces": [{"type": "mount"}], ")", name, R"(": ["/a"])")), "");
  }
}

TEST(ValidateLinux, ChecksIntelRdt) {
  static constexpr LinuxCase kCases[] = {
      {R"("closID": "/")", ""},
      {R"("closID": "guaranteed", "schemata": ["L3:0=f"], "memBwSchema": "MB:0=20;1=70")", ""},
      {R"("l3CacheSchema": "L3:0=7f0;1=1f")", ""},
      {R"("closID": ".")", ".closID: \".\" is no name of a folder"},
      {R"("closID": "..")", ".closID: \"..\" is no name of a folder"},
      {R"("closID": "a/b")", ".closID: \"a/b\" is no name of a folder"},
      {R"("closID": "/a")", ".closID: \"/a\" is no name of a folder"},
      {R"("schemata": ["L3:0=f", "MB:0=1\nL3:0=1"])", ".schemata[1]: more than one line"},
      {R"("memBwSchema": "L3:0=1")",
       ".memBwSchema: \"L3:0=1\" is no line that starts with \"MB:\""},
      {R"("memBwSchema": "MB:0=1\nx")",
       ".memBwSchema: \"MB:0=1\\nx\" is no line that starts with \"MB:\""},
  };
  for (const LinuxCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.intelRdt", c.fault);
    EXPECT_EQ(fault_of(cat("\"intelRdt\": {", c.text, "}")), fault) << c.text;
  }
}

TEST(ValidateLinux, ChecksMemoryPolicyAndPersonality) {
  static constexpr LinuxCase kCases[] = {
      {R"("memoryPolicy": {"mode": "MPOL_DEFAULT"})", ""},
      {R"("memoryPolicy": {"mode": "MPOL_LOCAL"})", ""},
      {R"("memoryPolicy": {"mode": "MPOL_PREFERRED"})", ""},
      {R"("memoryPolicy": {"mode": "MPOL_PREFERRED_MANY", "nodes": "0"})", ""},
      {R"("memoryPolicy": {"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0-3,7"})", ""},
      {R"("memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0",
          "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_STATIC_NODES"]})",
       ""},
      {R"("memoryPolicy": {})", "$.linux.memoryPolicy.mode: required"},
      {R"("memoryPolicy": {"mode": "BIND"})",
       "$.linux.memoryPolicy.mode: unknown memory policy mode \"BIND\""},
      {R"("memoryPolicy": {"mode": "MPOL_BIND", "nodes": "a"})",
       "$.linux.memoryPolicy.nodes: \"a\" is no list of memory nodes"},
      {R"("memoryPolicy": {"mode": "MPOL_PREFERRED_MANY"})",
       "$.linux.memoryPolicy.nodes: MPOL_PREFERRED_MANY needs nodes"},
      {R"("memoryPolicy": {"mode": "MPOL_INTERLEAVE"})",
       "$.linux.memoryPolicy.nodes: MPOL_INTERLEAVE needs nodes"},
      {R"("memoryPolicy": {"mode": "MPOL_LOCAL", "nodes": "0"})",
       "$.linux.memoryPolicy.nodes: MPOL_LOCAL takes no nodes"},
      {R"("memoryPolicy": {"mode": "MPOL_DEFAULT", "flags": ["MPOL_F_STATIC_NODES"]})",
       "$.linux.memoryPolicy.flags: MPOL_DEFAULT takes no flags"},
      {R"("memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]})",
       "$.linux.memoryPolicy.flags[0]: unknown memory policy flag \"X\""},
      {R"("memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0",
          "flags": ["MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"]})",
       "$.linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each "
       "other"},
      {R"("memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0",
          "flags": ["MPOL_F_NUMA_BALANCING"]})",
       "$.linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING is only for MPOL_BIND and "
       "MPOL_PREFERRED_MANY"},
      {R"("personality": {"domain": "LINUX"})", ""},
      {R"("personality": {"domain": "LINUX32"})", ""},
      {R"("personality": {})", "$.linux.personality.domain: unknown personality domain \"\""},
      {R"("personality": {"domain": "BSD"})",
       "$.linux.personality.domain: unknown personality domain \"BSD\""},
  };
  for (const LinuxCase& c : kCases) EXPECT_EQ(fault_of(c.text), c.fault) << c.text;
}

TEST(ValidateLinux, ChecksSeccomp) {
  static constexpr LinuxCase kCases[] = {
      {R"("defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
          "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_SHEB"],
          "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
                    "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
          "syscalls": [{"names": ["read"], "action": "SCMP_ACT_TRACE", "errnoRet": 1},
                       {"names": ["write"], "action": "SCMP_ACT_ALLOW"}])",
       ""},
      {R"("defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/l")",
       ".defaultAction: SCMP_ACT_NOTIFY cannot be used as default action"},
      {R"("defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1)",
       ".defaultErrnoRet: only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE"},
      {R"("defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_NATIVE"])",
       ".architectures[0]: unknown architecture \"SCMP_ARCH_NATIVE\""},
      {R"("defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"])",
       ".flags[0]: unknown seccomp flag \"SECCOMP_FILTER_FLAG_NEW_LISTENER\""},
      {R"("defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "m")",
       ".listenerMetadata: needs listenerPath"},
      {R"("defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/l", "listenerMetadata": "m")", ""},
      {R"("defaultAction": "SCMP_ACT_ALLOW",
          "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG", "errnoRet": 1}])",
       ".syscalls[0].errnoRet: only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE"},
      {R"("defaultAction": "SCMP_ACT_ALLOW",
          "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}])",
       ".listenerPath: required by SCMP_ACT_NOTIFY"},
      {R"("defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/l",
          "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}])",
       ""},
      {R"("defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/l",
          "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"},
                       {"names": ["mkdir", "write"], "action": "SCMP_ACT_NOTIFY"}])",
       ".syscalls[1]: SCMP_ACT_NOTIFY cannot be used for the write syscall"},
  };
  for (const LinuxCase& c : kCases) {
    std::string fault = *c.fault == 0 ? "" : cat("$.linux.seccomp", c.fault);
    EXPECT_EQ(fault_of(cat("\"seccomp\": {", c.text, "}")), fault) << c.text;
  }
}

}  // namespace
}  // namespace dhow::oci
