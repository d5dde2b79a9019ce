// SPDX-License-Identifier: Apache-2.0
// Log drivers and their options, by docker's command line.
#include <filesystem>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"

namespace dhow::daemon_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DaemonLogsTest : public BusyboxTest {
 protected:
  // Runs a container that says the numbers from 1 to `count`, with these log flags, to its end.
  void say_numbers(int count, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"--name", "log"});
    flags.insert(flags.end(), {"busybox", "seq", cat(count)});
    SpawnOutput said = run(std::move(flags));
    EXPECT_EQ(said.exit_code, 0) << said.error_text;
  }
  static std::string numbers(int first, int last) {
    std::string text;
    for (int i = first; i <= last; ++i) text += cat(i, "\n");
    return text;
  }
  // Files of the log of the container, by the ends of their names.
  bool has_file(const std::string& id, const std::string& suffix) {
    return fs::exists(folder_ / "root/containers" / id / (id + "-json.log" + suffix));
  }
  std::string refused(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"busybox", "true"});
    SpawnOutput output = run(std::move(flags));
    EXPECT_EQ(output.exit_code, 125);
    return output.error_text;
  }
};

TEST_F(DaemonLogsTest, CompressedFilesAreReadBack) {
  say_numbers(2000, {"--log-opt", "max-size=20k", "--log-opt", "max-file=50", "--log-opt",
                     "compress=true"});
  std::string id = docker_output({"inspect", "-f", "{{.Id}}", "log"});
  EXPECT_EQ(docker({"logs", "log"}).output, numbers(1, 2000));
  EXPECT_EQ(docker({"logs", "--tail", "1500", "log"}).output, numbers(501, 2000));
  EXPECT_TRUE(has_file(id, ".2.gz"));
}

TEST_F(DaemonLogsTest, CompressedFilesAreFollowed) {
  SpawnOutput started =
      run({"-d", "--name", "log", "--log-opt", "max-size=20k", "--log-opt", "max-file=100",
           "--log-opt", "compress=true", "busybox", "sh", "-c",
           "for i in $(seq 3000); do echo $i; test $((i % 100)) != 0 || sleep 0.02; done"});
  ASSERT_EQ(started.exit_code, 0) << started.error_text;
  EXPECT_EQ(docker({"logs", "-f", "log"}).output, numbers(1, 3000));
}

TEST_F(DaemonLogsTest, TheLocalDriverTakesDockersOptions) {
  say_numbers(2000,
              {"--log-driver", "local", "--log-opt", "max-size=20k", "--log-opt", "max-file=100"});
  EXPECT_EQ(docker({"logs", "log"}).output, numbers(1, 2000));
  EXPECT_EQ(docker({"logs", "--tail", "3", "log"}).output, numbers(1998, 2000));
  EXPECT_EQ(docker({"logs", "--since", "1h", "--until", "1s", "log"}).exit_code, 0);
  EXPECT_EQ(docker({"logs", "--since", "2100-01-01", "log"}).output, "");
  EXPECT_EQ(docker({"logs", "-f", "log"}).output, numbers(1, 2000));
  EXPECT_EQ(docker_output({"inspect", "-f",
                           "{{.HostConfig.LogConfig.Type}} {{.LogPath}}|"
                           "{{index .HostConfig.LogConfig.Config \"max-file\"}}",
                           "log"}),
            "local |100");
  // Packed unless it is told not to.
  std::string id = docker_output({"inspect", "-f", "{{.Id}}", "log"});
  EXPECT_TRUE(has_file(id, ".2.gz"));
}

TEST_F(DaemonLogsTest, DetailsTellLabelsEnvironmentAndTag) {
  SpawnOutput said = run({"--name",    "log",           "--label",   "com.example.a=1",
                          "--label",   "b=2",           "--label",   "c=3",
                          "-e",        "MODE=fast",     "-e",        "OTHER=x",
                          "--log-opt", "labels=b",      "--log-opt", "labels-regex=^com\\.",
                          "--log-opt", "env=OTHER",     "--log-opt", "env-regex=^MO",
                          "--log-opt", "tag={{.Name}}", "busybox",   "echo",
                          "line"});
  EXPECT_EQ(said.exit_code, 0) << said.error_text;
  EXPECT_EQ(docker_output({"logs", "--details", "log"}),
            "MODE=fast,OTHER=x,b=2,com.example.a=1,tag=log line");
  EXPECT_EQ(docker_output({"logs", "log"}), "line");
}

TEST_F(DaemonLogsTest, OptionsThatADriverHasNotAreRefused) {
  EXPECT_THAT(refused({"--log-opt", "nonsense=1"}),
              HasSubstr("unknown log opt 'nonsense' for json-file log driver"));
  EXPECT_THAT(refused({"--log-driver", "local", "--log-opt", "labels=a"}),
              HasSubstr("unknown log opt 'labels' for log driver local"));
  EXPECT_THAT(refused({"--log-driver", "nonsense"}),
              HasSubstr("logger: no log driver named 'nonsense' is registered"));
  EXPECT_THAT(refused({"--log-driver", "fluentd"}),
              HasSubstr("logging driver \"fluentd\" is not supported by dhow"));
  EXPECT_THAT(
      refused({"--log-driver", "syslog", "--log-opt", "syslog-address=tcp+tls://127.0.0.1:1"}),
      HasSubstr("syslog over TLS is not supported"));
  EXPECT_THAT(refused({"--log-opt", "compress=true", "--log-opt", "max-file=1"}),
              HasSubstr("compress cannot be true when max-file is less than 2"));
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

}  // namespace
}  // namespace dhow::daemon_test
