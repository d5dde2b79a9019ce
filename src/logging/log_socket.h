// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::logging {

// A server that takes log messages: where it is, and what waits for it. Never blocks. A server that
// is not there is tried again with a message, once a second at most; meanwhile messages are
// dropped.
class LogSocket {
 public:
  enum class Kind { kUnixDatagram, kUnixStream, kUdp, kTcp, kTls };
  struct Address {
    Kind kind = Kind::kUnixDatagram;
    std::string host;  // or the path of a UNIX socket
    std::string port;
    // Of kTls: what the connection is made by, dhow-tls with its arguments but for host and port.
    std::vector<std::string> tunnel = {};
    bool is_stream() const {
      return kind == Kind::kUnixStream || kind == Kind::kTcp || kind == Kind::kTls;
    }
  };

  // `large_in_memfd`: a datagram that is too large goes as a sealed memfd, as journald takes it.
  LogSocket(Address address, bool large_in_memfd)
      : address_(std::move(address)), large_in_memfd_(large_in_memfd) {}

  void send(std::string message);
  void flush();
  bool is_full() const { return waiting_bytes_ >= limit_; }
  // Bytes that may wait; 256 KiB unless said.
  void set_limit(std::size_t bytes) { limit_ = bytes; }
  int waiting_fd() const { return waiting_.empty() ? -1 : fd_.get(); }
  std::uint64_t dropped() const { return dropped_; }

 private:
  enum class Outcome { kSent, kLater, kGone, kRefused };

  bool connect();
  // False: the server has gone, or could not be reached in the first place.
  bool is_there();
  bool hear_tunnel();
  void let_go();
  void try_later();
  Outcome send_front();
  Outcome send_as_file(std::string_view message);
  void drop_front();
  void drop_all();

  Address address_;
  bool large_in_memfd_;
  Fd fd_;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::size_t limit_ = std::size_t{256} << 10;
  std::size_t sent_of_front_ = 0;  // of a stream
  // What a tunnel says of its connection before it stands, and what it was given meanwhile.
  bool is_tunnel_open_ = true;
  std::string tunnel_words_;
  std::uint64_t unproven_ = 0;
  std::int64_t next_try_ns_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace dhow::logging
