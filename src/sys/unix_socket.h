// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

struct SocketPair {
  Fd first;
  Fd second;
};

// Two connected AF_UNIX sockets; `type` is SOCK_STREAM or SOCK_SEQPACKET.
Result<SocketPair> make_socket_pair(int type);

// Connects to the socket at `path` below `dir`. Paths of any length work: the kernel's limit of 107
// bytes is met by going through /proc/self/fd. Blocks as connect(2).
Result<Fd> connect_unix(FdRef dir, std::string_view path, int type);

// Listens at `name` (a plain file name) in the folder; the file gets `mode`.
Result<Fd> listen_unix(FdRef dir, std::string_view name, int type, unsigned mode);

// The payload, all of it, and with its first byte the descriptors (SCM_RIGHTS, at most 64, and only
// with a payload). One sendmsg unless a stream takes only a part. Never raises SIGPIPE.
Status send_message(FdRef socket, std::string_view payload, const std::vector<FdRef>& fds = {});

struct Message {
  std::string payload;
  std::vector<Fd> fds;
  bool end = false;  // the other side closed; payload and fds are empty
};

// One recvmsg of at most `limit` bytes; descriptors arrive close-on-exec. A payload cut by the
// limit is an error.
Result<Message> receive_message(FdRef socket, std::size_t limit);

}  // namespace dhow
