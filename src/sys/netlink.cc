// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <net/if.h>

#include "base/strings.h"

namespace dhow {
namespace {

// What the kernel fills at most with one part of a dump (NLMSG_GOODSIZE is less).
constexpr std::size_t kReceiveSize = 32 << 10;
constexpr int kDumpAttempts = 16;

constexpr std::size_t aligned(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

template <typename Value>
bool read_value(std::string_view bytes, Value& value) {
  if (bytes.size() < sizeof value) return false;
  memcpy(&value, bytes.data(), sizeof value);
  return true;
}

// Calls `take` with type and content of each attribute, until it returns false.
template <typename Take>
void walk_attributes(std::string_view attributes, Take take) {
  struct nlattr header{};
  while (read_value(attributes, header)) {
    std::size_t size = header.nla_len;
    if (size < sizeof header || size > attributes.size()) return;
    auto type = static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK);
    if (!take(type, attributes.substr(sizeof header, size - sizeof header))) return;
    attributes.remove_prefix(std::min(aligned(size), attributes.size()));
  }
}

std::string_view without_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

// The kernel's words about a failure, in the attributes from `at` on (NLMSGERR_ATTR_MSG).
std::string words_in(std::string_view payload, std::size_t at, unsigned flags) {
  if ((flags & NLM_F_ACK_TLVS) == 0 || at > payload.size()) return "netlink";
  auto words = find_netlink_attribute(payload.substr(at), NLMSGERR_ATTR_MSG);
  return words ? std::string(without_nul(*words)) : "netlink";
}

// The failure in an NLMSG_ERROR message; an errno of 0 is the acknowledgement.
Status error_in(std::string_view payload, unsigned flags) {
  struct nlmsgerr answer{};
  if (!read_value(payload, answer)) return fail(Code::kInternal, "netlink: answer too short");
  if (answer.error == 0) return {};
  std::size_t at = sizeof answer;
  // Without NLM_F_CAPPED the whole request comes back before the attributes.
  if ((flags & NLM_F_CAPPED) == 0) at += aligned(answer.msg.nlmsg_len) - sizeof answer.msg;
  return fail_errno(-answer.error, words_in(payload, at, flags));
}

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
  struct nlmsghdr start{};
  start.nlmsg_type = type;
  start.nlmsg_flags = flags;
  append(&start, sizeof start);
}

NetlinkRequest& NetlinkRequest::append(const void* data, std::size_t size) {
  bytes_.append(static_cast<const char*>(data), size);
  bytes_.resize(aligned(bytes_.size()));
  return *this;
}

NetlinkRequest& NetlinkRequest::attribute(std::uint16_t type, std::string_view bytes) {
  struct nlattr start{};
  start.nla_len = static_cast<std::uint16_t>(sizeof start + bytes.size());
  start.nla_type = type;
  append(&start, sizeof start);
  return append(bytes.data(), bytes.size());
}

NetlinkRequest& NetlinkRequest::attribute_number(std::uint16_t type, std::uint32_t number) {
  return attribute(type, {reinterpret_cast<const char*>(&number), sizeof number});
}

NetlinkRequest& NetlinkRequest::attribute_network_order(std::uint16_t type, std::uint32_t number) {
  return attribute_number(type, htonl(number));
}

NetlinkRequest& NetlinkRequest::attribute_text(std::uint16_t type, std::string_view text) {
  std::string terminated(text);
  return attribute(type, {terminated.c_str(), terminated.size() + 1});
}

NetlinkRequest& NetlinkRequest::attributes_of(const NetlinkRequest& other) {
  bytes_.append(other.bytes_, sizeof(struct nlmsghdr), std::string::npos);
  return *this;
}

NetlinkRequest& NetlinkRequest::raw_attributes(std::string_view bytes) {
  return append(bytes.data(), bytes.size());
}

std::size_t NetlinkRequest::begin_nested(std::uint16_t type) {
  std::size_t begin = bytes_.size();
  attribute(type, {});
  return begin;
}

void NetlinkRequest::end_nested(std::size_t begin) {
  auto size = static_cast<std::uint16_t>(bytes_.size() - begin);
  memcpy(bytes_.data() + begin, &size, sizeof size);  // nla_len is the first member
}

std::optional<std::string_view> find_netlink_attribute(std::string_view attributes,
                                                       std::uint16_t type) {
  std::optional<std::string_view> found;
  walk_attributes(attributes, [&](std::uint16_t have, std::string_view bytes) {
    if (have == type) found = bytes;
    return !found;
  });
  return found;
}

std::vector<std::string_view> netlink_attributes(std::string_view attributes, std::uint16_t type) {
  std::vector<std::string_view> found;
  walk_attributes(attributes, [&](std::uint16_t have, std::string_view bytes) {
    if (have == type) found.push_back(bytes);
    return true;
  });
  return found;
}

std::vector<std::string_view> netlink_texts(std::string_view attributes, std::uint16_t type) {
  std::vector<std::string_view> texts = netlink_attributes(attributes, type);
  for (std::string_view& text : texts) text = without_nul(text);
  return texts;
}

std::optional<std::string_view> NetlinkMessage::attribute(std::size_t header_size,
                                                          std::uint16_t wanted) const {
  if (payload.size() < aligned(header_size)) return std::nullopt;
  return find_netlink_attribute(std::string_view(payload).substr(aligned(header_size)), wanted);
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return fail_errno(errno, "open netlink socket");
  int on = 1;
  // Both make answers better and are not missed on kernels before 4.12.
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  // Lets a dump be narrowed to one interface (4.20); the caller looks at what it gets in any case.
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  NetlinkSocket socket(std::move(fd));
  socket.buffer_.resize(kReceiveSize);
  return socket;
}

Status NetlinkSocket::send(NetlinkRequest& request, unsigned flags) {
  struct nlmsghdr start{};
  memcpy(&start, request.bytes_.data(), sizeof start);
  start.nlmsg_len = static_cast<std::uint32_t>(request.bytes_.size());
  start.nlmsg_flags = static_cast<std::uint16_t>(start.nlmsg_flags | NLM_F_REQUEST | flags);
  start.nlmsg_seq = ++sequence_;
  memcpy(request.bytes_.data(), &start, sizeof start);
  return send_bytes(request.bytes_);
}

Status NetlinkSocket::send_bytes(const std::string& bytes) {
  struct sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  while (::sendto(fd_.get(), bytes.data(), bytes.size(), 0,
                  reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    if (errno != EINTR) return fail_errno(errno, "send netlink request");
  }
  return {};
}

Status NetlinkSocket::transact(std::vector<NetlinkRequest> requests) {
  std::string all;
  const std::uint32_t first = sequence_ + 1;
  for (NetlinkRequest& request : requests) {
    struct nlmsghdr start{};
    memcpy(&start, request.bytes_.data(), sizeof start);
    start.nlmsg_len = static_cast<std::uint32_t>(request.bytes_.size());
    start.nlmsg_flags = static_cast<std::uint16_t>(start.nlmsg_flags | NLM_F_REQUEST |
                                                   (request.is_silent_ ? 0 : NLM_F_ACK));
    start.nlmsg_seq = ++sequence_;
    memcpy(request.bytes_.data(), &start, sizeof start);
    all += request.bytes_;
  }
  TRY(send_bytes(all));
  // The kernel has done it all when send returns, and has answered.
  Status result;
  while (true) {
    ssize_t got = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return result;
    if (got < 0) return fail_errno(errno, "receive netlink answer");
    std::string_view rest(buffer_.data(), static_cast<std::size_t>(got));
    struct nlmsghdr start{};
    while (read_value(rest, start)) {
      if (start.nlmsg_len < sizeof start || start.nlmsg_len > rest.size()) break;
      std::string_view payload = rest.substr(sizeof start, start.nlmsg_len - sizeof start);
      rest.remove_prefix(std::min(aligned(start.nlmsg_len), rest.size()));
      bool counts = start.nlmsg_type == NLMSG_ERROR && start.nlmsg_seq - first < requests.size();
      if (counts && result) result = error_in(payload, start.nlmsg_flags);
    }
  }
}

Result<bool> NetlinkSocket::receive(std::vector<NetlinkMessage>& answer, bool& torn) {
  struct sockaddr_nl sender{};
  socklen_t sender_size = sizeof sender;
  ssize_t got;
  do {
    got = ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC,
                     reinterpret_cast<sockaddr*>(&sender), &sender_size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(errno, "receive netlink answer");
  // Any process may send to a netlink socket; only the kernel has port 0.
  if (sender.nl_pid != 0) return false;
  auto size = static_cast<std::size_t>(got);
  if (size > buffer_.size()) return fail(Code::kOutOfRange, "receive netlink answer: too long");
  std::string_view rest(buffer_.data(), size);
  struct nlmsghdr start{};
  while (read_value(rest, start)) {
    if (start.nlmsg_len < sizeof start || start.nlmsg_len > rest.size()) {
      return fail(Code::kInternal, "receive netlink answer: bad length");
    }
    std::string_view payload = rest.substr(sizeof start, start.nlmsg_len - sizeof start);
    rest.remove_prefix(std::min(aligned(start.nlmsg_len), rest.size()));
    // The end of an answer that was given up on.
    if (start.nlmsg_seq != sequence_) continue;
    if ((start.nlmsg_flags & NLM_F_DUMP_INTR) != 0) torn = true;
    if (start.nlmsg_type == NLMSG_DONE) {
      int error = 0;
      if (read_value(payload, error) && error < 0) {
        return fail_errno(-error, words_in(payload, sizeof error, start.nlmsg_flags));
      }
      return true;
    }
    if (start.nlmsg_type == NLMSG_ERROR) {
      TRY(error_in(payload, start.nlmsg_flags));
      return true;
    }
    answer.push_back({start.nlmsg_type, std::string(payload)});
  }
  return false;
}

Result<std::vector<NetlinkMessage>> NetlinkSocket::request(NetlinkRequest request) {
  TRY(send(request, NLM_F_ACK));
  std::vector<NetlinkMessage> answer;
  bool torn = false;
  while (true) {
    TRY_ASSIGN(bool end, receive(answer, torn));
    if (end) return answer;
  }
}

Status NetlinkSocket::execute(NetlinkRequest request) {
  auto answer = this->request(std::move(request));
  if (!answer) return fail(std::move(answer).error());
  return {};
}

Result<std::vector<NetlinkMessage>> NetlinkSocket::dump(const NetlinkRequest& request) {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    NetlinkRequest copy = request;
    TRY(send(copy, NLM_F_DUMP));
    std::vector<NetlinkMessage> answer;
    bool torn = false;
    for (bool end = false; !end;) {
      TRY_ASSIGN(end, receive(answer, torn));
    }
    if (!torn) return answer;
  }
  return fail(Code::kUnavailable, "netlink: what is listed keeps changing");
}

Status bring_loopback_up() {
  // Interface ioctls work on a socket of any family; this one every kernel has.
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make socket to bring up \"lo\"");
  struct ifreq request{};
  memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return fail_errno(errno, "bring up \"lo\"");
  }
  return {};
}

}  // namespace dhow
