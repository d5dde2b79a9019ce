// SPDX-License-Identifier: Apache-2.0
#include "engine/host_lookup.h"

#include <netdb.h>
#include <sys/socket.h>

#include "base/strings.h"

namespace dhow::engine {

Result<std::string> numeric_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  hints.ai_family = AF_UNSPEC;
  if (failed != 0) failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) {
    return fail(Code::kUnavailable, cat("lookup ", host, ": ", ::gai_strerror(failed)));
  }
  char text[NI_MAXHOST] = {};
  int code = ::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0,
                           NI_NUMERICHOST);
  ::freeaddrinfo(found);
  if (code != 0) return fail(Code::kUnavailable, cat("address of ", host));
  return std::string(text);
}

}  // namespace dhow::engine
