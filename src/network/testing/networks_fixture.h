// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/strings.h"
#include "network/local_networks.h"
#include "network/name_space.h"
#include "sys/file_io.h"

// Networks on the kernel that is there, in a network namespace of each test's own.
namespace dhow::network {

struct SocketAddress {
  struct sockaddr_storage bytes{};
  socklen_t size = sizeof bytes;
  struct sockaddr* get() { return reinterpret_cast<struct sockaddr*>(&bytes); }
};

inline SocketAddress socket_address(std::string_view text, std::uint16_t port) {
  SocketAddress out;
  Ip address = *parse_ip(text);
  if (address.is_v6) {
    auto& six = reinterpret_cast<struct sockaddr_in6&>(out.bytes);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    std::memcpy(&six.sin6_addr, address.bytes().data(), sizeof six.sin6_addr);
    out.size = sizeof six;
    return out;
  }
  auto& four = reinterpret_cast<struct sockaddr_in&>(out.bytes);
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  four.sin_addr.s_addr = htonl(address.v4.value);
  out.size = sizeof four;
  return out;
}

inline std::string text_of(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.bytes.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const struct sockaddr_in6&>(address.bytes);
    ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
  } else {
    const auto& four = reinterpret_cast<const struct sockaddr_in&>(address.bytes);
    ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
  }
  return text;
}

// A UDP socket of the calling thread's namespace.
inline Fd datagram_socket(std::string_view address, std::uint16_t port) {
  auto name = socket_address(address, port);
  Fd socket(::socket(name.bytes.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(socket.get(), name.get(), name.size), 0) << address << ": " << errno_text(errno);
  return socket;
}

inline bool send_to(const Fd& socket, std::string_view text, std::string_view address,
                    std::uint16_t port) {
  auto to = socket_address(address, port);
  return ::sendto(socket.get(), text.data(), text.size(), 0, to.get(), to.size) ==
         static_cast<ssize_t>(text.size());
}

// The next datagram and where it is from; "" for none after a long time.
inline std::string receive(const Fd& socket, SocketAddress& from) {
  struct timeval limit{10, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  char text[256];
  ssize_t got = ::recvfrom(socket.get(), text, sizeof text, 0, from.get(), &from.size);
  return got < 0 ? std::string() : std::string(text, static_cast<std::size_t>(got));
}

// "text 10.0.0.1".
inline std::string receive_from(const Fd& socket) {
  SocketAddress from;
  std::string text = receive(socket, from);
  return text.empty() ? text : cat(text, " ", text_of(from));
}

// Sends by a published port, and has the server answer to where that came from.
inline std::string answer_by_port(const Fd& client, const Fd& server, std::string_view address) {
  EXPECT_TRUE(send_to(client, "hello", address, 8000)) << errno_text(errno);
  SocketAddress from;
  EXPECT_EQ(receive(server, from), "hello") << address;
  EXPECT_EQ(::sendto(server.get(), "back", 4, 0, from.get(), from.size), 4);
  return receive_from(client);
}

class LocalNetworksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    ASSERT_TRUE(bring_loopback_up().has_value());
    std::string pattern = "/tmp/dhow-networks.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto database = metadata::Database::open(folder_ + "/dhow.db");
    ASSERT_TRUE(database.has_value());
    database_ = std::move(*database);
    open();
  }
  void TearDown() override {
    networks_.reset();
    database_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void open() {
    networks_.reset();
    options_.state = folder_;
    options_.bridge = "dhow0";
    options_.table = "dhow";
    options_.gate = "dhow-i";
    auto networks = LocalNetworks::open(options_, *database_);
    ASSERT_TRUE(networks.has_value()) << networks.error().message();
    networks_ = std::move(*networks);
  }
  std::string id_of(std::string_view name) { return networks_->find(name)->id; }
  std::string make(const std::string& name, bool internal = false) {
    NewNetwork wanted;
    wanted.name = name;
    wanted.internal = internal;
    auto made = networks_->create(wanted);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? made->id : std::string();
  }
  Join join(std::string_view network) {
    Join wanted;
    wanted.network = id_of(network);
    return wanted;
  }
  Result<Attachment> try_attach(const std::string& container, const std::string& network,
                                std::vector<PortWish> ports = {}) {
    AttachRequest request;
    request.container = container;
    request.name = container;
    request.joins.push_back(join(network));
    request.ports = std::move(ports);
    return networks_->attach(request);
  }
  Attachment attach(const std::string& container, const std::string& network = "bridge",
                    std::vector<PortWish> ports = {}) {
    auto attached = try_attach(container, network, std::move(ports));
    EXPECT_TRUE(attached.has_value()) << attached.error().message();
    Attachment none;
    none.endpoints.emplace_back();
    return attached ? std::move(*attached) : std::move(none);
  }
  Fd socket_in(const Attachment& attachment, std::uint16_t port) {
    return socket_in(attachment, address(attachment), port);
  }
  Fd socket_in(const Attachment& attachment, std::string_view address, std::uint16_t port) {
    Fd socket;
    auto status = run_in_name_space(attachment.space, [&]() -> Status {
      socket = datagram_socket(address, port);
      return {};
    });
    EXPECT_TRUE(status.has_value());
    return socket;
  }
  static std::string address(const Attachment& attachment) {
    return attachment.endpoints.front().address.text();
  }
  static std::string address6(const Attachment& attachment) {
    return attachment.endpoints.front().address6.text();
  }
  // Bridged frames are then not seen as packets, whatever the machine has set.
  static void turn_off_bridge_filter() {
    std::ignore = write_existing("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
    std::ignore = write_existing("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
  }
  bool has_link(const std::string& name) {
    networks_->finish();
    return Links::open()->find(name)->has_value();
  }

  std::string folder_;
  NetworksOptions options_;
  std::unique_ptr<metadata::Database> database_;
  std::unique_ptr<LocalNetworks> networks_;
};

}  // namespace dhow::network
