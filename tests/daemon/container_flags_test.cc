// SPDX-License-Identifier: Apache-2.0
// What the flags of `docker run` come to, seen from inside the container and in its cgroup.
#include <sys/socket.h>

#include <algorithm>
#include <fstream>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class DaemonFlagsTest : public BusyboxTest {
 protected:
  // What a shell in a new container says, with these flags.
  std::string shell(std::vector<std::string> flags, const std::string& script) {
    flags.insert(flags.begin(), "--rm");
    flags.insert(flags.end(), {"busybox", "sh", "-c", script});
    SpawnOutput result = run(std::move(flags));
    return std::string(trim(result.output + result.error_text));
  }
  // A file of a container's cgroup, by its names in cgroup v1 and v2. None where the kernel has it
  // not.
  std::optional<std::string> cgroup(const std::string& id, const std::string& controller,
                                    const std::string& first, const std::string& second) {
    std::string parent = folder_.filename().string();
    for (const std::string& path :
         {cat("/sys/fs/cgroup/", controller, "/", parent, "/", id, "/", first),
          cat("/sys/fs/cgroup/", parent, "/", id, "/", second)}) {
      if (auto text = read_file(path)) return std::string(trim(*text));
    }
    return std::nullopt;
  }
  // Reads events from the beginning on until so many have all of these words.
  void await_event(std::initializer_list<std::string_view> words, int count = 1) {
    Fd connection = connect();
    timeval patience{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    auto sent = write_all(connection, "GET /v1.41/events?since=0 HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(sent.has_value()) << sent.error().message();
    std::string text;
    char buffer[4096];
    while (true) {
      auto got = read_some(connection, buffer);
      ASSERT_TRUE(got.has_value() && *got > 0) << text;
      text.append(buffer, *got);
      auto wanted = [&](std::string_view line) {
        return std::ranges::all_of(
            words, [&](std::string_view word) { return line.find(word) != std::string::npos; });
      };
      if (std::ranges::count_if(split(text, '\n'), wanted) >= count) return;
    }
  }
};

TEST_F(DaemonFlagsTest, LimitsOfProcesses) {
  EXPECT_EQ(shell({"--ulimit", "nofile=123:456", "--ulimit", "core=0"},
                  "ulimit -n; ulimit -Hn; ulimit -c"),
            "123\n456\n0");
  start_sleeper("one", {"--ulimit", "nofile=77"});
  EXPECT_EQ(docker_output({"exec", "one", "sh", "-c", "ulimit -n"}), "77");
}

TEST_F(DaemonFlagsTest, LimitsOfTheCgroup) {
  std::string id =
      start_sleeper("one", {"--memory", "64m", "--memory-reservation", "32m", "--cpus", "0.5",
                            "--cpu-shares", "512", "--cpuset-cpus", "0", "--pids-limit", "50",
                            "--device-read-bps", "/dev/loop0:1mb"});
  EXPECT_EQ(cgroup(id, "memory", "memory.limit_in_bytes", "memory.max"), "67108864");
  EXPECT_EQ(cgroup(id, "memory", "memory.soft_limit_in_bytes", "memory.low"), "33554432");
  EXPECT_EQ(cgroup(id, "pids", "pids.max", "pids.max"), "50");
  EXPECT_EQ(cgroup(id, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
  EXPECT_THAT(cgroup(id, "cpu", "cpu.cfs_quota_us", "cpu.max").value_or(""),
              AnyOf("50000", "50000 100000"));
  EXPECT_THAT(cgroup(id, "cpu", "cpu.shares", "cpu.weight").value_or(""), AnyOf("512", "20"));
  EXPECT_THAT(cgroup(id, "blkio", "blkio.throttle.read_bps_device", "io.max").value_or(""),
              AnyOf("7:0 1048576", HasSubstr("7:0 rbps=1048576")));
  docker_output({"update", "--pids-limit", "60", "--memory", "128m", "--memory-swap", "-1", "one"});
  EXPECT_EQ(cgroup(id, "pids", "pids.max", "pids.max"), "60");
  EXPECT_EQ(cgroup(id, "memory", "memory.limit_in_bytes", "memory.max"), "134217728");
}

TEST_F(DaemonFlagsTest, TooMuchMemoryIsTold) {
  SpawnOutput result = run({"--name", "one", "--memory", "8m", "busybox", "tail", "/dev/zero"});
  EXPECT_EQ(result.exit_code, 137) << result.error_text;
  EXPECT_EQ(docker_output({"inspect", "--format", "{{.State.OOMKilled}}", "one"}), "true");
  await_event({R"("Action":"oom")", R"("name":"one")"});
  run({"--name", "two", "--memory", "8m", "busybox", "true"});
  EXPECT_EQ(docker_output({"inspect", "--format", "{{.State.OOMKilled}}", "two"}), "false");
}

TEST_F(DaemonFlagsTest, DevicesOfTheMachine) {
  EXPECT_THAT(shell({}, "mknod /fuse c 10 229 && echo x > /fuse"), HasSubstr("not permitted"));
  EXPECT_EQ(shell({"--device", "/dev/fuse:/dev/mine:r"},
                  "test -c /dev/mine && : < /dev/mine && echo read"),
            "read");
  EXPECT_THAT(shell({"--device", "/dev/fuse:/dev/mine:r"}, ": > /dev/mine"),
              HasSubstr("not permitted"));
  EXPECT_EQ(shell({"--device-cgroup-rule", "c 10:229 r"},
                  "mknod /fuse c 10 229 && : < /fuse && echo read"),
            "read");
  SpawnOutput missing = run({"--rm", "--device", "/dev/nothing", "busybox", "true"});
  EXPECT_NE(missing.exit_code, 0);
  EXPECT_THAT(missing.error_text, HasSubstr("/dev/nothing"));
}

TEST_F(DaemonFlagsTest, DevicesByTheirDescriptions) {
  write("things/file", "content");
  write("cdi/one.json", cat(R"({"cdiVersion": "0.6.0", "kind": "vendor.com/thing",
          "containerEdits": {"env": ["ALL=1"]},
          "devices": [{"name": "one", "containerEdits": {
            "env": ["THING=one"],
            "deviceNodes": [{"path": "/dev/thing", "hostPath": "/dev/fuse", "permissions": "r"}],
            "mounts": [{"hostPath": ")",
                            (folder_ / "things").string(), R"(", "containerPath": "/things",
                        "options": ["ro", "bind"]}]}}]})"));
  write("cdi/other.yaml", R"(# as tools write them
cdiVersion: 0.6.0
kind: vendor.com/other
devices:
- name: "0"
  containerEdits:
    env:
    - OTHER=zero
    deviceNodes:
    - path: /dev/other
      hostPath: /dev/fuse
      fileMode: 0o600
)");
  write("cdi/wrong.yaml", "kind: vendor.com/wrong\ndevices: [\n");
  write("cdi/json.yaml", R"({"cdiVersion": "0.6.0", "kind": "vendor.com/json",
                             "devices": [{"name": "a", "containerEdits": {"env": ["JSON=a"]}}]})");
  ASSERT_NO_FATAL_FAILURE(
      configure(cat("cdi-spec-dirs = [\"", (folder_ / "cdi").string(), "\"]\n")));
  EXPECT_EQ(shell({"--device", "vendor.com/thing=one"},
                  "echo $ALL $THING; cat /things/file; : < /dev/thing && echo opened; "
                  "touch /things/x 2>/dev/null || echo read-only"),
            "1 one\ncontentopened\nread-only");
  EXPECT_EQ(shell({"--device", "vendor.com/json=a"}, "echo $JSON"), "a");
  EXPECT_EQ(shell({"--device", "vendor.com/other=0"}, "echo $OTHER; stat -c %a /dev/other"),
            "zero\n600");
  SpawnOutput unread = run({"--rm", "--device", "vendor.com/wrong=one", "busybox", "true"});
  EXPECT_NE(unread.exit_code, 0);
  EXPECT_THAT(unread.error_text, HasSubstr((folder_ / "cdi/wrong.yaml").string()));
  EXPECT_THAT(unread.error_text, HasSubstr("YAML: line "));
  SpawnOutput none = run({"--rm", "--device", "vendor.com/thing=two", "busybox", "true"});
  EXPECT_NE(none.exit_code, 0);
  EXPECT_THAT(none.error_text, HasSubstr("unresolvable CDI devices vendor.com/thing=two"));
}

TEST_F(DaemonFlagsTest, RootsThatCanNotBeWritten) {
  EXPECT_EQ(shell({"--read-only", "--tmpfs", "/t:size=1m,mode=700"},
                  "echo x > /t/x; cat /t/x; stat -c %a /t; touch /y 2>/dev/null || echo no; "
                  "head -c 2000000 /dev/zero > /t/y 2>/dev/null || echo full"),
            "x\n700\nno\nfull");
}

TEST_F(DaemonFlagsTest, AnInitProcess) {
  ASSERT_NO_FATAL_FAILURE(configure(cat("init-path = \"", ::getenv("DHOW_INIT"), "\"\n")));
  // An orphan whose end nobody else would hear of.
  EXPECT_EQ(shell({"--init"}, "tr '\\0' ' ' < /proc/1/cmdline; (sleep 0 &); exit 7; :"),
            "/sbin/docker-init -- sh -c tr '\\0' ' ' < /proc/1/cmdline; (sleep 0 &); exit 7; :");
  EXPECT_EQ(run({"--rm", "--init", "busybox", "sh", "-c", "exit 7"}).exit_code, 7);
  start_sleeper("one", {"--init"});
  docker_output({"kill", "-s", "TERM", "one"});
  // `sleep` as the first process would ignore it.
  EXPECT_EQ(docker_output({"wait", "one"}), "143");
}

TEST_F(DaemonFlagsTest, RestartsAsOftenAsAsked) {
  run({"-d", "--name", "one", "--restart", "on-failure:2", "busybox", "sh", "-c", "exit 3"});
  // As docker: whoever waits is told of each end.
  await_event({R"("Action":"die")", R"("name":"one")"}, 3);
  EXPECT_EQ(docker_output({"wait", "one"}), "3");
  EXPECT_EQ(docker_output({"inspect", "--format", "{{.RestartCount}} {{.State.Status}}", "one"}),
            "2 exited");
  run({"-d", "--name", "two", "--restart", "on-failure", "busybox", "true"});
  EXPECT_EQ(docker_output({"wait", "two"}), "0");
  EXPECT_EQ(docker_output({"inspect", "--format", "{{.RestartCount}}", "two"}), "0");
}

TEST_F(DaemonFlagsTest, RestartsWhatAPolicyWantsWithTheDaemon) {
  start_sleeper("always", {"--restart", "always"});
  start_sleeper("unless", {"--restart", "unless-stopped"});
  docker_output({"stop", "-t", "0", "always", "unless"});
  EXPECT_EQ(stop_daemon(SIGTERM), 0);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  await_event({R"("Action":"start")", R"("name":"always")"}, 2);
  EXPECT_EQ(docker_output({"inspect", "--format", "{{.State.Running}}", "unless"}), "false");
}

TEST_F(DaemonFlagsTest, ActsOnBadHealth) {
  auto unhealthy = [&](const std::string& name, const std::string& action) {
    start_sleeper(name,
                  {"--health-cmd", "false", "--health-interval", "50ms", "--health-retries", "1",
                   "--stop-timeout", "0", "--annotation", "io.dhow.health-on-failure=" + action});
  };
  unhealthy("killed", "kill");
  EXPECT_EQ(docker_output({"wait", "killed"}), "137");
  unhealthy("stopped", "stop");
  EXPECT_EQ(docker_output({"wait", "stopped"}), "137");
  unhealthy("left", "none");
  await_event({"health_status: unhealthy", "left"});
  EXPECT_EQ(
      docker_output({"inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", "left"}),
      "running unhealthy");
  unhealthy("again", "restart");
  await_event({R"("Action":"restart")", "again"});
}

TEST_F(DaemonFlagsTest, ProfilesOfSystemCalls) {
  constexpr std::string_view kFilter = "grep Seccomp: /proc/self/status | tr -d '\\t'";
  std::string filter(kFilter);
  EXPECT_EQ(shell({}, filter), "Seccomp:2");
  EXPECT_EQ(shell({"--privileged"}, filter), "Seccomp:0");
  write("profile.json", R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]})");
  std::string profile = (folder_ / "profile.json").string();
  std::string probe = "mkdir /x 2>&1 && echo made";
  EXPECT_THAT(shell({"--security-opt", "seccomp=" + profile}, probe), HasSubstr("not supported"));
  ASSERT_NO_FATAL_FAILURE(configure(cat("seccomp-profile = \"", profile, "\"\n")));
  EXPECT_THAT(shell({}, probe), HasSubstr("not supported"));
  EXPECT_EQ(shell({"--privileged"}, probe), "made");
  EXPECT_EQ(shell({"--security-opt", "seccomp=unconfined"}, probe + ";" + filter),
            "made\nSeccomp:0");
  EXPECT_EQ(shell({"--security-opt", "seccomp=builtin"}, probe + ";" + filter), "made\nSeccomp:2");
  EXPECT_THAT(docker_output({"info", "--format", "{{.SecurityOptions}}"}),
              HasSubstr("profile=" + profile));
  write("broken.json", "{");
  SpawnOutput broken = run({"--rm", "--security-opt",
                            "seccomp=" + (folder_ / "broken.json").string(), "busybox", "true"});
  EXPECT_NE(broken.exit_code, 0);
}

// The docker command line pulls an image when a create is answered with 404.
TEST_F(DaemonFlagsTest, WhatIsNotAnImageIsNotPulled) {
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--volumes-from", "nosuch"},
                                             {"--pid", "container:nosuch"},
                                             {"--ipc", "container:nosuch"}}) {
    std::vector<std::string> words = flags;
    words.insert(words.end(), {"busybox", "true"});
    SpawnOutput result = run(words);
    EXPECT_EQ(result.exit_code, 125);
    EXPECT_THAT(result.error_text, HasSubstr("No such container: nosuch"));
    EXPECT_THAT(result.error_text, ::testing::Not(HasSubstr("Unable to find image")));
  }
}

TEST_F(DaemonFlagsTest, SignalsAndPlatformsThatAreNoneAreRefused) {
  EXPECT_THAT(run({"--stop-signal", "FOO", "busybox", "true"}).error_text,
              HasSubstr("Invalid signal: FOO"));
  std::string other =
      docker_output({"image", "inspect", "--format", "{{.Architecture}}", "busybox"}) == "arm64"
          ? "linux/amd64"
          : "linux/arm64";
  // Only asked for as it is: a client would go on to pull it.
  std::string answer = http(cat("POST /v1.41/containers/create?platform=", other,
                                " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                "Content-Length: 19\r\nConnection: close\r\n\r\n",
                                R"({"Image":"busybox"})"));
  EXPECT_THAT(answer, HasSubstr("404 Not Found"));
  EXPECT_THAT(answer, HasSubstr(cat("does not provide the specified platform (", other, ")")));
}

}  // namespace
}  // namespace dhow::daemon_test
