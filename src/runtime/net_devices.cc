// SPDX-License-Identifier: Apache-2.0
#include "runtime/net_devices.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <net/if.h>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "sys/fd.h"

namespace dhow::runtime {
namespace {

constexpr std::uint32_t kNamesMask = RTEXT_FILTER_SKIP_STATS;

// One side: a network namespace and a socket in it.
struct Side {
  Fd netns;
  NetlinkSocket socket;
};

struct Link {
  int index = 0;
  bool up = false;
};

// What a device was before it moved, for the way back.
struct Moved {
  std::string host_name;
  std::string inner_name;
  bool up = false;
  std::vector<NetlinkMessage> addresses;
};

NetlinkRequest link_request(std::uint16_t type, int index) {
  struct ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  NetlinkRequest request(type, 0);
  request.header(header);
  return request;
}

Result<Link> find_link(NetlinkSocket& socket, std::string_view name) {
  NetlinkRequest request = link_request(RTM_GETLINK, 0);
  request.attribute_text(IFLA_IFNAME, name);
  request.attribute_number(IFLA_EXT_MASK, kNamesMask);
  TRY_ASSIGN(auto answer, socket.request(std::move(request)));
  for (const NetlinkMessage& message : answer) {
    auto header = message.header<struct ifinfomsg>();
    if (message.type != RTM_NEWLINK || !header) continue;
    return Link{header->ifi_index, (header->ifi_flags & IFF_UP) != 0};
  }
  return fail_errno(ENODEV, "find network device");
}

// Names of all devices, with their alternative names: what a new name must not be.
Result<std::vector<std::string>> used_names(NetlinkSocket& socket) {
  NetlinkRequest request = link_request(RTM_GETLINK, 0);
  request.attribute_number(IFLA_EXT_MASK, kNamesMask);
  TRY_ASSIGN(auto answer, socket.dump(request));
  std::vector<std::string> names;
  for (const NetlinkMessage& message : answer) {
    constexpr std::size_t kHeader = sizeof(struct ifinfomsg);
    if (auto name = message.attribute(kHeader, IFLA_IFNAME)) {
      names.emplace_back(name->substr(0, name->find('\0')));
    }
    if (auto others = message.attribute(kHeader, IFLA_PROP_LIST)) {
      for (std::string_view other : netlink_texts(*others, IFLA_ALT_IFNAME)) {
        names.emplace_back(other);
      }
    }
  }
  return names;
}

// The addresses of global scope, as the kernel reports them, in its order (a secondary address
// comes after its primary one).
Result<std::vector<NetlinkMessage>> global_addresses(NetlinkSocket& socket, int index) {
  struct ifaddrmsg header{};
  header.ifa_family = AF_UNSPEC;
  header.ifa_index = static_cast<unsigned>(index);
  NetlinkRequest request(RTM_GETADDR, 0);
  request.header(header);
  TRY_ASSIGN(auto answer, socket.dump(request));
  std::erase_if(answer, [index](const NetlinkMessage& message) {
    auto address = message.header<struct ifaddrmsg>();
    return message.type != RTM_NEWADDR || !address || address->ifa_scope != RT_SCOPE_UNIVERSE ||
           address->ifa_index != static_cast<unsigned>(index);
  });
  return answer;
}

// An IPv4 label is the device's name, or starts with it and a colon: it follows a change of names.
std::string new_label(std::string_view label, std::string_view old_name,
                      std::string_view new_name) {
  label = label.substr(0, label.find('\0'));
  if (!label.starts_with(old_name)) return std::string(label);
  std::string text = cat(new_name, label.substr(old_name.size()));
  return text.size() < IFNAMSIZ ? text : std::string(new_name);
}

Status add_address(NetlinkSocket& socket, const NetlinkMessage& address, int index,
                   std::string_view old_name, std::string_view new_name) {
  constexpr std::size_t kHeader = sizeof(struct ifaddrmsg);
  auto header = *address.header<struct ifaddrmsg>();
  header.ifa_index = static_cast<unsigned>(index);
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  request.header(header);
  for (std::uint16_t type : {IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_ANYCAST, IFA_CACHEINFO,
                             IFA_FLAGS, IFA_RT_PRIORITY, IFA_PROTO}) {
    if (auto bytes = address.attribute(kHeader, type)) request.attribute(type, *bytes);
  }
  if (auto label = address.attribute(kHeader, IFA_LABEL)) {
    request.attribute_text(IFA_LABEL, new_label(*label, old_name, new_name));
  }
  return socket.execute(std::move(request));
}

Status set_up(NetlinkSocket& socket, int index) {
  struct ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index;
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  NetlinkRequest request(RTM_NEWLINK, 0);
  request.header(header);
  return socket.execute(std::move(request));
}

// Moves and renames in one request. The kernel takes the device down itself, moves it, and then
// renames it; when that last step fails the device has moved already.
Status move_link(Side& from, const Side& to, int index, std::string_view new_name) {
  NetlinkRequest request = link_request(RTM_NEWLINK, index);
  request.attribute_number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(to.netns.get()));
  request.attribute_text(IFLA_IFNAME, new_name);
  return from.socket.execute(std::move(request));
}

// Gives the device in `side` its addresses back. Its index may be another one than before.
Status restore_settings(Side& side, const Moved& device, std::string_view old_name,
                        std::string_view name, bool up) {
  TRY_ASSIGN(Link link, find_link(side.socket, name));
  for (const NetlinkMessage& address : device.addresses) {
    TRY_CONTEXT(add_address(side.socket, address, link.index, old_name, name), "add address");
  }
  if (up) TRY_CONTEXT(set_up(side.socket, link.index), "set up");
  return {};
}

// The lowest free number in the place of "%d", as the kernel chooses it.
Result<std::string> choose_name(NetlinkSocket& socket, std::string_view wanted) {
  TRY_ASSIGN(auto names, used_names(socket));
  auto taken = [&names](const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  std::size_t at = wanted.find("%d");
  if (at == std::string_view::npos) {
    std::string name(wanted);
    if (taken(name)) return fail_errno(EEXIST, cat("name ", quoted(name), " is taken"));
    return name;
  }
  for (unsigned number = 0; number < 32768; ++number) {
    std::string name = cat(wanted.substr(0, at), number, wanted.substr(at + 2));
    if (!taken(name)) return name;
  }
  return fail_errno(ENFILE, cat("all names of ", quoted(wanted), " are taken"));
}

class Move {
 public:
  Move(Side host, Side container) : host_(std::move(host)), container_(std::move(container)) {}
  Move(const Move&) = delete;
  Move& operator=(const Move&) = delete;
  // What has been moved goes back unless keep() was called.
  ~Move() {
    while (!moved_.empty()) {
      const Moved& device = moved_.back();
      if (auto back = bring_back(device); !back) {
        log::error(cat("network device ", quoted(device.host_name),
                       " could not be brought back to the host: ", back.error().message()));
      }
      moved_.pop_back();
    }
  }

  Status move(const std::string& host_name, std::string_view wanted) {
    TRY_ASSIGN(Link link, find_link(host_.socket, host_name));
    Moved device;
    device.host_name = host_name;
    device.up = link.up;
    TRY_ASSIGN(device.addresses, global_addresses(host_.socket, link.index));
    TRY_ASSIGN(device.inner_name, choose_name(container_.socket, wanted));
    auto moved = move_link(host_, container_, link.index, device.inner_name);
    if (!moved) {
      // It may be inside with the old name, when only the renaming failed.
      bool gone = !find_link(host_.socket, host_name).has_value();
      if (gone) {
        device.inner_name = host_name;
        moved_.push_back(std::move(device));
      }
      return moved;
    }
    moved_.push_back(std::move(device));
    const Moved& inside = moved_.back();
    return restore_settings(container_, inside, host_name, inside.inner_name, true);
  }

  void keep() { moved_.clear(); }

 private:
  Status bring_back(const Moved& device) {
    TRY_ASSIGN(Link link, find_link(container_.socket, device.inner_name));
    TRY(move_link(container_, host_, link.index, device.host_name));
    return restore_settings(host_, device, device.host_name, device.host_name, device.up);
  }

  Side host_;
  Side container_;
  std::vector<Moved> moved_;
};

Result<Side> host_side() {
  TRY_ASSIGN(Fd netns, open_at(kCwd, "/proc/self/ns/net", O_RDONLY));
  TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE));
  return Side{std::move(netns), std::move(socket)};
}

// A socket belongs to the namespace that it was made in, so the caller goes there for a moment.
Result<Side> container_side(pid_t pid, const Fd& host) {
  TRY_ASSIGN(Fd netns, open_at(kCwd, cat("/proc/", pid, "/ns/net"), O_RDONLY));
  struct stat theirs{};
  struct stat ours{};
  if (::fstat(netns.get(), &theirs) != 0 || ::fstat(host.get(), &ours) != 0) {
    return fail_errno(errno, "stat network namespace");
  }
  if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino) {
    return fail(Code::kInvalidArgument, "the container has no network namespace of its own");
  }
  if (::setns(netns.get(), CLONE_NEWNET) != 0) {
    return fail_errno(errno, "enter the container's network namespace");
  }
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  if (::setns(host.get(), CLONE_NEWNET) != 0) {
    return fail_errno(errno, "go back to the host's network namespace");
  }
  if (!socket) return fail(std::move(socket).error());
  return Side{std::move(netns), std::move(*socket)};
}

// dev_valid_name() of the kernel, but with one "%d" allowed.
Status check_name(std::string_view name) {
  bool bad = name.empty() || name.size() >= IFNAMSIZ || name == "." || name == ".." ||
             name.find_first_of("/: \t\n\v\f\r") != std::string_view::npos;
  std::size_t percent = name.find('%');
  if (percent != std::string_view::npos) {
    bad = bad || name.substr(percent, 2) != "%d" ||
          name.find('%', percent + 1) != std::string_view::npos;
  }
  if (bad) return fail(Code::kInvalidArgument, cat("bad network device name ", quoted(name)));
  return {};
}

}  // namespace

Status move_net_devices(const std::map<std::string, std::string>& devices, pid_t pid) {
  for (const auto& [host_name, inner_name] : devices) {
    TRY(check_name(host_name));
    if (!inner_name.empty()) TRY(check_name(inner_name));
  }
  TRY_ASSIGN(Side host, host_side());
  TRY_ASSIGN(Side container, container_side(pid, host.netns));
  Move move(std::move(host), std::move(container));
  for (const auto& [host_name, inner_name] : devices) {
    const std::string& wanted = inner_name.empty() ? host_name : inner_name;
    TRY_CONTEXT(move.move(host_name, wanted), cat("move network device ", quoted(host_name),
                                                  " into the container as ", quoted(wanted)));
  }
  move.keep();
  return {};
}

}  // namespace dhow::runtime
