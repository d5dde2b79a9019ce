// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "api/docker/http_types.h"
#include "base/result.h"
#include "sys/fd.h"
#include "unpack/byte_sink.h"
#include "unpack/byte_source.h"

namespace dhow::api::docker {

struct JoinOptions {
  bool input = false;            // what the client sends goes to the stream
  std::string detach_keys = {};  // bytes that end it when the client sends them in a row; "": none
  // Called once when it has ended; true: by the detach keys.
  std::function<void(bool detached)> ended = {};
};

// One request and its answer. Whoever holds it may answer later, from any thread, one at a time;
// without an answer when the last holder goes, the client gets the status 500, or, in the middle of
// an answer, the end of the connection.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& head() const = 0;
  // Decoded, without the version's prefix.
  virtual std::string_view path() const = 0;
  virtual const Query& query() const = 0;
  // What the client asked for; without a prefix the newest.
  virtual ApiVersion version() const = 0;
  // Of routes that don't stream it, all of it; else "".
  virtual const std::string& body() const = 0;
  // Of routes that stream it; blocks for the client.
  virtual unpack::ByteSource& body_stream() = 0;
  // Asked for when the client has gone, or closed its half, and when the server ends.
  virtual std::stop_token stop() const = 0;

  // The whole answer. Doesn't block.
  virtual void respond(Response response) = 0;
  // Whether an answer was begun.
  virtual bool begun() const = 0;
  // Sends the head of an answer of unknown length. Doesn't block.
  virtual void begin(const Response& head) = 0;
  // More of it, sent at once; blocks for a client that doesn't read. kCancelled when it has gone.
  virtual Status write(std::string_view piece) = 0;
  // The last piece and the end. Doesn't block.
  virtual void end(std::string_view piece = {}) = 0;
  // Ends the connection, so that the client sees that the answer is not complete.
  virtual void abort() = 0;

  // Turns the connection into a raw one: "101 UPGRADED" where the client asked for it, else "200".
  // From then on write() and end() send bytes as they are. Doesn't block.
  virtual void hijack(std::string_view content_type) = 0;
  // The same without any head: what is joined answers for itself.
  virtual void hijack_silently() = 0;
  // Joins the raw connection to a stream socket, in both directions, until either has ended; the
  // client's half-close is passed on. The answer ends with it.
  virtual void join(Fd stream, JoinOptions options) = 0;

  // Keeps something until the answer has ended or the client has gone. It is let go in a thread
  // that may block.
  virtual void keep(std::shared_ptr<void> held) = 0;
};

using ExchangePtr = std::shared_ptr<Exchange>;

// Gives an answer of unknown length to what writes streams.
class ExchangeSink final : public unpack::ByteSink {
 public:
  explicit ExchangeSink(Exchange& exchange) : exchange_(exchange) {}
  Status write(std::string_view piece) override { return exchange_.write(piece); }

 private:
  Exchange& exchange_;
};

}  // namespace dhow::api::docker
