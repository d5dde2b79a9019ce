// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <thread>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "daemon/web.h"
#include "network/links.h"
#include "network/name_space.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {

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
