// SPDX-License-Identifier: Apache-2.0
#include "network/ports.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>

#include "base/strings.h"
#include "network/socket_address.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

// Where ports that nobody names are looked for when the kernel can't be asked for one.
constexpr std::uint16_t kFirstAny = 32768;
constexpr std::uint16_t kLastAny = 60999;

// The inode of a socket at this port, from a file below `folder` ("/proc/net"); "": there is none.
std::string socket_inode(const PublishedPort& port, std::string_view folder) {
  constexpr std::size_t kLocal = 1;
  constexpr std::size_t kState = 3;
  constexpr std::size_t kInode = 9;
  for (const char* suffix : {"", "6"}) {
    std::string table =
        read_file(cat(folder, "/", port.protocol, suffix), std::size_t{64} << 20).value_or("");
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

Result<Fd> bind_port(PublishedPort& port, PortUse use) {
  bool is_udp = port.protocol == "udp";
  Fd socket(::socket(port.host.is_v6 ? AF_INET6 : AF_INET,
                     (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
                     protocol_number(port.protocol)));
  if (!socket) {
    if (errno == EPROTONOSUPPORT) return Fd();
    return fail_errno(errno, "make a socket to hold a port");
  }
  int on = 1;
  // What connections of before have left is no reason to refuse.
  if (!is_udp) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // The other family has a socket of its own.
  if (port.host.is_v6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  struct sockaddr_storage address{};
  socklen_t size = write_socket_address(port.host, port.host_port, address);
  auto* pointer = reinterpret_cast<struct sockaddr*>(&address);
  bool serves = use == PortUse::kServe;
  // Only a socket that listens keeps others from the port. SCTP takes a queue of 0 for the end of
  // it.
  const int queue = serves ? SOMAXCONN : port.protocol == "sctp" ? 1 : 0;
  bool listens = !is_udp && (serves || !port.host.is_v6);
  if (::bind(socket.get(), pointer, size) != 0 || (listens && ::listen(socket.get(), queue) != 0)) {
    return fail_errno(errno, cat("failed to bind host port ", port.host.with_port(port.host_port),
                                 "/", port.protocol));
  }
  // What is sent to ::1 is redirected nowhere, so this must not be somebody to talk to: it only
  // keeps others from listening, as it no longer shares its port.
  int off = 0;
  if (port.host.is_v6 && !is_udp && !serves) {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &off, sizeof off);
  }
  if (::getsockname(socket.get(), pointer, &size) == 0) port.host_port = port_of(address);
  return socket;
}

std::uint8_t protocol_number(std::string_view protocol) {
  if (protocol == "udp") return IPPROTO_UDP;
  return protocol == "sctp" ? IPPROTO_SCTP : IPPROTO_TCP;
}

std::string process_at_port(const PublishedPort& port, std::string_view folder) {
  std::string inode = socket_inode(port, folder);
  auto proc = open_at(kCwd, "/proc", O_RDONLY | O_DIRECTORY);
  if (inode.empty() || !proc) return {};
  std::string wanted = cat("socket:[", inode, "]");
  for (const std::string& pid : list_dir(*proc).value_or(std::vector<std::string>())) {
    if (!parse_number<pid_t>(pid)) continue;
    auto descriptors = open_at(*proc, pid + "/fd", O_RDONLY | O_DIRECTORY);
    if (!descriptors) continue;
    for (const std::string& name : list_dir(*descriptors).value_or(std::vector<std::string>())) {
      char target[64];
      ssize_t size = ::readlinkat(descriptors->get(), name.c_str(), target, sizeof target);
      if (size < 0 || std::string_view(target, static_cast<std::size_t>(size)) != wanted) continue;
      std::string comm = read_file(*proc, pid + "/comm", 64).value_or("");
      return cat("process ", pid, " (", trim(comm), ")");
    }
  }
  return {};
}

const PortTable::Held* PortTable::who_has(const PublishedPort& port) const {
  auto [begin, end] = held_.equal_range({protocol_number(port.protocol), port.host_port});
  for (auto it = begin; it != end; ++it) {
    const Ip& other = it->second.port.host;
    if (other.is_v6 != port.host.is_v6) continue;
    if (other == port.host || other.is_any() || port.host.is_any()) return &it->second;
  }
  return nullptr;
}

Status PortTable::hold(const std::string& owner, PublishedPort& port) {
  Fd socket;
  if (holder_ != nullptr) {
    TRY(holder_->hold(port));
  } else {
    TRY_ASSIGN(socket, bind_port(port, PortUse::kHold));
    // To see whether it is taken: the shim has it then.
    if (port.is_local()) socket = Fd();
  }
  held_.emplace(Key{protocol_number(port.protocol), port.host_port},
                Held{owner, port, std::move(socket)});
  return {};
}

Status PortTable::hold_all(const std::string& owner, std::vector<PublishedPort>& ports) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    Status held = hold(owner, ports[i]);
    // The kernel has chosen the first one's.
    for (PublishedPort& other : ports) other.host_port = ports[i].host_port;
    if (held) continue;
    give_back(owner, {ports.begin(), ports.begin() + static_cast<std::ptrdiff_t>(i)});
    return held;
  }
  return {};
}

Result<std::vector<PublishedPort>> PortTable::take_one(const std::string& owner,
                                                       const PortWish& wish,
                                                       const std::vector<Ip>& hosts) {
  std::vector<PublishedPort> ports;
  for (const Ip& host : hosts) {
    ports.push_back({wish.protocol, wish.container_port, host, wish.first});
  }
  bool is_any = wish.first == 0;
  if (is_any && wish.protocol != "sctp") {
    // One that is free in a family may be taken in the other.
    constexpr int kTries = 64;
    Status held;
    for (int i = 0; i < kTries; ++i) {
      for (PublishedPort& port : ports) port.host_port = 0;
      held = hold_all(owner, ports);
      if (held) return ports;
      if (held.error().sys_errno() != EADDRINUSE) break;
    }
    return fail(std::move(held).error());
  }
  std::uint32_t first = is_any ? kFirstAny : wish.first;
  std::uint32_t last = is_any ? kLastAny : wish.last;
  for (std::uint32_t number = first; number <= last; ++number) {
    const Held* other = nullptr;
    const PublishedPort* taken = &ports.front();
    for (PublishedPort& port : ports) {
      port.host_port = static_cast<std::uint16_t>(number);
      if (other != nullptr) continue;
      other = who_has(port);
      taken = &port;
    }
    if (other == nullptr) {
      Status held = hold_all(owner, ports);
      if (held) return ports;
      // In a range the next one will do.
      bool is_taken = held.error().sys_errno() == EADDRINUSE;
      if (is_taken && first != last) continue;
      std::string process = is_taken ? process_at(ports.front()) : std::string();
      if (process.empty()) return fail(std::move(held).error());
      return fail(Code::kResourceExhausted,
                  cat(held.error().message(), ": it is held by ", process));
    }
    if (first != last) continue;
    return fail(Code::kResourceExhausted, cat("Bind for ", taken->host.with_port(taken->host_port),
                                              " failed: port is already allocated: container ",
                                              other->owner.substr(0, 12), " has it"));
  }
  return fail(Code::kResourceExhausted,
              cat("Bind for ", ports.front().host.with_port(static_cast<std::uint16_t>(first)), "-",
                  last, " failed: all ports are allocated"));
}

Result<std::vector<PublishedPort>> PortTable::take_wish(const std::string& owner,
                                                        const PortWish& wish,
                                                        const std::vector<Ip>& hosts,
                                                        const std::vector<Ip>& direct) {
  std::vector<PublishedPort> ports;
  if (!hosts.empty()) {
    TRY_ASSIGN(ports, take_one(owner, wish, hosts));
  }
  for (const Ip& host : direct) {
    std::uint16_t number = ports.empty() ? wish.first : ports.front().host_port;
    ports.push_back({wish.protocol, wish.container_port, host, number, true});
  }
  return ports;
}

Result<std::vector<PublishedPort>> PortTable::take(const std::string& owner,
                                                   const std::vector<PortWish>& wishes,
                                                   Families families) {
  std::vector<PublishedPort> ports;
  for (const PortWish& wish : wishes) {
    std::vector<Ip> hosts;
    std::vector<Ip> direct;
    // The shim calls the container at whichever address that has.
    bool is_local = families.has_shim && wish.is_local();
    auto add = [&](const Ip& host) {
      if (is_local) return hosts.push_back(host);
      bool is_direct = host.is_v6 ? families.is_direct6 : families.is_direct;
      (is_direct ? direct : hosts).push_back(host);
    };
    if (wish.host) {
      add(*wish.host);
    } else {
      if (families.v4) add(Ip4());
      if (families.v6) add(Ip6());
    }
    auto taken = [&]() -> Result<std::vector<PublishedPort>> {
      bool is_reached = wish.host && (wish.host->is_v6 ? families.v6 : families.v4);
      if (wish.host && !is_local && !is_reached) {
        return fail(Code::kInvalidArgument,
                    cat("cannot publish port ", wish.container_port, "/", wish.protocol, " at ",
                        wish.host->with_port(wish.first), ": the container has no ",
                        wish.host->is_v6 ? "IPv6" : "IPv4", " address"));
      }
      return take_wish(owner, wish, hosts, direct);
    }();
    if (!taken) {
      give_back(owner);
      return fail(std::move(taken).error());
    }
    ports.insert(ports.end(), taken->begin(), taken->end());
  }
  return ports;
}

Status PortTable::take_over(const std::string& owner, const std::vector<PublishedPort>& ports) {
  Status result;
  for (const PublishedPort& port : ports) {
    if (port.is_direct) continue;
    if (port.is_local()) {
      held_.emplace(Key{protocol_number(port.protocol), port.host_port}, Held{owner, port, Fd()});
      continue;
    }
    PublishedPort copy = port;
    auto held = hold(owner, copy);
    if (held) continue;
    held_.emplace(Key{protocol_number(port.protocol), port.host_port}, Held{owner, port, Fd()});
    if (result) result = std::move(held);
  }
  return result;
}

Status PortTable::set_direct(const std::string& owner, PublishedPort& port, bool is_direct) {
  if (port.is_direct == is_direct) return {};
  if (is_direct) {
    give_back(owner, {port});
  } else {
    PortWish wish{port.protocol, port.container_port, port.host, port.host_port, port.host_port};
    TRY_ASSIGN(std::vector<PublishedPort> taken, take_one(owner, wish, {port.host}));
    port = taken.front();
  }
  port.is_direct = is_direct;
  return {};
}

std::string PortTable::process_at(const PublishedPort& port) const {
  // The thread may be elsewhere; the process is where the ports of a holder are.
  return process_at_port(port, holder_ == nullptr ? "/proc/thread-self/net" : "/proc/self/net");
}

template <typename Which>
void PortTable::give_back_if(Which which) {
  std::erase_if(held_, [&](const auto& one) {
    if (!which(one.second)) return false;
    if (holder_ != nullptr) holder_->release(one.second.port);
    return true;
  });
}

void PortTable::give_back(const std::string& owner) {
  give_back_if([&](const Held& held) { return held.owner == owner; });
}

void PortTable::give_back(const std::string& owner, const std::vector<PublishedPort>& ports) {
  give_back_if([&](const Held& held) {
    return held.owner == owner && std::ranges::find(ports, held.port) != ports.end();
  });
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

std::optional<std::pair<std::uint16_t, std::uint16_t>> parse_number_range(std::string_view text) {
  std::size_t dash = text.find('-');
  auto first = parse_number<std::uint16_t>(text.substr(0, dash));
  auto last =
      dash == std::string_view::npos ? first : parse_number<std::uint16_t>(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return std::pair(*first, *last);
}

std::optional<std::pair<std::uint16_t, std::uint16_t>> parse_port_range(std::string_view text) {
  if (text.empty()) return std::pair<std::uint16_t, std::uint16_t>(0, 0);
  auto range = parse_number_range(text);
  if (range && range->first == 0 && range->second != 0) return std::nullopt;
  return range;
}

}  // namespace dhow::network
