// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/udp_relay.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>

#include "network/socket_address.h"

namespace dhow::network::rootless {
namespace {

constexpr std::size_t kMaxDatagram = 65536;
constexpr std::size_t kMaxSessions = 4096;
// The kernel forgets connections of UDP after that long (nf_conntrack_udp_timeout_stream).
constexpr std::chrono::seconds kSilence{120};
// Others have their turn after so many.
constexpr int kDatagramsAtOnce = 32;

char* datagram_buffer() {
  static std::string bytes(kMaxDatagram, '\0');
  return bytes.data();
}

union Control {
  char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
  struct cmsghdr alignment;
};

struct Datagram {
  Peer from;
  Ip to;
  std::size_t size = 0;
  unsigned interface = 0;  // index of that of the host which it came by; IPv6
};

// Into datagram_buffer(); none: there is none.
std::optional<Datagram> receive(const Fd& socket) {
  struct sockaddr_storage address{};
  struct iovec part{datagram_buffer(), kMaxDatagram};
  Control control{};
  struct msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t size = ::recvmsg(socket.get(), &message, 0);
  if (size < 0) return std::nullopt;
  Datagram result{{address_of(address), port_of(address)}, {}, static_cast<std::size_t>(size), 0};
  for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      result.to = Ip4{ntohl(info.ipi_addr.s_addr)};
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      struct in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      result.to = read_ip6(&info.ipi6_addr);
      result.interface = info.ipi6_ifindex;
    }
  }
  return result;
}

}  // namespace

struct UdpRelay::Session : Work, Handler {
  Session(UdpRelay& its, Key its_key, Fd its_socket)
      : relay(its), key(std::move(its_key)), socket(std::move(its_socket)) {}
  void on_ready(std::uint32_t) override {
    if (socket) relay.answer(*this);
  }
  UdpRelay& relay;
  Key key;
  Fd socket;
  Clock::time_point last = Clock::now();
  unsigned interface = 0;
};

Result<UdpRelay*> UdpRelay::start(Poller& poller, Fd socket, bool is_v6, bool as_client) {
  int on = 1;
  // A host with several addresses answers from the one that was asked.
  int told = is_v6 ? ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on)
                   : ::setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  if (told != 0) return fail_errno(errno, "have the kernel tell which address was asked");
  std::unique_ptr<UdpRelay> relay(new UdpRelay(poller, std::move(socket), is_v6, as_client));
  TRY(poller.watch(relay->socket_, 0, *relay));
  UdpRelay* result = relay.get();
  poller.own(std::move(relay));
  return result;
}

void UdpRelay::lead(const Peer& target) {
  if (target_ != target) end_sessions();
  target_ = target;
  poller_.change(socket_, EPOLLIN, *this);
}

void UdpRelay::stop() {
  is_over_ = true;
  end_sessions();
  socket_.reset();
  poller_.end(*this);
}

void UdpRelay::end_sessions() {
  for (auto& [key, session] : sessions_) {
    session->socket.reset();
    poller_.end(*session);
  }
  sessions_.clear();
}

void UdpRelay::forget_the_silent() {
  Clock::time_point now = Clock::now();
  std::erase_if(sessions_, [&](auto& one) {
    Session& session = *one.second;
    if (now - session.last < kSilence) return false;
    session.socket.reset();
    poller_.end(session);
    return true;
  });
}

UdpRelay::Session* UdpRelay::session(const Key& key) {
  auto found = sessions_.find(key);
  if (found != sessions_.end()) return found->second;
  // Whoever has so many clients loses the datagrams of further ones.
  if (sessions_.size() >= kMaxSessions) return nullptr;
  auto socket = connect_inside(SOCK_DGRAM, key.first, *target_, as_client_);
  if (!socket) return nullptr;
  auto session = std::make_unique<Session>(*this, key, std::move(*socket));
  if (!poller_.watch(session->socket, EPOLLIN, *session)) return nullptr;
  Session* result = session.get();
  poller_.own(std::move(session));
  sessions_.emplace(key, result);
  return result;
}

void UdpRelay::on_ready(std::uint32_t) {
  for (int i = 0; i < kDatagramsAtOnce && !is_over_ && target_; ++i) {
    auto datagram = receive(socket_);
    if (!datagram) return;
    Session* to = session({datagram->from, datagram->to});
    if (to == nullptr) continue;
    to->last = Clock::now();
    to->interface = datagram->interface;
    // One that is lost is lost; a failure that was told is that of one before.
    for (int tries = 0; tries < 2; ++tries) {
      if (::send(to->socket.get(), datagram_buffer(), datagram->size, MSG_NOSIGNAL) >= 0) break;
    }
  }
}

void UdpRelay::answer(Session& session) {
  for (int i = 0; i < kDatagramsAtOnce; ++i) {
    ssize_t size = ::recv(session.socket.get(), datagram_buffer(), kMaxDatagram, 0);
    if (size < 0) return;  // also of an answer of ICMP that nobody listens
    session.last = Clock::now();
    send_to_client(session, datagram_buffer(), static_cast<std::size_t>(size));
  }
}

void UdpRelay::send_to_client(const Session& session, const char* bytes, std::size_t size) {
  const auto& [client, own] = session.key;
  struct sockaddr_storage address{};
  struct iovec part{const_cast<char*>(bytes), size};
  Control control{};
  struct msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = write_socket_address(client.address, client.port, address);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen =
      is_v6_ ? CMSG_SPACE(sizeof(struct in6_pktinfo)) : CMSG_SPACE(sizeof(struct in_pktinfo));
  auto* header = CMSG_FIRSTHDR(&message);
  std::string from = own.bytes();
  if (is_v6_) {
    struct in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, from.data(), sizeof info.ipi6_addr);
    // The address of a neighbour says nothing without it.
    if (client.address.v6.is_link_local()) info.ipi6_ifindex = session.interface;
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  } else {
    struct in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, from.data(), sizeof info.ipi_spec_dst);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  }
  ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
}

}  // namespace dhow::network::rootless
