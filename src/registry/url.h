// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::registry {

// An absolute URL of http or https (RFC 3986), in parts that keep their percent encoding. It never
// holds a user name or a password: a text with them is refused.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address is in brackets
  std::string port;    // "": the scheme's
  std::string path;    // begins with '/', holds no "." or ".."
  std::string query;   // without '?'; may be empty

  // A fault is kInvalidArgument, and names the text without its query.
  static Result<Url> parse(std::string_view text);
  // The URL that `location`, absolute or relative, means on a page of this one (section 5).
  Result<Url> resolve(std::string_view location) const;

  std::string text() const;
  // Without the query, which may hold signatures and tokens: for messages.
  std::string safe_text() const;
  // "host" or "host:port" as written.
  std::string authority() const;
  // The port, also when it is the scheme's own.
  std::string_view effective_port() const;
  bool same_origin(const Url& other) const;
  // Adds "name=value" to the query, with the value encoded.
  void add_query(std::string_view name, std::string_view value);

  bool operator==(const Url&) const = default;
};

// Everything but unreserved characters as %XX (section 2.1).
std::string percent_encode(std::string_view text);

// Whether a host is "localhost", below it, or an address of the loopback interface; IPv6 addresses
// with or without brackets.
bool is_loopback(std::string_view host);

}  // namespace dhow::registry
