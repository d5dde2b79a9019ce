// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "registry/url.h"

namespace dhow::registry {

// Which proxies the environment asks for, read as Go's programs read it, since that is what people
// have set it up for: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or in lower case.
struct ProxySettings {
  std::string http;
  std::string https;
  std::string no_proxy;

  static ProxySettings from_environment();

  // The proxy for that URL; "": none. Loopback is never reached through one.
  std::string choose(const Url& url) const;
};

// Whether a host is in a list of networks: a name ("x.org": that and all below it; ".x.org" or
// "*.x.org": only below), an address or a CIDR block, each of the first two with an optional
// port; "*" is everything. Parts are separated by commas.
bool host_in_list(std::string_view list, std::string_view host, std::string_view port);

}  // namespace dhow::registry
