// SPDX-License-Identifier: Apache-2.0
// Ports that are published at the host's [::1], which shims serve.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <optional>

#include "daemon/networks_fixture.h"
#include "rpc/client.h"
#include "rpc/task.h"
#include "sys/unix_socket.h"
#include "task/bundle.h"

namespace dhow::daemon_test {
namespace {

using ::testing::HasSubstr;

// A socket of UDP in a network namespace, at a port there or connected to one.
class Datagrams {
 public:
  enum class Use { kBind, kConnect };
  static Datagrams make(FdRef space, Use use, const char* address, std::uint16_t port) {
    Datagrams made;
    auto done = network::run_in_name_space(space, [&]() -> Status {
      struct sockaddr_in6 name{};
      socklen_t size = sizeof name;
      name.sin6_family = AF_INET6;
      name.sin6_port = htons(port);
      auto& four = reinterpret_cast<struct sockaddr_in&>(name);
      if (::inet_pton(AF_INET6, address, &name.sin6_addr) != 1) {
        size = sizeof four;
        four.sin_family = AF_INET;
        ::inet_pton(AF_INET, address, &four.sin_addr);
      }
      made.socket_ = Fd(::socket(name.sin6_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      const auto* pointer = reinterpret_cast<const struct sockaddr*>(&name);
      auto* call = use == Use::kBind ? ::bind : ::connect;
      if (call(made.socket_.get(), pointer, size) != 0) return fail_errno(errno, address);
      return {};
    });
    if (!done) made.why_ = done.error().message();
    return made;
  }
  const std::string& why() const { return why_; }

  void send(std::string_view text) const {
    std::ignore = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
  // Why there is none, when there is none.
  std::string receive() const {
    struct timeval limit{20, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char buffer[2048];
    ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    return got < 0 ? errno_text(errno) : std::string(buffer, static_cast<std::size_t>(got));
  }
  // Answers what comes with a word in front of it, until it is told to end.
  void echo(std::string_view word) const {
    while (true) {
      char buffer[1024];
      struct sockaddr_storage from{};
      socklen_t size = sizeof from;
      auto* name = reinterpret_cast<struct sockaddr*>(&from);
      ssize_t got = ::recvfrom(socket_.get(), buffer, sizeof buffer, 0, name, &size);
      if (got < 0) return;
      std::string_view text(buffer, static_cast<std::size_t>(got));
      if (text == "end") return;
      std::string answer = cat(word, " ", text);
      ::sendto(socket_.get(), answer.data(), answer.size(), 0, name, size);
    }
  }

 private:
  Fd socket_;
  std::string why_;
};

// Somebody in a container who answers at a port of UDP, until this goes.
class Echo {
 public:
  Echo(Fd space, std::string word, std::uint16_t port)
      : space_(std::move(space)),
        port_(port),
        socket_(Datagrams::make(space_, Datagrams::Use::kBind, "0.0.0.0", port)),
        thread_([this, word = std::move(word)] { socket_.echo(word); }) {
    EXPECT_EQ(socket_.why(), "");
  }
  ~Echo() {
    Datagrams::make(space_, Datagrams::Use::kConnect, "127.0.0.1", port_).send("end");
    thread_.join();
  }

 private:
  Fd space_;
  std::uint16_t port_;
  Datagrams socket_;
  std::thread thread_;
};

class LocalNetworkPortsTest : public NetworksTest {
 protected:
  static constexpr const char* kPort = "[::1]:5353:53/udp";

  void start(const std::string& name) {
    docker_output({"run", "-d", "--name", name, "-p", kPort, "busybox", "sleep", "1000"});
  }
  std::unique_ptr<Echo> echo_in(const std::string& container) {
    auto space =
        open_at(kCwd, cat("/proc/", inspect(container, "{{.State.Pid}}"), "/ns/net"), O_RDONLY);
    EXPECT_TRUE(space.has_value());
    return std::make_unique<Echo>(std::move(*space), container, 53);
  }
  Datagrams client(const char* address = "::1") {
    return Datagrams::make(network_, Datagrams::Use::kConnect, address, 5353);
  }
  std::string ask(std::string_view text) {
    Datagrams one = client();
    one.send(text);
    return one.receive();
  }
  std::string bind_there() {
    return Datagrams::make(network_, Datagrams::Use::kBind, "::1", 5353).why();
  }
};

TEST_F(LocalNetworkPortsTest, DatagramsAreRelayed) {
  start("one");
  EXPECT_EQ(docker_output({"port", "one"}), "53/udp -> [::1]:5353");
  // Nobody answers yet: nothing is told of, and nothing ends by it.
  Datagrams early = client();
  early.send("early");
  auto echo = echo_in("one");
  Datagrams other = client();
  for (const char* text : {"1", "2", "3"}) {
    early.send(cat("early ", text));
    other.send(cat("other ", text));
    EXPECT_EQ(other.receive(), cat("one other ", text));
    EXPECT_EQ(early.receive(), cat("one early ", text));
  }
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  early.send("still");
  EXPECT_EQ(early.receive(), "one still");
  EXPECT_EQ(ask("new"), "one new");
  start_daemon();
  early.send("again");
  EXPECT_EQ(early.receive(), "one again");
  docker_output({"network", "create", "--subnet", "10.7.0.0/24", "mine"});
  docker_output({"network", "connect", "mine", "one"});
  docker_output({"network", "disconnect", "bridge", "one"});
  early.send("moved");
  EXPECT_EQ(early.receive(), "one moved");
  echo.reset();
  docker_output({"rm", "-f", "one"});
  early.send("gone");
  EXPECT_EQ(early.receive(), "connection refused");
  EXPECT_EQ(bind_there(), "");
}

TEST_F(LocalNetworkPortsTest, APortOfDatagramsThatIsTakenIsRefused) {
  start("one");
  EXPECT_THAT(bind_there(), HasSubstr("address already in use"));
  auto refused = [&] { return docker({"run", "--rm", "-p", kPort, "busybox", "true"}).error_text; };
  EXPECT_THAT(refused(), HasSubstr("Bind for [::1]:5353 failed: port is already allocated"));
  // The same number of TCP is another port.
  start_server("web", {"-p", "[::1]:5353:80"});
  EXPECT_EQ(answer_of("::1", 5353), "hello");
  docker_output({"rm", "-f", "one"});
  Datagrams taken = Datagrams::make(network_, Datagrams::Use::kBind, "::1", 5353);
  ASSERT_EQ(taken.why(), "");
  EXPECT_THAT(refused(), HasSubstr(cat("failed to bind host port [::1]:5353/udp: address already "
                                       "in use: it is held by process ",
                                       ::getpid())));
}

// Who takes a container out of a network may die before the shim is told: here the shim is told
// afterwards what it was told before.
TEST_F(LocalNetworkPortsTest, TheNextEngineEndsWhatIsNotPublished) {
  std::string id = start_server("web", {"-p", "[::1]:8080:80", "-p", kPort});
  docker_output({"network", "disconnect", "bridge", "web"});
  EXPECT_EQ(answer_of("::1", 8080), "connection refused");
  EXPECT_EQ(stop_daemon(SIGKILL), 128 + SIGKILL);
  std::optional<task::Bootstrap> shim;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "state/tasks")) {
    if (entry.path().filename() != task::kBootstrapFile) continue;
    auto parsed = task::parse_bootstrap_json(read_file(entry.path().string()).value_or(""));
    if (parsed) shim = *parsed;
  }
  ASSERT_TRUE(shim.has_value());
  {
    auto thread = rpc::EventThread::start();
    ASSERT_TRUE(thread.has_value());
    auto socket = connect_unix(kCwd, shim->address.substr(std::string_view("unix://").size()),
                               SOCK_STREAM | SOCK_NONBLOCK);
    ASSERT_TRUE(socket.has_value()) << socket.error().message();
    auto caller = rpc::Client::open(**thread, std::move(*socket), "");
    ASSERT_TRUE(caller.has_value());
    rpc::task::UpdateTaskRequest request;
    request.id = id;
    request.annotations.emplace(rpc::task::kServePorts,
                                "8080 127.0.0.1 80\n5353 127.0.0.1 53 udp\n");
    auto told = (*caller)->call<rpc::Empty>(rpc::task::kServiceV3, request, std::nullopt);
    ASSERT_TRUE(told.has_value()) << told.error().message();
  }
  EXPECT_NE(bind_there(), "");
  start_daemon();
  EXPECT_EQ(bind_there(), "");
  docker_output({"network", "connect", "bridge", "web"});
  EXPECT_EQ(answer_of("::1", 8080), "hello");
  EXPECT_NE(bind_there(), "");
}

}  // namespace
}  // namespace dhow::daemon_test
