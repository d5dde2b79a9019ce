// SPDX-License-Identifier: Apache-2.0
// The resolver of a container by itself: it is in one network namespace and its servers in another.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <netinet/in.h>
#include <random>
#include <thread>

#include "base/strings.h"
#include "dns/message.h"
#include "dns/names.h"
#include "network/links.h"
#include "network/name_space.h"
#include "shim/resolver.h"
#include "support/name_server.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

using testing_support::exchange;
using testing_support::look_up;
using testing_support::NameServer;
using testing_support::words_of_answer;

std::string address_answer(const dns::Query& query, std::string_view address, int times = 1) {
  dns::Answer answer(query, dns::Rcode::kSuccess, dns::kLongestMessage);
  for (int i = 0; i < times; ++i) answer.add_address(dns::address_bytes(address));
  return answer.take();
}

std::string failure_answer(const dns::Query& query, dns::Rcode code) {
  return dns::Answer(query, code, 512).take();
}

std::ptrdiff_t addresses_in(const std::string& words) {
  return words.empty() ? 0 : std::ranges::count(words, ' ') + 1;
}

// What the name server of these tests says, by the first label of a name.
std::vector<std::string> answers_of(const dns::Query& query, bool is_stream) {
  std::string kind = query.name.substr(0, query.name.find('.'));
  if (kind == "good") return {address_answer(query, "192.0.2.1")};
  if (kind == "failing") return {failure_answer(query, dns::Rcode::kServerFailure)};
  if (kind == "refused") return {failure_answer(query, dns::Rcode::kRefused)};
  if (kind == "nobody") return {failure_answer(query, dns::Rcode::kNameError)};
  if (kind == "long" && is_stream) return {address_answer(query, "192.0.2.1", 400)};
  if (kind == "long") {
    dns::Answer cut(query, dns::Rcode::kSuccess, 512);
    cut.set_truncated();
    return {cut.take()};
  }
  // More than was asked for.
  if (kind == "huge") return {address_answer(query, "192.0.2.1", 1000)};
  if (kind == "forged") {
    std::string good = address_answer(query, "192.0.2.1");
    std::string forged = address_answer(query, "203.0.113.9");
    std::string other = dns::question_message(query.id, "other.example", dns::Type::kA);
    return {dns::with_id(forged, static_cast<std::uint16_t>(query.id + 1)),
            address_answer(*dns::parse_query(other), "203.0.113.9"), "x", std::string(12, '\xff'),
            good};
  }
  return {};
}

// For the thread that calls it, as where the kernel has none.
void deny_bpf() {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program{std::size(code), code};
  ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

class ResolverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    std::ignore = ::signal(SIGPIPE, SIG_IGN);
    for (Fd* space : {&host_, &container_}) {
      auto made = network::make_name_space([] { return bring_loopback_up(); });
      ASSERT_TRUE(made.has_value()) << made.error().message();
      *space = std::move(*made);
    }
    std::string pattern = "/tmp/dhow-resolver.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const char* address : {"127.0.0.53", "127.0.0.54"}) {
      auto server = NameServer::start(host_, address, [this](const dns::Query& query, bool stream) {
        return answers_ ? answers_(query, stream) : answers_of(query, stream);
      });
      ASSERT_TRUE(server.has_value()) << server.error().message();
      servers_.push_back(std::move(*server));
    }
    settings_.servers = {"127.0.0.53"};
    settings_.networks = {{folder_ + "/names", {}}};
    write("names", dns::names_text("mine", {{"10.7.0.2", {"web"}}, {"10.7.0.3", {"web"}}}));
    write_settings();
    start();
  }

  void stop() {
    if (!thread_.joinable()) return;
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  void TearDown() override {
    stop();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void write(const std::string& name, std::string_view text) {
    auto place = open_at(kCwd, folder_, O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(place && replace_file(*place, name, text, 0600));
  }
  void write_settings() { write("resolver", dns::settings_text(settings_)); }

  // A loop as that of a shim, with the resolver in it.
  void start(bool has_bpf = true) {
    stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
    std::promise<Status> started;
    auto result = started.get_future();
    thread_ = std::thread([this, &started, has_bpf] {
      // Held by a thread that is in it, as by a container's process.
      std::promise<pid_t> there;
      std::promise<void> done;
      std::thread init([&] {
        ::setns(container_.get(), CLONE_NEWNET);
        there.set_value(static_cast<pid_t>(::syscall(SYS_gettid)));
        done.get_future().wait();
      });
      pid_t pid = there.get_future().get();
      ResolverSockets sockets;
      Status made;
      std::thread([&] {
        if (!has_bpf) deny_bpf();
        auto opened = make_resolver_sockets(pid);
        if (opened) sockets = std::move(*opened);
        if (!opened) made = fail(opened.error());
      }).join();
      done.set_value();
      init.join();
      ::setns(host_.get(), CLONE_NEWNET);
      auto loop = Loop::make();
      auto resolver = Resolver::open(**loop, folder_ + "/resolver", std::move(sockets));
      auto watch = (*loop)->watch(stop_, EPOLLIN, [&](std::uint32_t) { (*loop)->stop(); });
      started.set_value(made);
      if (made) std::ignore = (*loop)->run();
      if (resolver) resolver->reset();
    });
    Status status = result.get();
    ASSERT_TRUE(status.has_value()) << status.error().message();
  }

  std::string ask(const std::string& name, bool is_stream = false) {
    return look_up(container_, name, dns::Type::kA, is_stream);
  }

  Fd host_, container_, stop_;
  std::string folder_;
  dns::Settings settings_;
  NameServer::Answers answers_;
  std::vector<std::unique_ptr<NameServer>> servers_;
  std::thread thread_;
};

TEST_F(ResolverTest, AnswersWhatItKnowsInTurn) {
  std::string first = ask("web");
  std::string second = ask("web");
  EXPECT_NE(first, second);
  EXPECT_EQ(first.size(), std::string("10.7.0.2 10.7.0.3").size());
  EXPECT_EQ(look_up(container_, "2.0.7.10.in-addr.arpa", dns::Type::kPtr), "web.mine");
  EXPECT_EQ(look_up(container_, "web", dns::Type::kAaaa), "");
  EXPECT_TRUE(servers_[0]->asked().empty());
  // Read again for each question.
  write("names", dns::names_text("mine", {{"10.7.0.4", {"web"}}}));
  EXPECT_EQ(ask("web"), "10.7.0.4");
  EXPECT_EQ(ask("web", true), "10.7.0.4");
}

TEST_F(ResolverTest, ServersAreAskedForTheRest) {
  EXPECT_EQ(ask("good.example"), "192.0.2.1");
  EXPECT_EQ(ask("good.example", true), "192.0.2.1");
  EXPECT_EQ(ask("nobody.example"), "failure 3");
  std::vector<std::string> expected = {"udp good.example", "tcp good.example",
                                       "udp nobody.example"};
  EXPECT_EQ(servers_[0]->asked(), expected);
}

TEST_F(ResolverTest, OneServerAfterTheOther) {
  settings_.servers = {"not an address", "127.0.0.99", "127.0.0.53"};  // nobody is at the second
  write_settings();
  EXPECT_EQ(ask("good.example"), "192.0.2.1");
  EXPECT_EQ(ask("good.example", true), "192.0.2.1");
  settings_.servers = {"127.0.0.53", "127.0.0.54"};
  write_settings();
  EXPECT_EQ(ask("failing.example"), "failure 2");
  EXPECT_EQ(ask("refused.example", true), "failure 2");
  ASSERT_EQ(servers_[1]->asked().size(), 2U) << "those that the first had no answer to";
  EXPECT_EQ(ask("nobody.example"), "failure 3");
  EXPECT_EQ(servers_[1]->asked().size(), 2U);
  settings_.servers = {"127.0.0.96", "127.0.0.97", "127.0.0.98", "127.0.0.53"};
  write_settings();
  EXPECT_EQ(ask("good.example"), "failure 2") << "three are asked";
  settings_.servers.clear();
  write_settings();
  EXPECT_EQ(ask("good.example"), "failure 2");
}

TEST_F(ResolverTest, AServerThatIsSilentIsLeftForTheNext) {
  settings_.servers = {"127.0.0.53", "127.0.0.54"};
  write_settings();
  std::atomic<int> calls = 0;
  answers_ = [&](const dns::Query& query, bool) -> std::vector<std::string> {
    if (calls++ == 0) return {};
    return {address_answer(query, "192.0.2.7")};
  };
  EXPECT_EQ(ask("any.example"), "192.0.2.7");
  EXPECT_EQ(servers_[1]->asked().size(), 1U);
}

TEST_F(ResolverTest, LongAnswersComeByTcp) {
  EXPECT_EQ(ask("long.example"), "truncated");
  EXPECT_EQ(ask("huge.example"), "truncated") << "longer than a client can have asked for";
  EXPECT_EQ(addresses_in(ask("long.example", true)), 400);
  std::vector<dns::Named> many(100, {"10.7.0.9", {"many"}});
  write("names", dns::names_text("mine", many));
  EXPECT_EQ(ask("many"), "truncated");
  EXPECT_EQ(addresses_in(ask("many", true)), 100);
}

TEST_F(ResolverTest, ForgedAnswersAreNone) {
  EXPECT_EQ(ask("forged.example"), "192.0.2.1");
  // By TCP the server itself speaks: one that says something else is of no use.
  EXPECT_EQ(ask("forged.example", true), "failure 2");
}

TEST_F(ResolverTest, NothingLeavesAnInternalNetwork) {
  settings_.forwards = false;
  write_settings();
  EXPECT_EQ(ask("good.example"), "failure 2");
  EXPECT_EQ(ask("good.example", true), "failure 2");
  EXPECT_NE(ask("web"), "failure 2");
  EXPECT_TRUE(servers_[0]->asked().empty());
}

// As of a name server that runs in a container.
TEST_F(ResolverTest, ProgramsCanHavePort53) {
  std::vector<Fd> held;
  auto bound = network::run_in_name_space(container_, [&]() -> Status {
    for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
      held.emplace_back(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
      struct sockaddr_in place{};
      place.sin_family = AF_INET;
      place.sin_port = htons(53);
      if (::bind(held.back().get(), reinterpret_cast<sockaddr*>(&place), sizeof place) != 0) {
        return fail_errno(errno, "bind");
      }
    }
    return ::listen(held.back().get(), 1) == 0 ? Status() : fail_errno(errno, "listen");
  });
  ASSERT_TRUE(bound.has_value()) << bound.error().message();
  EXPECT_THAT(ask("web"), ::testing::HasSubstr("10.7.0.2"));
  EXPECT_THAT(ask("web", true), ::testing::HasSubstr("10.7.0.2"));
  EXPECT_EQ(ask("good.example"), "192.0.2.1");
  // Theirs is what is sent to other addresses.
  exchange(container_, "127.0.0.1", "to them", false, 1);
  char buffer[16] = {};
  EXPECT_EQ(::recv(held.front().get(), buffer, sizeof buffer, MSG_DONTWAIT), 7);
}

TEST_F(ResolverTest, WithoutBpfThePortIsTaken) {
  stop();
  start(false);
  EXPECT_THAT(ask("web"), ::testing::HasSubstr("10.7.0.2"));
  EXPECT_THAT(ask("web", true), ::testing::HasSubstr("10.7.0.2"));
  auto bound = network::run_in_name_space(container_, []() -> Status {
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(53);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) == 0) return {};
    return fail_errno(errno, "bind");
  });
  ASSERT_FALSE(bound.has_value());
  EXPECT_EQ(bound.error().sys_errno(), EADDRINUSE);
}

// It answers the next one after whatever a container sends.
TEST_F(ResolverTest, HostileMessagesAreBornWith) {
  std::mt19937 random(7);  // NOLINT: each run is the same
  std::string good = dns::question_message(1, "web", dns::Type::kA);
  for (int round = 0; round < 2000; ++round) {
    std::string message = good;
    for (int i = 0; i < 4; ++i) message[random() % message.size()] = static_cast<char>(random());
    if (round % 3 == 0) message.resize(random() % (message.size() + 1));
    if (round % 50 == 0) message.append(random() % 3000, 'x');
    exchange(container_, "127.0.0.11", message, false, 1);
  }
  EXPECT_NE(ask("web"), "silence");
  EXPECT_EQ(exchange(container_, "127.0.0.11", std::string(12, '\xff'), false, 200), "");
  for (std::size_t size : {0U, 1U, 11U, 2000U, 65535U}) {
    EXPECT_EQ(exchange(container_, "127.0.0.11", std::string(size, '\xff'), true), "") << size;
  }
  auto query = dns::parse_query(good);
  EXPECT_EQ(words_of_answer(exchange(container_, "127.0.0.11", good + "x"), *query), "failure 1");
  EXPECT_NE(ask("web", true), "silence");
}

// So many that there is no place for more: others wait, and nothing is lost.
TEST_F(ResolverTest, ClientsThatSayNothingHoldNobodyUpForever) {
  std::vector<Fd> silent;
  auto connected = network::run_in_name_space(container_, [&]() -> Status {
    for (std::size_t i = 0; i < Resolver::kMostClients; ++i) {
      silent.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      struct sockaddr_in place{};
      place.sin_family = AF_INET;
      place.sin_port = htons(53);
      place.sin_addr.s_addr = htonl(0x7F00000B);
      if (::connect(silent.back().get(), reinterpret_cast<sockaddr*>(&place), sizeof place) != 0) {
        return fail_errno(errno, "connect");
      }
    }
    return {};
  });
  ASSERT_TRUE(connected.has_value()) << connected.error().message();
  EXPECT_NE(ask("web"), "silence") << "by UDP nobody is held up";
  silent.pop_back();
  EXPECT_NE(ask("web", true), "silence");
}

// More questions than are passed on at a time: each is answered, some with a refusal.
TEST_F(ResolverTest, QuestionsUnderWayAreBounded) {
  answers_ = [](const dns::Query&, bool) { return std::vector<std::string>(); };
  std::map<std::string, int> counts;
  auto asked = network::run_in_name_space(container_, [&]() -> Status {
    Fd made(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct timeval limit{20, 0};
    ::setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    struct sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(53);
    place.sin_addr.s_addr = htonl(0x7F00000B);
    if (::connect(made.get(), reinterpret_cast<sockaddr*>(&place), sizeof place) != 0) {
      return fail_errno(errno, "connect");
    }
    constexpr std::size_t kMore = 10;
    std::string message = dns::question_message(9, "silent.example", dns::Type::kA);
    auto query = dns::parse_query(message);
    for (std::size_t i = 0; i < Upstreams::kMostQueries + kMore; ++i) {
      TRY(write_all(made, message));
      // Not faster than they are taken, or the kernel would drop some.
      if (i % 32 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    for (std::size_t i = 0; i < Upstreams::kMostQueries + kMore; ++i) {
      char buffer[512];
      ssize_t size = ::recv(made.get(), buffer, sizeof buffer, 0);
      if (size <= 0) break;
      ++counts[words_of_answer({buffer, static_cast<std::size_t>(size)}, *query)];
    }
    return {};
  });
  ASSERT_TRUE(asked.has_value()) << asked.error().message();
  EXPECT_EQ(counts["failure 5"], 10);
  EXPECT_EQ(counts["failure 2"], static_cast<int>(Upstreams::kMostQueries));
  answers_ = nullptr;
  EXPECT_EQ(ask("good.example"), "192.0.2.1");
}

}  // namespace
}  // namespace dhow::shim
