// SPDX-License-Identifier: Apache-2.0
#include "daemon/web.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>

#include "base/strings.h"
#include "sys/fd.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {

std::string answer_at(const std::string& address, std::uint16_t port, std::string_view path) {
  struct sockaddr_in to{};
  struct sockaddr_in6 to6{};
  bool is_six = ::inet_pton(AF_INET6, address.c_str(), &to6.sin6_addr) == 1;
  to.sin_family = AF_INET;
  to6.sin6_family = AF_INET6;
  to.sin_port = to6.sin6_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  auto* name = is_six ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to);
  Fd socket(::socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct timeval limit{20, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), name, is_six ? sizeof to6 : sizeof to) != 0) {
    return errno_text(errno);
  }
  if (!write_all(socket, cat("GET ", path, " HTTP/1.0\r\n\r\n"))) return errno_text(errno);
  auto answer = read_all(socket);
  if (!answer) return answer.error().message();
  std::size_t head = answer->find("\r\n\r\n");
  return head == std::string::npos ? *answer
                                   : std::string(trim(std::string_view(*answer).substr(head)));
}

}  // namespace dhow::daemon_test
