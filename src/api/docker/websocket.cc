// SPDX-License-Identifier: Apache-2.0
#include "api/docker/websocket.h"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "api/docker/detach_keys.h"
#include "base/log.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

namespace websocket = boost::beast::websocket;
using LocalProtocol = boost::asio::local::stream_protocol;
using LocalSocket = LocalProtocol::socket;
using UpgradeRequest = boost::beast::http::request<boost::beast::http::empty_body>;
using ErrorCode = boost::system::error_code;

constexpr std::chrono::seconds kPatience{30};
constexpr std::size_t kMessageSize = 32768;
// Of a client's message, which is taken as it comes: this bounds what a frame may say of itself.
constexpr std::size_t kLargestMessage = std::size_t{16} << 20;

UpgradeRequest upgrade_request(const RequestHead& head) {
  UpgradeRequest request{boost::beast::http::verb::get, "/", 11};
  for (const auto& [name, value] : head.headers) request.insert(name, value);
  return request;
}

// Both directions, each with one operation at a time, in one thread.
class WebSocketBridge {
 public:
  WebSocketBridge(boost::asio::io_context& io, Fd client, Fd stream, WebSocketOptions options)
      : io_(io),
        request_(upgrade_request(options.request)),
        options_(std::move(options)),
        matcher_(options_.detach_keys),
        client_(LocalSocket(io, LocalProtocol(), client.release())),
        stream_(io, LocalProtocol(), stream.release()) {}

  void start() {
    client_.binary(true);
    client_.read_message_max(kLargestMessage);
    // One that does not answer the handshake, or the end, is given up.
    client_.set_option(
        websocket::stream_base::timeout{kPatience, websocket::stream_base::none(), false});
    client_.async_accept(request_, [this](const ErrorCode& error) {
      if (error) return end();
      read_client();
      if (options_.before.empty()) return read_stream();
      client_.async_write(
          boost::asio::buffer(options_.before),
          [this](const ErrorCode& failed, std::size_t) { failed ? end() : read_stream(); });
    });
  }
  bool is_detached() const { return is_detached_; }

 private:
  void read_client() {
    client_.async_read_some(input_, kMessageSize, [this](const ErrorCode& error, std::size_t) {
      if (error) return end();
      const auto data = input_.cdata();
      std::string_view piece(static_cast<const char*>(data.data()), data.size());
      typed_.clear();
      if (options_.detach_keys.empty()) {
        typed_ = piece;
      } else {
        is_detached_ = matcher_.filter(piece, typed_);
      }
      input_.consume(input_.size());
      if (is_detached_) return close();
      if (!options_.input || typed_.empty()) return read_client();
      boost::asio::async_write(stream_, boost::asio::buffer(typed_),
                               // A program that takes no more input may still say something.
                               [this](const ErrorCode&, std::size_t) { read_client(); });
    });
  }

  void read_stream() {
    stream_.async_read_some(
        boost::asio::buffer(output_), [this](const ErrorCode& error, std::size_t count) {
          if (error) return close();
          client_.async_write(
              boost::asio::buffer(output_.data(), count),
              [this](const ErrorCode& failed, std::size_t) { failed ? end() : read_stream(); });
        });
  }

  // Tells the client, whose answer ends its direction.
  void close() {
    if (std::exchange(is_closing_, true)) return;
    ErrorCode ignored;
    stream_.close(ignored);
    client_.async_close(websocket::close_code::normal, [this](const ErrorCode&) { end(); });
  }

  // Without the rest: Beast's timer of the handshake goes on after it has failed.
  void end() { io_.stop(); }

  boost::asio::io_context& io_;
  UpgradeRequest request_;
  WebSocketOptions options_;
  DetachMatcher matcher_;
  websocket::stream<LocalSocket> client_;
  LocalSocket stream_;
  boost::beast::flat_buffer input_;
  std::string typed_;
  std::array<char, kMessageSize> output_;
  bool is_closing_ = false;
  bool is_detached_ = false;
};

}  // namespace

Status check_websocket(const RequestHead& head) {
  if (websocket::is_upgrade(upgrade_request(head)) && !head.header("Sec-WebSocket-Key").empty()) {
    return {};
  }
  return fail(Code::kInvalidArgument, "Bad parameters: not a request for a WebSocket");
}

bool serve_websocket(Fd client, Fd stream, WebSocketOptions options) {
  try {
    boost::asio::io_context io(1);
    auto bridge = std::make_unique<WebSocketBridge>(io, std::move(client), std::move(stream),
                                                    std::move(options));
    bridge->start();
    io.run();
    return bridge->is_detached();
  } catch (const std::exception& exception) {
    log::warning(cat("a WebSocket: ", exception.what()));
    return false;
  }
}

}  // namespace dhow::api::docker
