// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <arpa/inet.h>
#include <chrono>
#include <netinet/in.h>
#include <thread>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "network/links.h"
#include "network/name_space.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {

// The document that a web server has.
inline std::string answer_at(const std::string& address, std::uint16_t port) {
  struct sockaddr_in to{};
  struct sockaddr_in6 to6{};
  bool is_six = ::inet_pton(AF_INET6, address.c_str(), &to6.sin6_addr) == 1;
  to.sin_family = AF_INET;
  to6.sin6_family = AF_INET6;
  to.sin_port = to6.sin6_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  auto* name = is_six ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to);
  Fd socket(::socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct timeval limit{20, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), name, is_six ? sizeof to6 : sizeof to) != 0) {
    return errno_text(errno);
  }
  if (!write_all(socket, "GET / HTTP/1.0\r\n\r\n")) return errno_text(errno);
  auto answer = read_all(socket);
  if (!answer) return answer.error().message();
  std::size_t head = answer->find("\r\n\r\n");
  return head == std::string::npos ? *answer
                                   : std::string(trim(std::string_view(*answer).substr(head)));
}

class NetworksTest : public BusyboxTest {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) {
      auto made = network::make_name_space([] { return bring_loopback_up(); });
      ASSERT_TRUE(made.has_value()) << made.error().message();
      network_ = std::move(*made);
    }
    BusyboxTest::SetUp();
  }

  // As from a program of the host.
  std::string answer_of(const std::string& address, std::uint16_t port) {
    std::string answer;
    auto done = network::run_in_name_space(network_, [&]() -> Status {
      answer = answer_at(address, port);
      return {};
    });
    EXPECT_TRUE(done.has_value());
    return answer;
  }
  std::size_t count_links(const std::string& prefix) {
    std::size_t count = 0;
    std::ignore = network::run_in_name_space(network_, [&]() -> Status {
      TRY_ASSIGN(network::Links links, network::Links::open());
      TRY_ASSIGN(std::vector<std::string> names, links.names());
      for (const std::string& name : names) count += name.starts_with(prefix) ? 1U : 0U;
      return {};
    });
    return count;
  }
  // Those of containers that have gone go a little later: waits until there are `wanted`, at most
  // ten seconds.
  std::size_t links_become(const std::string& prefix, std::size_t wanted) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::size_t count = count_links(prefix);
    while (count != wanted && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      count = count_links(prefix);
    }
    return count;
  }
  // A container that answers on TCP port 80; it does when this returns.
  std::string start_server(const std::string& name, std::vector<std::string> flags) {
    std::vector<std::string> line = {"run", "-d", "--name", name};
    line.insert(line.end(), flags.begin(), flags.end());
    line.insert(line.end(), {"busybox", "sh", "-c",
                             "mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www"});
    std::string id = docker_output(line);
    docker_output({"exec", name, "sh", "-c",
                   "until grep -q ':0050 .* 0A ' /proc/net/tcp /proc/net/tcp6; do :; done"});
    return id;
  }
  std::string inspect(const std::string& name, const std::string& format) {
    return docker_output({"inspect", name, "-f", format});
  }
};

}  // namespace dhow::daemon_test
