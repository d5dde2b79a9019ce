// SPDX-License-Identifier: Apache-2.0
// The daemon itself, and its door as clients see it that are not docker's command line.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::daemon_test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string get(const std::string& path) {
  return cat("GET ", path, " HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n");
}

TEST_F(DaemonTest, AnswersAPing) {
  EXPECT_EQ(
      http(get("/_ping")),
      "HTTP/1.1 200 OK\r\nApi-Version: 1.52\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
      "Server: Docker/" DHOW_VERSION
      " (linux)\r\nContent-Type: text/plain; charset=utf-8\r\nBuilder-Version: 1\r\n"
      "Cache-Control: no-cache, no-store, must-revalidate\r\nPragma: no-cache\r\n"
      "Swarm: inactive\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK");
}

TEST_F(DaemonTest, TellsWhatItIs) {
  EXPECT_EQ(docker_output({"version", "--format", "{{.Server.Platform.Name}} {{.Server.Version}}"}),
            "dhow " DHOW_VERSION);
  EXPECT_EQ(docker_output({"info", "--format",
                           "{{.Driver}} {{.ServerVersion}} {{.OSType}} "
                           "{{.Swarm.LocalNodeState}} {{.Containers}}"}),
            "overlayfs " DHOW_VERSION " linux inactive 0");
  SpawnOutput info = docker({"info"});
  EXPECT_EQ(info.exit_code, 0) << info.error_text;
  EXPECT_THAT(info.output, AllOf(HasSubstr("Default Runtime: dhow"), HasSubstr("seccomp")));
}

TEST_F(DaemonTest, RefusesInWaysThatClientsKnow) {
  for (const auto& [path, status, message] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"/v1.99/info", "400 Bad Request", "client version 1.99 is too new"},
           {"/v1.1/info", "400 Bad Request", "client version 1.1 is too old"},
           {"/nothing", "404 Not Found", "page not found"},
           {"/containers/nothing/json", "404 Not Found", "No such container: nothing"},
           {"/images/nothing/json", "404 Not Found", "No such image: nothing:latest"},
           {"/exec/nothing/json", "404 Not Found", "No such exec instance: nothing"},
           {"/volumes/nothing", "404 Not Found", "no such volume"},
           {"/networks/nothing", "404 Not Found", "network nothing not found"},
           {"/plugins/nothing/json", "404 Not Found", "not found"},
           {"/swarm", "503 Service Unavailable", "This node is not a swarm manager."},
           {"/services", "503 Service Unavailable", "This node is not a swarm manager."},
           {"/containers/json?filters=%7B%22x%22%3A%5B%22y%22%5D%7D", "400 Bad Request",
            "invalid filter 'x'"},
           {"/images/search?term=x", "501 Not Implemented", "not supported"}}) {
    EXPECT_THAT(http(get(path)), AllOf(StartsWith(cat("HTTP/1.1 ", status, "\r\n")),
                                       HasSubstr("{\"message\":\""), HasSubstr(message)))
        << path;
  }
  EXPECT_THAT(http("GET /_ping HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(
      http("POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\n"
           "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
      HasSubstr("unsupported Content-Type header (text/plain): must be 'application/json'"));
  EXPECT_THAT(http("POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{"),
              AllOf(StartsWith("HTTP/1.1 400 Bad Request\r\n"), HasSubstr("invalid JSON")));
}

TEST_F(DaemonTest, ListsWhatIsNotThereAsEmpty) {
  EXPECT_THAT(docker_output({"network", "ls", "--format", "{{.Name}} {{.Driver}}"}),
              "bridge bridge\nhost host\nnone null");
  EXPECT_EQ(docker_output({"volume", "ls", "-q"}), "");
  EXPECT_EQ(docker_output({"plugin", "ls", "-q"}), "");
  EXPECT_EQ(docker_output({"ps", "-q"}), "");
  SpawnOutput swarm = docker({"node", "ls"});
  EXPECT_EQ(swarm.exit_code, 1);
  EXPECT_THAT(swarm.error_text, HasSubstr("This node is not a swarm manager."));
}

TEST_F(DaemonTest, EventsStreamWhileTheyHappen) {
  Fd events = connect();
  ASSERT_TRUE(send_message(events, "GET /v1.41/events HTTP/1.1\r\nHost: d\r\n\r\n").has_value());
  std::string text;
  auto read_to = [&](std::string_view wanted) {
    char buffer[4096];
    while (text.find(wanted) == std::string::npos) {
      ssize_t count = ::recv(events.get(), buffer, sizeof buffer, 0);
      if (count <= 0) break;
      text.append(buffer, static_cast<std::size_t>(count));
    }
  };
  read_to("\r\n\r\n");
  load_busybox();
  read_to("\"Action\":\"load\"");
  EXPECT_THAT(text, HasSubstr("\"status\":\"load\""));
}

TEST_F(DaemonTest, OneStateFolderHasOneDaemon) {
  pid_t first = pid_;
  SpawnOptions second;
  second.path = ::getenv("DHOWD");
  second.arguments = {"dhowd",
                      "--config",
                      "/dev/null",
                      "--root",
                      (folder_ / "root").string(),
                      "--state",
                      (folder_ / "state").string()};
  auto output = spawn_and_wait(second);
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->exit_code, 1);
  EXPECT_THAT(output->error_text, HasSubstr("another engine uses"));
  pid_ = first;
  EXPECT_THAT(http(get("/_ping")), EndsWith("OK"));
}

TEST_F(DaemonTest, EndsWhenAskedAndStartsAgainAfterAnything) {
  struct stat file{};
  ASSERT_EQ(::stat(socket().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0660U);
  EXPECT_EQ(stop_daemon(SIGTERM), 0);
  EXPECT_NE(::stat(socket().c_str(), &file), 0);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(stop_daemon(SIGKILL), 137);
  // The socket that nobody serves is in the way of nothing.
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_THAT(http(get("/_ping")), EndsWith("OK"));
}

TEST_F(DaemonTest, EndsWhenIdle) {
  EXPECT_EQ(stop_daemon(SIGTERM), 0);
  ASSERT_NO_FATAL_FAILURE(start_daemon({"--idle-exit", "1"}));
  EXPECT_THAT(http(get("/_ping")), EndsWith("OK"));
  EXPECT_EQ(await_daemon(), 0);
}

TEST_F(DaemonTest, ReadsItsConfigurationAgain) {
  std::ofstream(folder_ / "dhowd.toml", std::ios::app) << "group = 1\n";
  ::kill(pid_, SIGHUP);
  // Handled before the next request: both are of the same thread.
  EXPECT_THAT(http(get("/_ping")), EndsWith("OK"));
  std::string log;
  for (int i = 0; i < 100 && log.find("stays as it was") == std::string::npos; ++i) {
    http(get("/_ping"));
    log = *read_file((folder_ / "dhowd.log").string());
  }
  EXPECT_THAT(log, HasSubstr("group: not a string"));
}

TEST_F(DaemonTest, ChecksItsConfiguration) {
  SpawnOptions check;
  check.path = ::getenv("DHOWD");
  check.arguments = {"dhowd", "--check", "--config", (folder_ / "dhowd.toml").string()};
  auto right = spawn_and_wait(check);
  ASSERT_TRUE(right.has_value());
  EXPECT_EQ(right->exit_code, 0) << right->error_text;
  EXPECT_EQ(right->output, "configuration OK\n");
  std::ofstream(folder_ / "dhowd.toml", std::ios::app) << "rot = 1\n";
  auto wrong = spawn_and_wait(check);
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->exit_code, 1);
  EXPECT_THAT(wrong->error_text, HasSubstr("rot: unknown key"));
}

}  // namespace
}  // namespace dhow::daemon_test
