// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "client/http.h"
#include "oci/json_items.h"

namespace dhow::client {

// The part of a URL after the "?".
class Query {
 public:
  Query& add(std::string_view name, std::string_view value) {
    text_ += text_.empty() ? '?' : '&';
    text_ += name;
    text_ += '=';
    text_ += percent_encoded(value);
    return *this;
  }
  // Only when there is a value.
  Query& add_given(std::string_view name, std::string_view value) {
    return value.empty() ? *this : add(name, value);
  }
  Query& add_switch(std::string_view name, bool on) { return on ? add(name, "1") : *this; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// One call of the API.
struct Call {
  std::string_view method = "GET";
  std::string path = {};  // "/containers/json", encoded
  Query query = {};
  std::string body = {};  // JSON unless `content_type` says otherwise
  std::string content_type = {};
  std::vector<HttpHeader> headers = {};
  bool upgrade = false;
  bool streamed_body = false;
};

class Client;

// A call that was sent and its answer. Gives the connection back to its client, which must outlive
// it, when all of the answer has been read.
class Exchange {
 public:
  Exchange(Exchange&&) noexcept = default;
  Exchange& operator=(Exchange&&) noexcept = default;
  ~Exchange();

  Status write_body(std::string_view piece) { return connection_->write_body(piece); }
  Status end_body() { return connection_->end_body(); }

  // Blocks for the head of the answer. A status of 400 or more is an error with the engine's
  // message: "Error response from daemon: …".
  Status await_head();
  const HttpHead& head() const { return head_; }
  Result<std::size_t> read(std::span<char> buffer) { return connection_->read_body(buffer); }
  Result<std::string> read_all() { return connection_->read_whole_body(); }
  // The items of a body that is a JSON array, each as soon as it has come.
  Status read_items(const oci::JsonItems::Take& take);

  HttpConnection& connection() { return *connection_; }

 private:
  friend class Client;
  Exchange(Client* client, std::unique_ptr<HttpConnection> connection, bool head_only)
      : client_(client), connection_(std::move(connection)), head_only_(head_only) {}

  Client* client_;
  std::unique_ptr<HttpConnection> connection_;
  bool head_only_;
  HttpHead head_;
};

// Client of the Docker Engine API. Connections are kept and used again. Blocking, for one thread.
class Client {
 public:
  // What to do when nothing listens: make an engine listen, or say why that can't be.
  using Starter = std::function<Status()>;

  // `version`: "1.41" to ask for that version of the API, "" for the engine's newest.
  Client(Endpoint endpoint, std::string version, Starter starter = {})
      : endpoint_(std::move(endpoint)),
        version_(std::move(version)),
        starter_(std::move(starter)) {}

  const Endpoint& endpoint() const { return endpoint_; }
  const std::string& version() const { return version_; }
  // Sent with every call (config.json's HttpHeaders).
  void add_header(HttpHeader header) { headers_.push_back(std::move(header)); }

  // Connects, so that a later call finds a connection: overlaps with a wait for something else.
  Status prepare();
  // Sends a call, and doesn't wait for the answer.
  Result<Exchange> send(Call call);
  // As send(), with the head of the answer.
  Result<Exchange> open(Call call);
  // As open(), with the whole body.
  Result<std::string> call(Call call);
  // The status alone: for calls whose body says nothing.
  Result<int> call_status(Call call);

 private:
  friend class Exchange;
  Result<std::unique_ptr<HttpConnection>> take_connection();
  Result<std::unique_ptr<HttpConnection>> connect();

  Endpoint endpoint_;
  std::string version_;
  Starter starter_;
  std::vector<HttpHeader> headers_;
  std::vector<std::unique_ptr<HttpConnection>> idle_;
};

// The class of failure that an HTTP status of the API stands for.
Code code_from_status(int status);

}  // namespace dhow::client
