// SPDX-License-Identifier: Apache-2.0
// Networks of an engine of an ordinary user. Its host is a network namespace of the test's own,
// with a neighbour behind a wire.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <chrono>
#include <netinet/in.h>
#include <thread>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "daemon/web.h"
#include "network/links.h"
#include "network/name_space.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kHost = "192.0.2.1";
constexpr const char* kNeighbour = "192.0.2.2";
constexpr std::uint16_t kNeighboursPort = 8000;

// Waits until it holds, at most ten seconds.
template <typename Holds>
bool becomes_true(Holds holds) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// Tells each client its address, until it goes.
class Teller {
 public:
  // In the calling thread's network namespace. `type`: SOCK_STREAM or SOCK_DGRAM.
  static Result<std::unique_ptr<Teller>> make(int type, std::uint16_t port) {
    Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    struct sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        (type == SOCK_STREAM && ::listen(socket.get(), 16) != 0)) {
      return fail_errno(errno, "listen");
    }
    return std::unique_ptr<Teller>(new Teller(std::move(socket), type));
  }
  ~Teller() {
    // A receiver of datagrams wakes up too, though it has no connection to be shut down.
    ::shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  Teller(Fd socket, int type)
      : socket_(std::move(socket)), thread_([this, type] { serve(type == SOCK_STREAM); }) {}
  void serve(bool streams) {
    char request[1024];
    while (true) {
      struct sockaddr_in peer{};
      socklen_t size = sizeof peer;
      auto* name = reinterpret_cast<sockaddr*>(&peer);
      Fd client;
      if (streams) {
        client = Fd(::accept4(socket_.get(), name, &size, SOCK_CLOEXEC));
        if (!client) return;
        std::ignore = ::read(client.get(), request, sizeof request);
      } else if (::recvfrom(socket_.get(), request, sizeof request, 0, name, &size) <= 0) {
        return;
      }
      char text[INET_ADDRSTRLEN] = {};
      ::inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
      std::string answer = cat("you are ", text);
      if (streams) {
        std::ignore = write_all(client, cat("HTTP/1.0 200 OK\r\n\r\n", answer, "\n"));
      } else {
        ::sendto(socket_.get(), answer.data(), answer.size(), 0, name, size);
      }
    }
  }
  Fd socket_;
  std::thread thread_;
};

class RootlessNetworksTest : public BusyboxTest {
 protected:
  RootlessNetworksTest() {
    is_rootless_ = true;
    subordinate_ids_ = "nobody:100000:65536\n";
  }

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    for (const char* program : {"newuidmap", "pasta", "slirp4netns"}) {
      if (::access(cat("/usr/bin/", program).c_str(), X_OK) == 0) continue;
      GTEST_SKIP() << program << " is not installed";
    }
    ASSERT_NO_FATAL_FAILURE(make_world());
    BusyboxTest::SetUp();
  }
  void TearDown() override {
    if (pid_ != 0) expect_an_end_without_traces();
    BusyboxTest::TearDown();
  }

  // Once without containers.
  void expect_an_end_without_traces() {
    std::string all = docker({"ps", "-aq"}).output;
    for (std::string_view id : split(all, '\n')) {
      if (!id.empty()) docker_output({"rm", "-f", std::string(id)});
    }
    EXPECT_EQ(stop_daemon(SIGTERM), 0);
    EXPECT_FALSE(fs::exists(folder_ / "state/network.sock"));
    EXPECT_TRUE(becomes_true([&] { return pids_of("state").empty(); }))
        << "something of the network runs on";
  }

  void make_world() {
    auto host = network::make_name_space(bring_loopback_up);
    auto neighbour = network::make_name_space(bring_loopback_up);
    ASSERT_TRUE(host && neighbour);
    network_ = std::move(*host);
    neighbour_ = std::move(*neighbour);
    auto made = network::run_in_name_space(network_, [&]() -> Status {
      TRY_ASSIGN(network::Links links, network::Links::open());
      network::VethPlan plan;
      plan.outside = "eth0";
      plan.inside = "eth0";
      plan.mac = *network::parse_mac("02:00:00:00:00:02");
      TRY(links.make_veth(plan, neighbour_));
      return give_addresses(links, kHost, "fd01::1", kNeighbour);
    });
    ASSERT_TRUE(made.has_value()) << made.error().message();
    made = network::run_in_name_space(neighbour_, [&]() -> Status {
      TRY_ASSIGN(network::Links links, network::Links::open());
      TRY(give_addresses(links, kNeighbour, "fd01::2", kHost));
      TRY_ASSIGN(teller_, Teller::make(SOCK_STREAM, kNeighboursPort));
      return {};
    });
    ASSERT_TRUE(made.has_value()) << made.error().message();
  }

  static Status give_addresses(network::Links& links, const char* four, const char* six,
                               const char* gateway) {
    TRY_ASSIGN(auto link, links.find("eth0"));
    constexpr int kBits4 = 24;
    constexpr int kBits6 = 64;
    TRY(links.add_addresses_and_set_up(
        link->index, {{*network::parse_ip(four), kBits4}, {*network::parse_ip(six), kBits6}}));
    return links.set_default_route(link->index, *network::parse_ip(gateway));
  }

  static std::string answer_from(FdRef space, const std::string& address, std::uint16_t port) {
    std::string answer;
    auto done = network::run_in_name_space(space, [&]() -> Status {
      answer = answer_at(address, port, "/cgi-bin/who");
      return {};
    });
    EXPECT_TRUE(done.has_value());
    return answer;
  }
  std::string answer_at_host(const std::string& address, std::uint16_t port) {
    return answer_from(network_, address, port);
  }
  std::string answer_at_neighbour(const std::string& address, std::uint16_t port) {
    return answer_from(neighbour_, address, port);
  }
  // What comes back for a datagram; "": nothing within a second.
  std::string echo_at_neighbour(const std::string& address, std::uint16_t port) {
    std::string answer;
    auto done = network::run_in_name_space(neighbour_, [&]() -> Status {
      Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      struct timeval limit{1, 0};
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      struct sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
      if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 ||
          ::send(socket.get(), "ping", 4, 0) != 4) {
        return fail_errno(errno, "send");
      }
      char bytes[64];
      ssize_t size = ::recv(socket.get(), bytes, sizeof bytes, 0);
      answer.assign(bytes, size < 0 ? 0 : static_cast<std::size_t>(size));
      return {};
    });
    EXPECT_TRUE(done.has_value());
    return answer;
  }

  // A container that tells at TCP port 80 who asks; it does when this returns.
  void start_server(const std::string& name, std::vector<std::string> flags) {
    std::vector<std::string> line = {"run", "-d", "--name", name};
    line.insert(line.end(), flags.begin(), flags.end());
    line.insert(
        line.end(),
        {"busybox", "sh", "-c",
         "mkdir -p /www/cgi-bin; printf '#!/bin/sh\\necho\\necho you are $REMOTE_ADDR\\n' > "
         "/www/cgi-bin/who; chmod +x /www/cgi-bin/who; exec httpd -f -h /www"});
    docker_output(line);
    docker_output({"exec", name, "sh", "-c",
                   "until grep -q ':0050 .* 0A ' /proc/net/tcp /proc/net/tcp6; do :; done"});
  }
  SpawnOutput fetch_from_neighbour() {
    return docker({"run", "--rm", "busybox", "wget", "-qO-",
                   cat("http://", kNeighbour, ":", kNeighboursPort)});
  }

  // Processes with the test's folder in an argument that has `part` behind it, but for dhowd and
  // shims.
  std::vector<pid_t> pids_of(const std::string& part) {
    std::vector<pid_t> found;
    std::string wanted = folder_.string() + "/" + part;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
      auto pid = parse_number<pid_t>(entry.path().filename().string());
      if (!pid || *pid == pid_) continue;
      std::string line = read_file(entry.path().string() + "/cmdline").value_or("");
      bool is_other = line.find("shim") != std::string::npos || line.starts_with("dhowd");
      if (!is_other && line.find(wanted) != std::string::npos) found.push_back(*pid);
    }
    return found;
  }

  Fd neighbour_;
  std::unique_ptr<Teller> teller_;
};

// With either of the programs.
class RootlessUplinkTest : public RootlessNetworksTest,
                           public ::testing::WithParamInterface<const char*> {
 protected:
  RootlessUplinkTest() { settings_ = cat("rootless-network = \"", GetParam(), "\"\n"); }
};
INSTANTIATE_TEST_SUITE_P(Uplinks, RootlessUplinkTest, ::testing::Values("pasta", "slirp4netns"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(RootlessUplinkTest, ContainersReachTheOutsideAndOneAnother) {
  // The host speaks for them.
  EXPECT_EQ(fetch_from_neighbour().output, "you are 192.0.2.1\n");
  docker_output({"network", "create", "mine"});
  start_server("web", {"--network", "mine"});
  EXPECT_EQ(docker_output({"run", "--rm", "--network", "mine", "busybox", "sh", "-c",
                           "wget -qO- http://web/cgi-bin/who | grep -c 'you are'"}),
            "1");
  EXPECT_EQ(docker({"network", "rm", "mine"}).exit_code, 1);
  docker_output({"rm", "-f", "web"});
  docker_output({"network", "rm", "mine"});
}

TEST_P(RootlessUplinkTest, PublishedPortsKnowTheirClients) {
  start_server("web", {"-p", "8080:80", "-p", "127.0.0.1:8081:80", "-p", "192.0.2.1:8082:80"});
  // Loopback is spoken for by the bridge.
  EXPECT_THAT(answer_at_host("127.0.0.1", 8080), HasSubstr("172.17.0.1"));
  EXPECT_THAT(answer_at_host(kHost, 8080), HasSubstr("you are "));
  EXPECT_THAT(answer_at_neighbour(kHost, 8080), HasSubstr(kNeighbour));
  EXPECT_THAT(answer_at_host("127.0.0.1", 8081), HasSubstr("you are "));
  EXPECT_EQ(answer_at_neighbour(kHost, 8081), "connection refused");
  EXPECT_THAT(answer_at_neighbour(kHost, 8082), HasSubstr(kNeighbour));
  EXPECT_EQ(answer_at_host("127.0.0.1", 8082), "connection refused");
  // A container by the host's address.
  EXPECT_EQ(docker_output({"run", "--rm", "busybox", "sh", "-c",
                           "wget -qO- http://192.0.2.1:8080/cgi-bin/who | grep -c 'you are'"}),
            "1");
  docker_output({"stop", "-t", "0", "web"});
  EXPECT_EQ(answer_at_host("127.0.0.1", 8080), "connection refused");
}

TEST_P(RootlessUplinkTest, TheHostIsReachedButForItsLoopback) {
  std::unique_ptr<Teller> teller;
  auto made = network::run_in_name_space(network_, [&]() -> Status {
    TRY_ASSIGN(teller, Teller::make(SOCK_STREAM, 9000));
    return {};
  });
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_EQ(
      docker({"run", "--rm", "busybox", "wget", "-qO-", cat("http://", kHost, ":9000")}).output,
      "you are 192.0.2.1\n");
  // Both programs can make the host's loopback of the gateway.
  SpawnOutput refused = docker(
      {"run", "--rm", "busybox", "sh", "-c", "timeout 1 wget -qO- http://10.0.2.2:9000; exit $?"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_EQ(refused.output, "");
}

TEST_P(RootlessUplinkTest, PortsOutliveTheDaemon) {
  start_server("web", {"-p", "8080:80"});
  stop_daemon(SIGKILL);
  EXPECT_THAT(answer_at_neighbour(kHost, 8080), HasSubstr(kNeighbour));
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_THAT(answer_at_neighbour(kHost, 8080), HasSubstr(kNeighbour));
  // What the next engine makes is in the same network.
  SpawnOutput taken = docker({"run", "--rm", "-p", "8080:80", "busybox", "true"});
  EXPECT_THAT(taken.error_text, HasSubstr("port is already allocated: container "));
  EXPECT_EQ(fetch_from_neighbour().output, "you are 192.0.2.1\n");
  docker_output({"stop", "-t", "0", "web"});
  EXPECT_EQ(answer_at_neighbour(kHost, 8080), "connection refused");
}

TEST_P(RootlessUplinkTest, TheWayOutIsMadeAgainWhenItsProgramDies) {
  start_server("web", {"-p", "8080:80"});
  std::vector<pid_t> former = pids_of("state/space");
  ASSERT_EQ(former.size(), 1U);
  ::kill(former.front(), SIGKILL);
  ASSERT_TRUE(becomes_true([&] {
    std::vector<pid_t> now = pids_of("state/space");
    return now.size() == 1 && now != former;
  }));
  EXPECT_EQ(fetch_from_neighbour().output, "you are 192.0.2.1\n");
  EXPECT_THAT(answer_at_neighbour(kHost, 8080), HasSubstr(kNeighbour));
}

TEST_F(RootlessNetworksTest, PortsOfUdpAndIpv6) {
  docker_output({"run", "-d", "--name", "echo", "-p", "5353:53/udp", "busybox", "sleep", "1000"});
  std::unique_ptr<Teller> echo;
  auto space = open_at(
      kCwd, cat("/proc/", docker_output({"inspect", "-f", "{{.State.Pid}}", "echo"}), "/ns/net"),
      O_RDONLY);
  ASSERT_TRUE(space.has_value()) << space.error().message();
  auto made = network::run_in_name_space(*space, [&]() -> Status {
    TRY_ASSIGN(echo, Teller::make(SOCK_DGRAM, 53));
    return {};
  });
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_EQ(echo_at_neighbour(kHost, 5353), cat("you are ", kNeighbour));
  // The next one of the same session.
  EXPECT_EQ(echo_at_neighbour(kHost, 5353), cat("you are ", kNeighbour));
  docker_output({"network", "create", "--ipv6", "--subnet", "fd17::/64", "six"});
  start_server("web", {"--network", "six", "-p", "8080:80"});
  EXPECT_THAT(answer_at_neighbour("fd01::1", 8080), HasSubstr("fd01::2"));
  EXPECT_THAT(answer_at_neighbour(kHost, 8080), HasSubstr(kNeighbour));
  EXPECT_THAT(answer_at_host("::1", 8080), HasSubstr("fd17::1"));
  docker_output({"rm", "-f", "echo"});
  EXPECT_EQ(echo_at_neighbour(kHost, 5353), "");
}

// More than sockets take at once, and a reader that is slower than who writes.
TEST_F(RootlessNetworksTest, ALotComesThroughAsItWent) {
  start_server("web", {"-p", "8080:80"});
  docker_output({"exec", "web", "sh", "-c", "yes dhow | head -c 20000000 > /www/lot"});
  std::string lot;
  auto done = network::run_in_name_space(neighbour_, [&]() -> Status {
    lot = answer_at(kHost, 8080, "/lot");
    return {};
  });
  ASSERT_TRUE(done.has_value());
  std::string wanted;
  while (wanted.size() < 20'000'000) wanted += "dhow\n";
  EXPECT_EQ(lot.size(), 19'999'999U);  // without the last end of line
  EXPECT_TRUE(wanted.starts_with(lot));
}

TEST_F(RootlessNetworksTest, ManyStartAtOnce) {
  constexpr int kCount = 6;
  std::vector<std::thread> threads;
  for (int i = 0; i < kCount; ++i) {
    threads.emplace_back([this, i] { start_server(cat("web", i), {"-p", "80"}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kCount; ++i) {
    std::string line = docker_output({"port", cat("web", i), "80"});
    auto port = parse_number<std::uint16_t>(std::string_view(line).substr(line.rfind(':') + 1));
    ASSERT_TRUE(port.has_value()) << line;
    EXPECT_THAT(answer_at_neighbour(kHost, *port), HasSubstr(kNeighbour));
  }
}

TEST_F(RootlessNetworksTest, PortsThatCannotBeHadAreRefused) {
  SpawnOutput low = docker({"run", "--rm", "-p", "80:80", "busybox", "true"});
  // What docker's command line makes of a "permission denied".
  EXPECT_EQ(low.exit_code, 126);
  EXPECT_THAT(low.error_text,
              HasSubstr("failed to bind host port 0.0.0.0:80/tcp: permission denied: ports below "
                        "1024 are root's on this host; publish at another one, or have root run "
                        "\"sysctl net.ipv4.ip_unprivileged_port_start=80\""));
  std::unique_ptr<Teller> other;
  auto made = network::run_in_name_space(network_, [&]() -> Status {
    TRY_ASSIGN(other, Teller::make(SOCK_STREAM, 9000));
    return {};
  });
  ASSERT_TRUE(made.has_value()) << made.error().message();
  SpawnOutput taken = docker({"run", "--rm", "-p", "9000:80", "busybox", "true"});
  EXPECT_EQ(taken.exit_code, 125);
  EXPECT_THAT(taken.error_text,
              HasSubstr("failed to bind host port 0.0.0.0:9000/tcp: address already in use"));
  // Who is one of the user's own can be named.
  docker_output({"run", "-d", "--name", "own", "--network", "host", "busybox", "nc", "-ll", "-p",
                 "9100", "-e", "true"});
  SpawnOutput owned;
  ASSERT_TRUE(becomes_true([&] {
    owned = docker({"run", "--rm", "-p", "9100:80", "busybox", "true"});
    return owned.exit_code != 0;
  }));
  EXPECT_THAT(owned.error_text, HasSubstr("address already in use: it is held by process "));
  EXPECT_THAT(owned.error_text, HasSubstr("(nc)"));
  SpawnOutput sctp = docker({"run", "--rm", "-p", "9001:80/sctp", "busybox", "true"});
  EXPECT_THAT(sctp.error_text, HasSubstr("a rootless engine publishes no ports of SCTP"));
  // The port is free again after a failure behind it.
  SpawnOutput second = docker({"run", "--rm", "-p", "9002:80", "-p", "9000:81", "busybox", "true"});
  EXPECT_EQ(second.exit_code, 125);
  EXPECT_EQ(answer_at_host("127.0.0.1", 9002), "connection refused");
}

// A killed keeper takes all with it, and the next container finds a new one.
TEST_F(RootlessNetworksTest, TheKeeperMayDie) {
  EXPECT_EQ(fetch_from_neighbour().output, "you are 192.0.2.1\n");
  for (pid_t pid : pids_of("state")) ::kill(pid, SIGKILL);
  ASSERT_TRUE(becomes_true([&] { return pids_of("state").empty(); }));
  EXPECT_EQ(fetch_from_neighbour().output, "you are 192.0.2.1\n");
  start_server("web", {"-p", "8080:80"});
  for (pid_t pid : pids_of("state")) ::kill(pid, SIGKILL);
  // The next engine connects what still runs.
  stop_daemon(SIGKILL);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_THAT(answer_at_neighbour(kHost, 8080), HasSubstr(kNeighbour));
}

TEST_F(RootlessNetworksTest, AKilledKeeperLeavesNothingEither) {
  EXPECT_EQ(fetch_from_neighbour().output, "you are 192.0.2.1\n");
  for (pid_t pid : pids_of("state")) ::kill(pid, SIGKILL);
  ASSERT_TRUE(becomes_true([&] { return pids_of("state").empty(); }));
}

TEST_F(RootlessNetworksTest, NothingIsStartedBeforeItIsNeeded) {
  EXPECT_EQ(run({"--rm", "busybox", "true"}).exit_code, 0);
  EXPECT_TRUE(pids_of("state").empty());
}

// An engine that finds only some programs of the host.
class RootlessProgramsTest : public RootlessNetworksTest {
 protected:
  void start_with(std::vector<std::string> programs) {
    std::string bin = (folder_ / "bin").string();
    fs::create_directories(bin);
    for (const std::string& name : programs) {
      fs::create_symlink("/usr/bin/" + name, bin + "/" + name);
    }
    stop_daemon(SIGTERM);
    path_ = bin;
    ASSERT_NO_FATAL_FAILURE(start_daemon());
  }
  void expect_plain_modes_work() {
    EXPECT_EQ(run({"--rm", "busybox", "true"}).exit_code, 0);
    EXPECT_EQ(docker({"run", "--rm", "--network", "host", "busybox", "true"}).exit_code, 0);
  }
};

TEST_F(RootlessProgramsTest, WithoutAnyTheErrorNamesBoth) {
  ASSERT_NO_FATAL_FAILURE(start_with({"newuidmap", "newgidmap"}));
  SpawnOutput refused = fetch_from_neighbour();
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_THAT(refused.error_text,
              HasSubstr("no way out for the containers of a rootless engine: pasta: not installed; "
                        "slirp4netns: not installed (pasta is in the package \"passt\""));
  expect_plain_modes_work();
}

TEST_F(RootlessProgramsTest, TheSecondIsTakenWhenTheFirstFails) {
  ASSERT_NO_FATAL_FAILURE(start_with({"newuidmap", "newgidmap", "slirp4netns"}));
  std::string pasta = (folder_ / "bin/pasta").string();
  write("bin/pasta", "#!/bin/sh\necho no such thing >&2\nexit 1\n");
  fs::permissions(pasta, fs::perms(0755));
  EXPECT_EQ(fetch_from_neighbour().output, "you are 192.0.2.1\n");
  EXPECT_EQ(pids_of("state/space").size(), 1U);
  EXPECT_THAT(read_file((folder_ / "dhowd.log").string()).value_or(""),
              HasSubstr("containers reach the outside by slirp4netns (pasta: no such thing)"));
}

class RootlessWithoutTunTest : public RootlessNetworksTest {
 protected:
  RootlessWithoutTunTest() { has_tun_ = false; }
};

TEST_F(RootlessWithoutTunTest, TheErrorHasTheWordsOfThePrograms) {
  if (::access("/dev/net/tun", F_OK) != 0) GTEST_SKIP() << "/dev/net/tun is not there";
  struct stat info{};
  ASSERT_EQ(::stat("/dev/net/tun", &info), 0);
  if ((info.st_mode & 0006) == 0006) GTEST_SKIP() << "/dev/net/tun is open to all";
  SpawnOutput refused = fetch_from_neighbour();
  EXPECT_EQ(refused.exit_code, 125);
  EXPECT_THAT(refused.error_text, HasSubstr("pasta: "));
  EXPECT_THAT(refused.error_text, HasSubstr("need /dev/net/tun to be open to all"));
}

}  // namespace
}  // namespace dhow::daemon_test
