// SPDX-License-Identifier: Apache-2.0
#include "tls/tls.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/strings.h"

namespace dhow::tls {
namespace {

constexpr std::size_t kPiece = 16384;  // a record

// The oldest error of OpenSSL's, which is the cause of the others; all are dropped.
std::string reason() {
  unsigned long code = ::ERR_get_error();
  ::ERR_clear_error();
  const char* text = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return text != nullptr ? text : "unknown reason";
}

std::unexpected<Error> bad_file(std::string_view what, const std::string& path) {
  return fail(Code::kInvalidArgument, cat("TLS: ", what, " ", quoted(path), ": ", reason()));
}

Status load(SSL_CTX* context, const Files& files) {
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  if (!files.certificate.empty() &&
      ::SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
    return bad_file("certificate", files.certificate);
  }
  if (!files.key.empty() &&
      ::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("key", files.key);
  }
  if (!files.authority.empty() &&
      ::SSL_CTX_load_verify_file(context, files.authority.c_str()) != 1) {
    return bad_file("certificate authority", files.authority);
  }
  return {};
}

std::int64_t now_ms() {
  struct timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

bool is_address(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

void Context::Free::operator()(ssl_ctx_st* context) const { ::SSL_CTX_free(context); }
void Connection::Free::operator()(ssl_st* connection) const { ::SSL_free(connection); }

Result<Context> Context::client(const Files& files, bool verify) {
  Context made;
  made.context_.reset(::SSL_CTX_new(::TLS_client_method()));
  if (!made.context_) return fail(Code::kResourceExhausted, cat("TLS: ", reason()));
  TRY(load(made.context_.get(), files));
  if (!verify) return made;
  ::SSL_CTX_set_verify(made.context_.get(), SSL_VERIFY_PEER, nullptr);
  if (files.authority.empty()) ::SSL_CTX_set_default_verify_paths(made.context_.get());
  return made;
}

Result<Context> Context::server(const Files& files) {
  Context made;
  made.context_.reset(::SSL_CTX_new(::TLS_server_method()));
  if (!made.context_) return fail(Code::kResourceExhausted, cat("TLS: ", reason()));
  SSL_CTX* context = made.context_.get();
  TRY(load(context, files));
  if (::SSL_CTX_check_private_key(context) != 1) return bad_file("key", files.key);
  // Every connection is made whole: what a client proves counts for that one alone.
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  if (files.authority.empty()) return made;
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  ::SSL_CTX_set_client_CA_list(context, ::SSL_load_client_CA_file(files.authority.c_str()));
  return made;
}

Result<Connection> Connection::make(const Context& context, Fd socket) {
  int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail_errno(errno, "TLS: fcntl");
  }
  SSL* ssl = ::SSL_new(context.context_.get());
  if (ssl == nullptr || ::SSL_set_fd(ssl, socket.get()) != 1) {
    return fail(Code::kResourceExhausted, cat("TLS: ", reason()));
  }
  return Connection(std::move(socket), ssl);
}

Status Connection::shake_hands(bool is_server, int timeout_ms, int stop) {
  const std::int64_t end = now_ms() + timeout_ms;
  while (true) {
    ::ERR_clear_error();
    int result = is_server ? ::SSL_accept(ssl_.get()) : ::SSL_connect(ssl_.get());
    if (result == 1) return {};
    int error = ::SSL_get_error(ssl_.get(), result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      long verified = ::SSL_get_verify_result(ssl_.get());
      if (verified != X509_V_OK) {
        return fail(Code::kUnauthenticated, cat("TLS: the other side's certificate: ",
                                                ::X509_verify_cert_error_string(verified)));
      }
      if (error == SSL_ERROR_SYSCALL) {
        return fail(Code::kUnavailable, "TLS: the other side closed the connection");
      }
      return fail(Code::kUnavailable, cat("TLS: ", reason()));
    }
    std::int64_t left = end - now_ms();
    struct pollfd wait[2] = {
        {socket_.get(), static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0},
        {stop, POLLIN, 0}};
    if (left <= 0 || ::poll(wait, 2, static_cast<int>(left)) == 0) {
      return fail(Code::kDeadlineExceeded, "TLS: no handshake in time");
    }
    if (wait[1].revents != 0) return fail(Code::kCancelled, "TLS: stopped");
  }
}

Result<Connection> Connection::connect(const Context& context, Fd socket, const std::string& host,
                                       int timeout_ms) {
  TRY_ASSIGN(Connection made, make(context, std::move(socket)));
  SSL* ssl = made.ssl_.get();
  bool named = is_address(host)
                   ? ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), host.c_str()) == 1
                   : ::SSL_set1_host(ssl, host.c_str()) == 1 &&
                         ::SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                    const_cast<char*>(host.c_str())) == 1;
  if (!named) return fail(Code::kInvalidArgument, cat("TLS: host ", quoted(host)));
  TRY(made.shake_hands(false, timeout_ms, -1));
  return made;
}

Result<Connection> Connection::accept(const Context& context, Fd socket, int timeout_ms, int stop) {
  TRY_ASSIGN(Connection made, make(context, std::move(socket)));
  TRY(made.shake_hands(true, timeout_ms, stop));
  return made;
}

namespace {

// The two directions of a connection. Each has one piece at a time: what isn't taken on one side is
// not read on the other.
class Relay {
 public:
  Relay(SSL* ssl, int socket, int plain, int stop)
      : ssl_(ssl), socket_(socket), plain_(plain), stop_(stop) {}

  void run() {
    while (!is_done()) {
      wants_write_ = false;
      if (take_from_tls() | give_to_plain() | take_from_plain() | give_to_tls()) continue;
      if (!wait()) return;
    }
  }

 private:
  bool is_done() const {
    return is_broken_ || (tls_ended_ && in_.empty() && told_plain_ && told_tls_);
  }

  // Each of these says whether it got anywhere.
  bool take_from_tls() {
    if (tls_ended_ || !in_.empty()) return false;
    in_.resize(kPiece);
    ::ERR_clear_error();
    int count = ::SSL_read(ssl_, in_.data(), static_cast<int>(in_.size()));
    in_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count > 0) return true;
    note(::SSL_get_error(ssl_, count), tls_ended_);
    return tls_ended_;
  }

  bool give_to_plain() {
    if (in_.empty()) {
      if (!tls_ended_ || told_plain_) return false;
      ::shutdown(plain_, SHUT_WR);
      return told_plain_ = true;
    }
    ssize_t count = ::send(plain_, in_.data(), in_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    // Nobody takes it any more; what comes the other way still may.
    in_.erase(0, count < 0 ? in_.size() : static_cast<std::size_t>(count));
    return true;
  }

  bool take_from_plain() {
    if (plain_ended_ || !out_.empty()) return false;
    out_.resize(kPiece);
    ssize_t count = ::recv(plain_, out_.data(), out_.size(), MSG_DONTWAIT);
    int error = errno;
    out_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    if (count > 0) return true;
    plain_ended_ = count == 0 || (error != EAGAIN && error != EINTR);
    return plain_ended_;
  }

  bool give_to_tls() {
    ::ERR_clear_error();
    if (out_.empty()) {
      if (!plain_ended_ || told_tls_) return false;
      ::SSL_shutdown(ssl_);
      return told_tls_ = true;
    }
    int count = ::SSL_write(ssl_, out_.data(), static_cast<int>(out_.size()));
    if (count > 0) {
      out_.erase(0, static_cast<std::size_t>(count));
      return true;
    }
    note(::SSL_get_error(ssl_, count), is_broken_);
    return is_broken_;
  }

  void note(int error, bool& ended) {
    if (error == SSL_ERROR_WANT_READ) return;
    if (error == SSL_ERROR_WANT_WRITE) {
      wants_write_ = true;
      return;
    }
    ended = true;
    // An end without the word for it may be somebody else's doing.
    if (error != SSL_ERROR_ZERO_RETURN) is_broken_ = true;
  }

  bool wait() {
    short secret = static_cast<short>((!tls_ended_ && in_.empty() ? POLLIN : 0) |
                                      (wants_write_ || !out_.empty() ? POLLOUT : 0));
    short open = static_cast<short>((!plain_ended_ && out_.empty() ? POLLIN : 0) |
                                    (in_.empty() ? 0 : POLLOUT));
    // The other end of the pair is closed, and all that came from it has gone out.
    if (plain_ended_ && out_.empty() && is_closed()) return false;
    std::array<struct pollfd, 3> all = {
        {{secret != 0 ? socket_ : -1, secret, 0}, {plain_, open, 0}, {stop_, POLLIN, 0}}};
    if (plain_ended_ && !out_.empty() && in_.empty()) all[1].fd = -1;
    if (::poll(all.data(), all.size(), -1) < 0 && errno != EINTR) return false;
    return all[2].revents == 0;
  }

  bool is_closed() const {
    struct pollfd state{plain_, 0, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0;
  }

  SSL* ssl_;
  int socket_, plain_, stop_;
  std::string in_, out_;  // to the plain side, to the other
  bool tls_ended_ = false, plain_ended_ = false;
  bool told_plain_ = false, told_tls_ = false;
  bool wants_write_ = false;
  bool is_broken_ = false;
};

}  // namespace

void Connection::relay(FdRef plain, int stop) {
  Relay(ssl_.get(), socket_.get(), plain.get(), stop).run();
}

}  // namespace dhow::tls
