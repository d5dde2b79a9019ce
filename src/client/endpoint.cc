// SPDX-License-Identifier: Apache-2.0
#include "client/endpoint.h"

#include <unistd.h>

#include <cstdlib>

#include "base/strings.h"

namespace dhow::client {
namespace {

constexpr std::string_view kDefaultPort = "2375";
constexpr std::string_view kDefaultTlsPort = "2376";

Result<Endpoint> parse_tcp(std::string_view whole, std::string_view address, bool is_tls) {
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::kTcp;
  address = address.substr(0, address.find('/'));
  std::string_view host = address;
  std::string_view port = is_tls ? kDefaultTlsPort : kDefaultPort;
  if (host.starts_with('[')) {
    std::size_t end = host.find(']');
    if (end == std::string_view::npos) {
      return fail(Code::kInvalidArgument,
                  cat("host ", quoted(whole), ": no \"]\" after the address"));
    }
    if (address.substr(end + 1).starts_with(':')) port = address.substr(end + 2);
    host = host.substr(1, end - 1);
  } else if (std::size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (!parse_number<std::uint16_t>(port)) {
    return fail(Code::kInvalidArgument,
                cat("host ", quoted(whole), ": ", quoted(port), " is no port"));
  }
  endpoint.address = host.empty() ? "localhost" : std::string(host);
  endpoint.port = port;
  endpoint.text = whole.find("://") == std::string_view::npos ? cat("tcp://", whole) : whole;
  return endpoint;
}

// What becomes words of ssh's command line; none of them can be one of its options.
Result<Endpoint> parse_ssh(std::string_view whole, std::string_view rest) {
  auto bad = [&](std::string_view why) {
    return fail(Code::kInvalidArgument, cat("host ", quoted(whole), ": ", why));
  };
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::kSsh;
  endpoint.text = whole;
  if (rest.find_first_of("?#") != std::string_view::npos)
    return bad("query and fragment are not allowed");
  if (std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    if (rest.size() > slash + 1) endpoint.remote = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  if (std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    endpoint.user = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    if (endpoint.user.find(':') != std::string::npos)
      return bad("plain-text password is not supported");
  }
  std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos) {
    endpoint.port = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!parse_number<std::uint16_t>(endpoint.port)) return bad("no number as its port");
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  if (rest.empty()) return bad("no host specified");
  if (rest.starts_with('-') || endpoint.user.starts_with('-')) return bad("begins with a dash");
  endpoint.address = rest;
  return endpoint;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text, bool is_tls) {
  std::string_view rest = trim(text);
  std::string_view scheme = "tcp";
  if (std::size_t at = rest.find("://"); at != std::string_view::npos) {
    scheme = rest.substr(0, at);
    rest = rest.substr(at + 3);
  }
  if (scheme == "unix") {
    Endpoint endpoint;
    endpoint.address = rest.empty() ? default_endpoint().address : rest;
    endpoint.text = cat("unix://", endpoint.address);
    return endpoint;
  }
  if (scheme == "tcp" || scheme == "http") return parse_tcp(trim(text), rest, is_tls);
  if (scheme == "ssh") return parse_ssh(trim(text), rest);
  if (scheme == "fd" || scheme == "npipe" || scheme == "https") {
    return fail(Code::kUnimplemented, cat("host ", quoted(text), ": ", scheme,
                                          ":// is not supported; use unix://, tcp:// or ssh://"));
  }
  return fail(Code::kInvalidArgument,
              cat("host ", quoted(text), ": unknown protocol ", quoted(scheme),
                  "; use unix:///path, tcp://host:port or ssh://host"));
}

Endpoint default_endpoint() {
  Endpoint endpoint;
  if (::geteuid() == 0) {
    endpoint.address = "/run/dhow/docker.sock";
  } else if (const char* folder = std::getenv("XDG_RUNTIME_DIR");
             folder != nullptr && *folder != 0) {
    endpoint.address = cat(folder, "/dhow/docker.sock");
  } else {
    endpoint.address = cat("/run/user/", ::geteuid(), "/dhow/docker.sock");
  }
  endpoint.text = cat("unix://", endpoint.address);
  return endpoint;
}

}  // namespace dhow::client
