// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

// A netlink request (netlink(7)) as it is put together: the fixed header of the message's family
// first, then attributes. Everything is in the machine's byte order, aligned to 4 bytes.
class NetlinkRequest {
 public:
  // `flags` are NLM_F_*; the socket adds NLM_F_REQUEST and NLM_F_ACK or NLM_F_DUMP.
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);

  template <typename Header>
    requires std::is_trivially_copyable_v<Header>
  NetlinkRequest& header(const Header& value) {
    return append(&value, sizeof value);
  }
  NetlinkRequest& attribute(std::uint16_t type, std::string_view bytes);
  NetlinkRequest& attribute_number(std::uint16_t type, std::uint32_t number);
  // In the order of the network, as nf_tables wants numbers.
  NetlinkRequest& attribute_network_order(std::uint16_t type, std::uint32_t number);
  // With the NUL at the end that the kernel wants of names.
  NetlinkRequest& attribute_text(std::uint16_t type, std::string_view text);

  // All attributes of another request, which has no header of a family.
  NetlinkRequest& attributes_of(const NetlinkRequest& other);

  // Attributes as a message had them.
  NetlinkRequest& raw_attributes(std::string_view bytes);

  // It is sent without asking for an answer: what frames a batch of nfnetlink has none.
  NetlinkRequest& silent() {
    is_silent_ = true;
    return *this;
  }

  // Attributes between the two calls are inside of one of `type`; end_nested gets what begin_nested
  // returned.
  std::size_t begin_nested(std::uint16_t type);
  void end_nested(std::size_t begin);

 private:
  friend class NetlinkSocket;
  NetlinkRequest& append(const void* data, std::size_t size);

  std::string bytes_;
  bool is_silent_ = false;
};

struct NetlinkMessage {
  std::uint16_t type = 0;
  std::string payload;  // after the netlink header

  // The fixed header of the family; nullopt when the message is shorter.
  template <typename Header>
    requires std::is_trivially_copyable_v<Header>
  std::optional<Header> header() const {
    Header value;
    if (payload.size() < sizeof value) return std::nullopt;
    __builtin_memcpy(&value, payload.data(), sizeof value);
    return value;
  }
  // The bytes of the first attribute of type `wanted` after a fixed header of `header_size`.
  std::optional<std::string_view> attribute(std::size_t header_size, std::uint16_t wanted) const;
};

// The first attribute of `type` in a run of attributes: for nested ones.
std::optional<std::string_view> find_netlink_attribute(std::string_view attributes,
                                                       std::uint16_t type);
// The bytes of all attributes of `type` in a run of attributes.
std::vector<std::string_view> netlink_attributes(std::string_view attributes, std::uint16_t type);
// The text of all attributes of `type` in a run of attributes.
std::vector<std::string_view> netlink_texts(std::string_view attributes, std::uint16_t type);

// A request-and-answer netlink socket, in the network namespace that the caller was in when it was
// opened, wherever the caller goes later. Blocking; not thread safe. Failures carry the kernel's
// own words where it gives any (Linux 4.12).
class NetlinkSocket {
 public:
  static Result<NetlinkSocket> open(int protocol);

  // Sends the request and waits until the kernel has done it. What it answers besides is returned.
  Result<std::vector<NetlinkMessage>> request(NetlinkRequest request);
  // As request, of which nothing but success is of interest.
  Status execute(NetlinkRequest request);
  // Sends the requests in one go, for which the kernel asks where they are one transaction
  // (nfnetlink's batches), and which is less to wait for anywhere. Those of a family without
  // transactions are done in their order, also after one that failed. The first failure.
  Status transact(std::vector<NetlinkRequest> requests);
  // All messages of a dump; one that the kernel marks as torn is asked for again.
  Result<std::vector<NetlinkMessage>> dump(const NetlinkRequest& request);

 private:
  explicit NetlinkSocket(Fd fd) : fd_(std::move(fd)) {}
  Status send(NetlinkRequest& request, unsigned flags);
  Status send_bytes(const std::string& bytes);
  // True at the end of the answer. `torn` is set by an interrupted dump.
  Result<bool> receive(std::vector<NetlinkMessage>& answer, bool& torn);

  Fd fd_;
  std::uint32_t sequence_ = 0;
  std::string buffer_;
};

// Sets the loopback interface of the calling thread's network namespace up: a new namespace has it
// down. The kernel adds 127.0.0.1 and ::1 itself. One ioctl on a socket, no netlink.
Status bring_loopback_up();

}  // namespace dhow
