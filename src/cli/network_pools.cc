// SPDX-License-Identifier: Apache-2.0
#include "cli/network_pools.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <map>
#include <vector>

#include "base/strings.h"
#include "cli/create_request.h"

namespace dhow::cli {
namespace {

// "10.0.0.0/8" as its family and bits; an address alone has all of them.
struct Prefix {
  int family = 0;
  std::string bits;  // "0" and "1"
};

std::optional<Prefix> parse_prefix(std::string_view text) {
  std::size_t slash = text.find('/');
  std::string address(text.substr(0, slash));
  Prefix out;
  out.family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  unsigned char bytes[16];
  if (::inet_pton(out.family, address.c_str(), bytes) != 1) return std::nullopt;
  const std::size_t size = out.family == AF_INET ? 32 : 128;
  for (std::size_t i = 0; i < size; ++i) {
    out.bits.push_back((bytes[i / 8] >> (7 - i % 8) & 1) != 0 ? '1' : '0');
  }
  if (slash == std::string_view::npos) return out;
  auto length = parse_number<std::size_t>(text.substr(slash + 1));
  if (!length || *length > size) return std::nullopt;
  out.bits.resize(*length);
  return out;
}

struct Pool {
  std::string_view subnet;
  Prefix prefix;
  std::string_view range;
  std::string_view gateway;
  std::map<std::string, std::string> auxiliary;
};

std::unexpected<Error> wrong_pool(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

// The pool whose subnet the address or subnet lies in.
Result<Pool*> pool_of_text(std::vector<Pool>& pools, std::string_view text, std::string_view what) {
  auto prefix = parse_prefix(text);
  if (!prefix) return wrong_pool(cat("invalid ", what, ": ", text));
  for (Pool& pool : pools) {
    if (pool.prefix.family == prefix->family && prefix->bits.starts_with(pool.prefix.bits)) {
      return &pool;
    }
  }
  return wrong_pool(cat("no matching subnet for ", what, " ", text));
}

Result<std::vector<Pool>> read_all_pools(const Arguments& arguments) {
  std::vector<Pool> pools;
  auto ranges = arguments.list("ip-range");
  auto gateways = arguments.list("gateway");
  for (std::string_view subnet : arguments.list("subnet")) {
    auto prefix = parse_prefix(subnet);
    if (!prefix) return wrong_pool(cat("invalid CIDR address: ", subnet));
    for (const Pool& other : pools) {
      bool overlaps =
          other.prefix.family == prefix->family && (other.prefix.bits.starts_with(prefix->bits) ||
                                                    prefix->bits.starts_with(other.prefix.bits));
      if (overlaps) return wrong_pool("multiple overlapping subnet configuration is not supported");
    }
    pools.push_back({subnet, std::move(*prefix), {}, {}, {}});
  }
  if (gateways.size() > pools.size() || ranges.size() > pools.size()) {
    return wrong_pool("every --ip-range or --gateway must have a corresponding --subnet");
  }
  for (std::string_view range : ranges) {
    TRY_ASSIGN(Pool * pool, pool_of_text(pools, range, "range"));
    if (!pool->range.empty()) {
      return wrong_pool(cat("cannot configure multiple ranges (", range, ", ", pool->range,
                            ") on the same subnet (", pool->subnet, ")"));
    }
    pool->range = range;
  }
  for (std::string_view gateway : gateways) {
    TRY_ASSIGN(Pool * pool, pool_of_text(pools, gateway, "gateway"));
    if (!pool->gateway.empty()) {
      return wrong_pool(cat("cannot configure multiple gateways (", gateway, ", ", pool->gateway,
                            ") for the same subnet (", pool->subnet, ")"));
    }
    pool->gateway = gateway;
  }
  for (std::string_view text : arguments.list("aux-address")) {
    std::size_t equals = text.find('=');
    std::string_view address = equals == std::string_view::npos ? "" : text.substr(equals + 1);
    TRY_ASSIGN(Pool * pool, pool_of_text(pools, address, "aux-address"));
    pool->auxiliary[std::string(text.substr(0, equals))] = address;
  }
  return pools;
}

}  // namespace

Status write_pools(const Arguments& arguments, oci::JsonWriter& json) {
  TRY_ASSIGN(std::vector<Pool> pools, read_all_pools(arguments));
  json.key("IPAM").begin_object().member("Driver", arguments.string("ipam-driver", "default"));
  write_map(json, "Options", arguments.list("ipam-opt"));
  json.key("Config").begin_array();
  for (const Pool& pool : pools) {
    json.begin_object().member("Subnet", pool.subnet);
    if (!pool.range.empty()) json.member("IPRange", pool.range);
    if (!pool.gateway.empty()) json.member("Gateway", pool.gateway);
    if (!pool.auxiliary.empty()) {
      json.key("AuxiliaryAddresses").begin_object();
      for (const auto& [name, address] : pool.auxiliary) json.member(name, address);
      json.end_object();
    }
    json.end_object();
  }
  json.end_array().end_object();
  return {};
}

}  // namespace dhow::cli
