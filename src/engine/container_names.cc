// SPDX-License-Identifier: Apache-2.0
// Names on networks of one's own. For the resolvers in shims (docs/networks.md) they are in a file
// for each network, which is replaced as containers come and go; a container with a shim of others
// has no resolver, and gets them in its file of hosts.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "dns/names.h"
#include "engine/container_links.h"
#include "engine/containers_impl.h"
#include "engine/names.h"
#include "engine/resolv_conf.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

using network::Endpoint;
using network::NetworkRecord;

const EndpointConfig* endpoint_config(const ContainerRecord& record, const NetworkRecord& network) {
  const auto& endpoints = record.config.networking.endpoints;
  auto found = endpoints.find(network.name);
  return found == endpoints.end() ? nullptr : &found->second;
}

}  // namespace

std::vector<std::string> dns_names(const ContainerRecord& record, const EndpointConfig* config) {
  std::vector<std::string> names = {record.name};
  auto add = [&](const std::string& name) {
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  if (config != nullptr) {
    for (const std::string& alias : config->aliases) add(alias);
  }
  add(std::string(short_id(record.id)));
  add(record.config.config.hostname);
  return names;
}

bool ContainersImpl::has_resolver(const ContainerRecord& record) const {
  auto choice = choice_of(record.config.host.runtime);
  return !choice || choice->shim.empty();
}

bool ContainersImpl::asks_resolver(const ContainerRecord& record) const {
  auto networks = wanted_networks(record);
  return has_resolver(record) && std::ranges::any_of(networks, has_names);
}

std::string ContainersImpl::resolver_settings(const ContainerRecord& record) const {
  dns::Settings settings;
  ResolvConf conf = resolv_conf_of(record.config.host, options_);
  settings.keeps_single_labels = conf.has_option("ndots");
  settings.servers = std::move(conf.servers);
  settings.forwards = false;
  for (const NetworkRecord& network : wanted_networks(record)) {
    settings.forwards = settings.forwards || !network.internal;
    if (!has_names(network)) continue;
    dns::Settings::Network& one = settings.networks.emplace_back();
    one.file = names_folder(network.id) + "/names";
    const EndpointConfig* config = endpoint_config(record, network);
    if (config == nullptr) continue;
    for (const std::string& link : config->links) {
      // They were looked at when they were asked for.
      if (auto parsed = parse_link(link)) one.links.emplace_back(parsed->alias, parsed->name);
    }
  }
  return dns::settings_text(settings);
}

// Of one that runs. What it was before is compared, so that nothing is done without need.
Status ContainersImpl::settle_resolver(const ContainerRecord& record) const {
  if (!has_resolver(record)) return {};
  auto before = read_file(tasks_->bundle(key(record.id)) + "/resolver");
  if (!before && !asks_resolver(record)) return {};
  std::string text = resolver_settings(record);
  if (before && *before == text) return {};
  return tasks_->set_resolver(key(record.id), text);
}

std::string ContainersImpl::names_folder(const std::string& network) const {
  return options_.state + "/networks/" + network;
}

std::string ContainersImpl::names_on(const NetworkRecord& network) const {
  std::vector<dns::Named> all;
  for (const Endpoint& endpoint : stores_.networks->endpoints_of_network(network.id)) {
    auto container = find(endpoint.container);
    if (!container) continue;
    RecordPtr record = (*container)->record();
    for (const network::Ip& address : endpoint.addresses()) {
      all.push_back({address.text(), dns_names(*record, endpoint_config(*record, network))});
    }
  }
  return dns::names_text(network.name, all);
}

// "ADDRESS\tNAME…" for each neighbour.
std::vector<std::string> ContainersImpl::neighbour_lines(const ContainerRecord& record) const {
  std::vector<std::string> lines;
  if (has_resolver(record)) return lines;
  for (const Endpoint& own : stores_.networks->endpoints_of_container(record.id)) {
    auto network = stores_.networks->find(own.network);
    if (!network || !has_names(*network)) continue;
    for (const Endpoint& other : stores_.networks->endpoints_of_network(own.network)) {
      auto neighbour = find(other.container);
      if (!neighbour || other.container == record.id) continue;
      RecordPtr named = (*neighbour)->record();
      std::string names = join(dns_names(*named, endpoint_config(*named, *network)), " ");
      for (const network::Ip& address : other.addresses()) {
        lines.push_back(cat(address.text(), "\t", names));
      }
    }
  }
  return lines;
}

void ContainersImpl::tell_neighbours(const std::vector<std::string>& networks) const {
  if (stores_.networks == nullptr) return;
  // One after the other, so that the last one to write knows all.
  std::lock_guard lock(names_mutex_);
  std::set<std::string> without;
  for (const std::string& id : networks) {
    auto network = stores_.networks->find(id);
    if (!network || !has_names(*network)) continue;
    auto written = [&]() -> Status {
      TRY(make_dirs(names_folder(id), 0700));
      TRY_ASSIGN(Fd place, open_at(kCwd, names_folder(id), O_RDONLY | O_DIRECTORY));
      return replace_file(place, "names", names_on(*network), 0600);
    }();
    if (!written) log::warning(cat("network ", id, ": names: ", written.error().message()));
    for (const Endpoint& endpoint : stores_.networks->endpoints_of_network(id)) {
      auto container = find(endpoint.container);
      if (container && !has_resolver(*(*container)->record())) without.insert(endpoint.container);
    }
  }
  for (const std::string& id : without) {
    if (auto container = find(id)) change_hosts(*(*container)->record(), {});
  }
}

std::vector<std::string> ContainersImpl::networks_of(const std::string& id) const {
  std::vector<std::string> networks;
  if (stores_.networks == nullptr) return networks;
  for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(id)) {
    networks.push_back(endpoint.network);
  }
  return networks;
}

// Folders of networks that are no more.
void ContainersImpl::drop_stray_names() const {
  auto parent = open_at(kCwd, options_.state + "/networks", O_RDONLY | O_DIRECTORY);
  if (!parent) return;
  auto names = list_dir(*parent);
  if (!names) return;
  for (const std::string& name : *names) {
    auto network = stores_.networks->find(name);
    if (!network || network->id != name) std::ignore = remove_tree(*parent, name);
  }
}

}  // namespace dhow::engine
