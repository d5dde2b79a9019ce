// SPDX-License-Identifier: Apache-2.0
#include "registry/proxy.h"

#include <stdlib.h>

#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <optional>

#include "base/strings.h"

namespace dhow::registry {
namespace {

std::string from_environment_either(const char* upper, const char* lower) {
  for (const char* name : {upper, lower}) {
    if (const char* value = ::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return {};
}

struct Address {
  int family = 0;
  std::array<std::uint8_t, 16> bytes{};
};

std::optional<Address> parse_address(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::string copy(text);
  for (int family : {AF_INET, AF_INET6}) {
    Address address{.family = family};
    if (::inet_pton(family, copy.c_str(), address.bytes.data()) == 1) return address;
  }
  return std::nullopt;
}

bool same_prefix(const Address& a, const Address& b, unsigned bits) {
  if (a.family != b.family || bits > (a.family == AF_INET ? 32U : 128U)) return false;
  for (std::size_t i = 0; bits > 0; ++i) {
    unsigned here = bits < 8 ? bits : 8;
    if ((a.bytes[i] ^ b.bytes[i]) >> (8 - here) != 0) return false;
    bits -= here;
  }
  return true;
}

bool in_block(std::string_view block, const std::optional<Address>& address) {
  auto slash = block.find('/');
  auto base = parse_address(block.substr(0, slash));
  auto bits = parse_number<unsigned>(block.substr(slash + 1));
  return address && base && bits && same_prefix(*base, *address, *bits);
}

bool name_matches(std::string_view entry, std::string_view host) {
  if (entry.starts_with("*.")) entry.remove_prefix(1);
  if (entry.starts_with('.')) return host.ends_with(entry);
  return host == entry || (host.ends_with(entry) && host[host.size() - entry.size() - 1] == '.');
}

std::string lower(std::string_view text) {
  std::string copy(text);
  for (char& c : copy) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return copy;
}

bool entry_matches(std::string_view entry, std::string_view host, std::string_view port) {
  if (entry == "*") return true;
  auto address = parse_address(host);
  if (entry.find('/') != std::string_view::npos) return in_block(entry, address);
  // An IPv6 address without brackets has colons, and no port.
  auto whole = parse_address(entry);
  if (!whole) {
    if (auto colon = entry.rfind(':'); colon != std::string_view::npos) {
      if (entry.substr(colon + 1) != port) return false;
      entry = entry.substr(0, colon);
      whole = parse_address(entry);
    }
  }
  if (whole) return address && same_prefix(*whole, *address, whole->family == AF_INET ? 32 : 128);
  return !entry.empty() && name_matches(entry, host);
}

}  // namespace

ProxySettings ProxySettings::from_environment() {
  ProxySettings settings{.http = from_environment_either("HTTP_PROXY", "http_proxy"),
                         .https = from_environment_either("HTTPS_PROXY", "https_proxy"),
                         .no_proxy = from_environment_either("NO_PROXY", "no_proxy")};
  // Under CGI, HTTP_PROXY is a header of whoever asks (CVE-2016-5386).
  if (::getenv("REQUEST_METHOD") != nullptr) settings.http.clear();
  return settings;
}

std::string ProxySettings::choose(const Url& url) const {
  const std::string& proxy = url.scheme == "https" ? https : http;
  if (proxy.empty() || is_loopback(url.host) ||
      host_in_list(no_proxy, url.host, url.effective_port())) {
    return {};
  }
  return proxy.find("://") == std::string::npos ? "http://" + proxy : proxy;
}

bool host_in_list(std::string_view list, std::string_view host, std::string_view port) {
  std::string name = lower(host);
  for (std::string_view entry : split(list, ',')) {
    if (entry_matches(lower(trim(entry)), name, port)) return true;
  }
  return false;
}

}  // namespace dhow::registry
