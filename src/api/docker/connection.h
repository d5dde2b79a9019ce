// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/docker/http_parser.h"
#include "api/docker/relay.h"
#include "api/docker/server_core.h"

namespace dhow::api::docker {

class HttpExchange;

// A client. All calls are for the server's thread, but for what says otherwise.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Server::Core> core, Fd socket);
  ~Connection();

  void start() { await_input(); }
  void close();

  // Any thread.
  int socket() { return stream_.native_handle(); }
  Server::Core& core() { return *core_; }

  // The answer has ended: what is left of it is sent, then the next request is read, or the
  // connection closed.
  void answered(std::string rest, bool keep_alive);
  // The connection is a raw one now.
  void became_raw();
  void join(std::shared_ptr<Exchange> exchange, Fd stream, JoinOptions options);

  // For a handler that reads the body itself, in its thread, until the exchange has ended.
  Result<std::string_view> read_body(std::string& space);

 private:
  enum class State { kHead, kBody, kBusy, kRaw, kDrain, kClosed };

  void await_input();
  void await_hangup();
  void on_readable();
  void on_busy_input();
  void read_input();
  void process();
  bool take_head();
  bool take_body();
  void dispatch();
  void refuse(int status, std::string_view message);
  void await_output(bool keep_alive);
  void next(bool keep_alive);
  void drain();
  void start_timer();
  void gone();

  std::shared_ptr<Server::Core> core_;
  asio::posix::stream_descriptor stream_;
  asio::steady_timer timer_;
  State state_ = State::kHead;
  bool awaiting_input_ = false;
  bool awaiting_hangup_ = false;
  bool input_pending_ = false;  // there is some that nobody has read
  bool timing_ = false;
  bool counted_ = false;  // as work
  std::string input_;     // what has come and not been taken
  std::string output_;
  RequestParser parser_;
  RequestHead head_;
  Plan plan_;
  std::string body_;
  std::size_t drained_ = 0;
  std::weak_ptr<HttpExchange> exchange_;
  std::shared_ptr<Relay> relay_;
};

// The answer to one request on a connection.
class HttpExchange final : public Exchange, public std::enable_shared_from_this<HttpExchange> {
 public:
  HttpExchange(std::shared_ptr<Connection> connection, RequestHead head, Plan plan,
               std::string body);
  ~HttpExchange() override;

  const RequestHead& head() const override { return head_; }
  std::string_view path() const override { return plan_.path; }
  const Query& query() const override { return query_; }
  ApiVersion version() const override { return plan_.version; }
  const std::string& body() const override { return body_; }
  unpack::ByteSource& body_stream() override { return source_; }
  std::stop_token stop() const override { return stop_.get_token(); }

  void respond(Response response) override;
  bool begun() const override { return begun_; }
  void begin(const Response& head) override;
  Status write(std::string_view piece) override;
  void end(std::string_view piece) override;
  void abort() override;
  void hijack(std::string_view content_type) override;
  void hijack_silently() override;
  void join(Fd stream, JoinOptions options) override;
  void keep(std::shared_ptr<void> held) override;

  // In the server's thread: the client has gone.
  void client_gone();
  bool is_raw() const { return raw_.load(); }
  // The end of a raw connection.
  void relay_ended();

 private:
  class Body final : public unpack::ByteSource {
   public:
    explicit Body(HttpExchange& exchange) : exchange_(exchange) {}
    Result<std::string_view> next() override;

   private:
    HttpExchange& exchange_;
    std::string space_;
    bool done_ = false;
  };

  bool is_head() const { return head_.method == "HEAD"; }
  void write_head(const Response& response, std::optional<std::size_t> length);
  void append(std::string_view piece);
  // Sends what it can without blocking.
  void flush();
  // Hands the rest to the server's thread; once.
  void finish(bool keep_alive);
  void release();

  std::shared_ptr<Connection> connection_;
  const RequestHead head_;
  const Plan plan_;
  const Query query_;
  const std::string body_;
  Body source_{*this};
  std::stop_source stop_;
  bool begun_ = false;
  bool chunked_ = false;
  bool keep_alive_ = true;
  std::atomic<bool> raw_ = false;
  std::atomic<bool> ended_ = false;
  std::string pending_;  // not sent yet
  std::mutex held_mutex_;
  bool released_ = false;
  std::vector<std::shared_ptr<void>> held_;
};

}  // namespace dhow::api::docker
