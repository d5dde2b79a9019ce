// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/hosts.h"

// hosts.toml: what is accepted can be asked as it is; a fault names the file.
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  static const dhow::registry::Host kOwn =
      dhow::registry::default_host({}, "localhost:5000").value();
  auto hosts = dhow::registry::parse_hosts_toml(text, "/c/hosts.toml", "localhost:5000", kOwn);
  if (!hosts.has_value()) {
    require(hosts.error().message().starts_with("read \"/c/hosts.toml\": "));
    return 0;
  }
  require(!hosts->empty());
  for (const dhow::registry::Host& host : *hosts) {
    require(host.base.scheme == "http" || host.base.scheme == "https");
    require(!host.base.host.empty() && host.base.query.empty());
    require(dhow::registry::Url::parse(host.base.text()).has_value());
    require(host.dial_timeout.count() > 0);
    for (const std::string& file : host.tls.ca_files) require(file.starts_with('/'));
    for (const auto& [name, value] : host.headers.all()) {
      require((name + value).find_first_of("\r\n") == std::string::npos);
    }
    require(!host.credentials || !host.credentials->empty());
  }
  return 0;
}
