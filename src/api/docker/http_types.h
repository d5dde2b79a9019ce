// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dhow::api::docker {

// A version of the API: 1.N.
struct ApiVersion {
  int minor = 0;
  auto operator<=>(const ApiVersion&) const = default;
};

// The first line and the headers of a request.
struct RequestHead {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  bool http_1_0 = false;
  bool keep_alive = true;
  bool upgrade = false;                    // "Connection: Upgrade" with "Upgrade"
  bool chunked = false;                    // the body's length is not known before its end
  std::optional<std::uint64_t> body_size;  // none: no Content-Length
  bool has_body() const { return chunked || body_size.value_or(0) != 0; }

  // The value of a header, whatever its case; "" when there is none.
  std::string_view header(std::string_view name) const;
};

// The parameters of a query: names and values decoded, in their order.
class Query {
 public:
  Query() = default;
  // Reads what is behind the '?'. What can't be decoded is left out.
  static Query parse(std::string_view text);

  // The first value; "" when there is none.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  // Every value of a repeated parameter.
  std::vector<std::string> all(std::string_view name) const;
  // As docker reads booleans: "", "0", "no", "false", "none" are false, the rest is true.
  bool flag(std::string_view name, bool missing = false) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

// Percent-decoded, '+' as a blank when `form`; none for a wrong escape.
std::optional<std::string> url_decode(std::string_view text, bool form);

struct Response {
  int status = 200;
  std::string content_type;  // "": no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  static Response json(std::string body, int status = 200) {
    return {status, "application/json", std::move(body), {}};
  }
  static Response empty(int status) { return {status, {}, {}, {}}; }
};

std::string_view reason_phrase(int status);

}  // namespace dhow::api::docker
