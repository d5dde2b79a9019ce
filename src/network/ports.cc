// SPDX-License-Identifier: Apache-2.0
#include "network/ports.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

// Where ports that nobody names are looked for when the kernel can't be asked for one.
constexpr std::uint16_t kFirstAny = 32768;
constexpr std::uint16_t kLastAny = 60999;

// Binds a socket and says which port it got. No socket: the kernel doesn't have the protocol.
Result<Fd> bind_port(PublishedPort& port) {
  bool is_udp = port.protocol == "udp";
  Fd socket(::socket(AF_INET, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
                     protocol_number(port.protocol)));
  if (!socket) {
    if (errno == EPROTONOSUPPORT) return Fd();
    return fail_errno(errno, "make a socket to hold a port");
  }
  int on = 1;
  // What connections of before have left is no reason to refuse.
  if (!is_udp) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port.host_port);
  address.sin_addr.s_addr = htonl(port.host.value);
  auto* pointer = reinterpret_cast<struct sockaddr*>(&address);
  // Only a socket that listens keeps others from the port.
  if (::bind(socket.get(), pointer, sizeof address) != 0 ||
      (!is_udp && ::listen(socket.get(), 0) != 0)) {
    return fail_errno(errno, cat("failed to bind host port ", port.host.text(), ":", port.host_port,
                                 "/", port.protocol));
  }
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), pointer, &size) == 0) port.host_port = ntohs(address.sin_port);
  return socket;
}

// The inode of a socket at this port, from a file of /proc/net; "": there is none.
std::string socket_inode(const PublishedPort& port) {
  constexpr std::size_t kLocal = 1;
  constexpr std::size_t kState = 3;
  constexpr std::size_t kInode = 9;
  for (const char* suffix : {"", "6"}) {
    std::string table =
        read_file(cat("/proc/thread-self/net/", port.protocol, suffix), std::size_t{64} << 20)
            .value_or("");
    for (std::string_view line : split(table, '\n')) {
      std::vector<std::string_view> words;
      for (std::string_view word : split(line, ' ')) {
        if (!word.empty()) words.push_back(word);
      }
      if (words.size() <= kInode) continue;
      std::string_view local = words[kLocal];
      auto number = parse_number<std::uint16_t>(local.substr(local.rfind(':') + 1), 16);
      // 0A listens; 07 is a socket of UDP.
      bool is_open = words[kState] == "0A" || words[kState] == "07";
      if (number == port.host_port && is_open) return std::string(words[kInode]);
    }
  }
  return {};
}

}  // namespace

std::uint8_t protocol_number(std::string_view protocol) {
  if (protocol == "udp") return IPPROTO_UDP;
  return protocol == "sctp" ? IPPROTO_SCTP : IPPROTO_TCP;
}

std::string process_at_port(const PublishedPort& port) {
  std::string inode = socket_inode(port);
  auto proc = open_at(kCwd, "/proc", O_RDONLY | O_DIRECTORY);
  if (inode.empty() || !proc) return {};
  std::string wanted = cat("socket:[", inode, "]");
  for (const std::string& pid : list_dir(*proc).value_or(std::vector<std::string>())) {
    if (!parse_number<pid_t>(pid)) continue;
    auto folder = open_at(*proc, pid + "/fd", O_RDONLY | O_DIRECTORY);
    if (!folder) continue;
    for (const std::string& name : list_dir(*folder).value_or(std::vector<std::string>())) {
      char target[64];
      ssize_t size = ::readlinkat(folder->get(), name.c_str(), target, sizeof target);
      if (size < 0 || std::string_view(target, static_cast<std::size_t>(size)) != wanted) continue;
      std::string comm = read_file(*proc, pid + "/comm", 64).value_or("");
      return cat("process ", pid, " (", trim(comm), ")");
    }
  }
  return {};
}

const PortTable::Held* PortTable::holder(const PublishedPort& port) const {
  auto [begin, end] = held_.equal_range({protocol_number(port.protocol), port.host_port});
  for (auto it = begin; it != end; ++it) {
    const Ip4& other = it->second.port.host;
    if (other == port.host || other.is_any() || port.host.is_any()) return &it->second;
  }
  return nullptr;
}

Status PortTable::hold(const std::string& owner, PublishedPort& port) {
  TRY_ASSIGN(Fd socket, bind_port(port));
  held_.emplace(Key{protocol_number(port.protocol), port.host_port},
                Held{owner, port, std::move(socket)});
  return {};
}

Result<PublishedPort> PortTable::take_one(const std::string& owner, const PortWish& wish) {
  PublishedPort port{wish.protocol, wish.container_port, wish.host, wish.first};
  if (wish.first == 0 && wish.protocol != "sctp") {
    TRY(hold(owner, port));
    return port;
  }
  bool is_any = wish.first == 0;
  std::uint32_t first = is_any ? kFirstAny : wish.first;
  std::uint32_t last = is_any ? kLastAny : wish.last;
  for (std::uint32_t number = first; number <= last; ++number) {
    port.host_port = static_cast<std::uint16_t>(number);
    const Held* other = holder(port);
    if (other == nullptr) {
      Status held = hold(owner, port);
      if (held) return port;
      // In a range the next one will do.
      bool is_taken = held.error().sys_errno() == EADDRINUSE;
      if (is_taken && first != last) continue;
      std::string process = is_taken ? process_at_port(port) : std::string();
      if (process.empty()) return fail(std::move(held).error());
      return fail(Code::kResourceExhausted,
                  cat(held.error().message(), ": it is held by ", process));
    }
    if (first != last) continue;
    return fail(Code::kResourceExhausted, cat("Bind for ", port.host.text(), ":", port.host_port,
                                              " failed: port is already allocated: container ",
                                              other->owner.substr(0, 12), " has it"));
  }
  return fail(Code::kResourceExhausted, cat("Bind for ", port.host.text(), ":", first, "-", last,
                                            " failed: all ports are allocated"));
}

Result<std::vector<PublishedPort>> PortTable::take(const std::string& owner,
                                                   const std::vector<PortWish>& wishes) {
  std::vector<PublishedPort> ports;
  for (const PortWish& wish : wishes) {
    auto port = take_one(owner, wish);
    if (!port) {
      give_back(owner);
      return fail(std::move(port).error());
    }
    ports.push_back(std::move(*port));
  }
  return ports;
}

Status PortTable::take_over(const std::string& owner, const std::vector<PublishedPort>& ports) {
  Status result;
  for (const PublishedPort& port : ports) {
    PublishedPort copy = port;
    auto held = hold(owner, copy);
    if (held) continue;
    held_.emplace(Key{protocol_number(port.protocol), port.host_port}, Held{owner, port, Fd()});
    if (result) result = std::move(held);
  }
  return result;
}

void PortTable::give_back(const std::string& owner) {
  std::erase_if(held_, [&](const auto& one) { return one.second.owner == owner; });
}

std::optional<std::pair<std::uint16_t, std::string>> parse_port(std::string_view text) {
  std::size_t slash = text.find('/');
  auto number = parse_number<std::uint16_t>(text.substr(0, slash));
  std::string protocol =
      slash == std::string_view::npos ? "tcp" : lower_text(text.substr(slash + 1));
  if (!number || *number == 0) return std::nullopt;
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return std::nullopt;
  return std::pair(*number, std::move(protocol));
}

std::optional<std::pair<std::uint16_t, std::uint16_t>> parse_port_range(std::string_view text) {
  if (text.empty()) return std::pair<std::uint16_t, std::uint16_t>(0, 0);
  std::size_t dash = text.find('-');
  auto first = parse_number<std::uint16_t>(text.substr(0, dash));
  auto last =
      dash == std::string_view::npos ? first : parse_number<std::uint16_t>(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  if (*first == 0 && *last != 0) return std::nullopt;
  return std::pair(*first, *last);
}

}  // namespace dhow::network
