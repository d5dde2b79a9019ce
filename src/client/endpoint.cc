// SPDX-License-Identifier: Apache-2.0
#include "client/endpoint.h"

#include <unistd.h>

#include <cstdlib>

#include "base/strings.h"

namespace dhow::client {
namespace {

constexpr std::string_view kDefaultPort = "2375";

Result<Endpoint> parse_tcp(std::string_view whole, std::string_view address) {
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::kTcp;
  address = address.substr(0, address.find('/'));
  std::string_view host = address;
  std::string_view port = kDefaultPort;
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

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
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
  if (scheme == "tcp" || scheme == "http") return parse_tcp(trim(text), rest);
  if (scheme == "ssh" || scheme == "fd" || scheme == "npipe" || scheme == "https") {
    return fail(Code::kUnimplemented, cat("host ", quoted(text), ": ", scheme,
                                          ":// is not supported; use unix:// or tcp://"));
  }
  return fail(Code::kInvalidArgument, cat("host ", quoted(text), ": unknown protocol ",
                                          quoted(scheme), "; use unix:///path or tcp://host:port"));
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
