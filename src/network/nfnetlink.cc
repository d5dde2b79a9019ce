// SPDX-License-Identifier: Apache-2.0
#include "network/nfnetlink.h"

#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <arpa/inet.h>

namespace dhow::network {
namespace {

struct nfgenmsg header_of(std::uint8_t family, std::uint16_t resource) {
  struct nfgenmsg header{};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  header.res_id = htons(resource);
  return header;
}

}  // namespace

NetlinkRequest nfnetlink_request(std::uint16_t subsystem, std::uint32_t type, std::uint16_t flags,
                                 std::uint8_t family) {
  NetlinkRequest request(static_cast<std::uint16_t>(subsystem << 8 | type), flags);
  request.header(header_of(family, 0));
  return request;
}

NetlinkRequest nfnetlink_frame(std::uint16_t subsystem, std::uint16_t type) {
  NetlinkRequest request(type, 0);
  request.header(header_of(AF_UNSPEC, subsystem)).silent();
  return request;
}

}  // namespace dhow::network
