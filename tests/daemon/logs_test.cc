// SPDX-License-Identifier: Apache-2.0
// Log drivers and their options, by docker's command line.
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"
#include "sys/testing/loopback_listener.h"
#include "sys/unix_socket.h"
#include "tls/tls.h"

namespace dhow::daemon_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
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
  EXPECT_THAT(refused({"--log-driver", "syslog", "--log-opt", "syslog-address=tls://127.0.0.1"}),
              HasSubstr("unsupported scheme"));
  EXPECT_THAT(refused({"--log-opt", "compress=true", "--log-opt", "max-file=1"}),
              HasSubstr("compress cannot be true when max-file is less than 2"));
  EXPECT_EQ(docker_output({"ps", "-aq"}), "");
}

// A log server behind TLS on the loopback interface, with a certificate of its own for "localhost".
class TlsServer {
 public:
  explicit TlsServer(const fs::path& folder) : folder_(folder) {
    // Of a client that refuses the certificate.
    ::signal(SIGPIPE, SIG_IGN);
    std::string command =
        cat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
            "-nodes -keyout ",
            file("key.pem"), " -out ", file("cert.pem"),
            " -subj /CN=localhost -addext subjectAltName=DNS:localhost "
            ">/dev/null 2>&1");
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer() { ::signal(SIGPIPE, SIG_DFL); }

  std::string file(const char* name) const { return (folder_ / name).string(); }
  std::string address() const { return cat("syslog-address=tcp+tls://localhost:", listener_.port); }

  // All that the next client sends until it ends; or why there was no TLS with it.
  std::string next_client() {
    Fd socket = listener_.accept();
    auto context = tls::Context::server(
        {.authority = "", .certificate = file("cert.pem"), .key = file("key.pem")});
    EXPECT_TRUE(context.has_value());
    auto connection = tls::Connection::accept(*context, std::move(socket), 20'000);
    if (!connection) return connection.error().message();
    auto plain = make_socket_pair(SOCK_STREAM).value();
    std::jthread relay(
        [&connection, end = std::move(plain.second)] { connection->relay(end, -1); });
    std::string text = read_all(plain.first).value_or("unreadable");
    plain.first.reset();
    return text;
  }

 private:
  fs::path folder_;
  testing::LoopbackListener listener_ = testing::listen_loopback();
};

TEST_F(DaemonLogsTest, SyslogGoesOverTls) {
  TlsServer server(folder_);
  std::vector<std::string> flags = {"--log-driver",   "syslog",    "--log-opt",
                                    server.address(), "--log-opt", "tag=shipped"};
  std::vector<std::string> trusting = flags;
  trusting.insert(trusting.end(), {"--log-opt", "syslog-tls-ca-cert=" + server.file("cert.pem")});
  say_numbers(1000, trusting);
  std::string text = server.next_client();
  EXPECT_EQ(docker({"logs", "log"}).output, numbers(1, 1000));
  EXPECT_THAT(text, AllOf(HasSubstr(" shipped["), HasSubstr("]: 1\n"), EndsWith("]: 1000\n")));
  // A server that nobody vouches for gets nothing, unless that is wanted. The container runs.
  docker_output({"rm", "log"});
  say_numbers(10, flags);
  EXPECT_THAT(server.next_client(), Not(HasSubstr("shipped")));
  docker_output({"rm", "log"});
  flags.insert(flags.end(),
               {"--log-opt", "syslog-tls-skip-verify=true", "--log-opt", "cache-disabled=true"});
  say_numbers(10, flags);
  EXPECT_THAT(server.next_client(), EndsWith("]: 10\n"));
  EXPECT_THAT(docker({"logs", "log"}).error_text,
              HasSubstr("configured logging driver does not support reading"));
}

}  // namespace
}  // namespace dhow::daemon_test
