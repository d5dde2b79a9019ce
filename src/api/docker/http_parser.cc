// SPDX-License-Identifier: Apache-2.0
#include "api/docker/http_parser.h"

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>

#include "base/strings.h"

namespace dhow::api::docker {
namespace http = boost::beast::http;

struct RequestParser::State {
  http::request_parser<http::buffer_body> parser;

  State() {
    parser.header_limit(static_cast<std::uint32_t>(kMaxHead));
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());
    parser.eager(false);
  }
};

RequestParser::RequestParser() : state_(std::make_unique<State>()) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

namespace {

std::unexpected<Error> fault(const boost::system::error_code& error) {
  if (error == http::error::header_limit) {
    return fail(Code::kOutOfRange, "the headers of the request are too long");
  }
  return fail(Code::kInvalidArgument, cat("malformed request: ", error.message()));
}

}  // namespace

Result<std::size_t> RequestParser::feed_head(std::string_view data) {
  boost::system::error_code error;
  std::size_t taken = 0;
  while (!head_done() && taken < data.size()) {
    std::size_t step = state_->parser.put({data.data() + taken, data.size() - taken}, error);
    taken += step;
    if (error == http::error::need_more) break;
    if (error) return fault(error);
    if (step == 0) break;
  }
  return taken;
}

bool RequestParser::head_done() const { return state_->parser.is_header_done(); }

RequestHead RequestParser::head() const {
  const auto& message = state_->parser.get();
  RequestHead head;
  head.method = message.method_string();
  head.target = message.target();
  for (const auto& field : message) {
    head.headers.emplace_back(field.name_string(), field.value());
  }
  head.http_1_0 = message.version() < 11;
  head.keep_alive = message.keep_alive();
  head.upgrade = state_->parser.upgrade() || !head.header("Upgrade").empty();
  head.chunked = state_->parser.chunked();
  if (auto size = state_->parser.content_length()) head.body_size = *size;
  return head;
}

Result<RequestParser::Taken> RequestParser::feed_body(std::string_view data, std::span<char> out) {
  Taken result;
  auto& body = state_->parser.get().body();
  body.data = out.data();
  body.size = out.size();
  body.more = true;
  boost::system::error_code error;
  while (!state_->parser.is_done() && result.taken < data.size() && body.size != 0) {
    std::size_t step =
        state_->parser.put({data.data() + result.taken, data.size() - result.taken}, error);
    result.taken += step;
    if (error == http::error::need_more || error == http::error::need_buffer) break;
    if (error) return fault(error);
    if (step == 0) break;
  }
  result.produced = out.size() - body.size;
  return result;
}

bool RequestParser::body_done() const { return state_->parser.is_done(); }

}  // namespace dhow::api::docker
