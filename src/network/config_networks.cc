// SPDX-License-Identifier: Apache-2.0
// Networks that are none, and only have settings for others.
#include "base/strings.h"
#include "network/local_networks.h"
#include "sys/random_name.h"

namespace dhow::network {
namespace {

std::unexpected<Error> forbidden(std::string message) {
  return fail(Code::kPermissionDenied, std::move(message));
}

// What is not of the default is told of, as the other network's settings are to hold.
Status check_nothing_else(const NewNetwork& wanted) {
  bool has_own_driver = !wanted.ipam_driver.empty() && wanted.ipam_driver != "default";
  if (has_own_driver || wanted.ipv6.value_or(false) || !wanted.ipv4.value_or(true) ||
      !wanted.labels.empty() || !wanted.ipam_options.empty() || !wanted.subnets.empty()) {
    return forbidden(
        "user specified configurations are not supported if the network depends on a configuration "
        "network");
  }
  if (wanted.options.empty()) return {};
  return forbidden(
      "network driver options are not supported if the network depends on a configuration "
      "network");
}

}  // namespace

Result<NewNetwork> LocalNetworks::configured(const NewNetwork& wanted) const {
  TRY(check_nothing_else(wanted));
  for (const NetworkRecord& record : list()) {
    if (!record.is_config_only() || record.name != wanted.config_from) continue;
    NewNetwork result = wanted;
    result.ipv4 = record.settings->v4;
    result.ipv6 = record.settings->v6;
    result.subnets = record.settings->subnets;
    result.ipam_options = record.ipam_options;
    result.options = record.options;
    result.labels = record.labels;
    return result;
  }
  return fail(Code::kNotFound,
              cat("configuration network ", quoted(wanted.config_from), " does not exist"));
}

// Its driver is "null", as docker has it: whoever doesn't know what it is can't use it.
Result<NetworkRecord> LocalNetworks::config_record_of(const NewNetwork& wanted) const {
  if (wanted.ingress || wanted.internal || wanted.attachable || !wanted.scope.empty()) {
    return forbidden(
        "configuration network can only contain network specific fields. Network operator fields "
        "like [ ingress | internal | attachable | scope ] are not supported.");
  }
  if (!wanted.config_from.empty()) {
    return forbidden("a configuration network cannot depend on another configuration network");
  }
  TRY(check_subnets(wanted));
  NetworkRecord record;
  TRY_ASSIGN(record.id, random_id());
  record.name = wanted.name;
  record.driver = "null";
  record.options = wanted.options;
  record.labels = wanted.labels;
  record.ipam_options = wanted.ipam_options;
  record.settings.emplace(wanted.subnets, wanted.ipv4.value_or(true), wanted.ipv6.value_or(false));
  return record;
}

}  // namespace dhow::network
