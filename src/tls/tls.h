// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "sys/fd.h"

struct ssl_st;
struct ssl_ctx_st;

// TLS 1.2 and 1.3 for the engine's API, by OpenSSL: between a socket of the network and a socket
// pair, whose other end is used as if there were no TLS.
namespace dhow::tls {

// Paths of files in PEM; "": none.
struct Files {
  std::string authority;
  std::string certificate;
  std::string key;
};

// What many connections have in common. Thread safe once made.
class Context {
 public:
  // `verify`: the server has to have a certificate for its name, of the authority or, without one,
  // of those that this machine trusts. kInvalidArgument names a file that can't be used.
  static Result<Context> client(const Files& files, bool verify);
  // With an authority, clients have to have a certificate of it.
  static Result<Context> server(const Files& files);

 private:
  friend class Connection;
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

// One connection. For one thread.
class Connection {
 public:
  // The handshake, for at most `timeout_ms`. kUnauthenticated: one side has no certificate that the
  // other takes; kUnavailable for all else. `host` is the name or address that it has to be for;
  // `stop` as for relay().
  static Result<Connection> connect(const Context& context, Fd socket, const std::string& host,
                                    int timeout_ms);
  static Result<Connection> accept(const Context& context, Fd socket, int timeout_ms,
                                   int stop = -1);

  // Carries bytes between it and `plain`, a stream socket, until both have ended or `plain` is
  // closed; the end of one direction is passed on and leaves the other. Blocks; ends early once
  // `stop`, when it isn't -1, is readable.
  void relay(FdRef plain, int stop);

 private:
  struct Free {
    void operator()(ssl_st* connection) const;
  };
  Connection(Fd socket, ssl_st* connection) : socket_(std::move(socket)), ssl_(connection) {}
  static Result<Connection> make(const Context& context, Fd socket);
  Status shake_hands(bool is_server, int timeout_ms, int stop);

  Fd socket_;
  std::unique_ptr<ssl_st, Free> ssl_;
};

}  // namespace dhow::tls
