// SPDX-License-Identifier: Apache-2.0
// Links: on the default network, lines in the file of hosts and variables; docker's way before
// there were names on networks. Kept as "ID:ALIAS", so that they outlive new names.
#include "engine/container_links.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>

#include "base/strings.h"
#include "engine/containers_impl.h"
#include "network/ports.h"

namespace dhow::engine {
namespace {

using network::Endpoint;

std::unexpected<Error> wrong_link(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

struct ExposedPort {
  std::uint16_t number = 0;
  std::string protocol;
  auto operator<=>(const ExposedPort&) const = default;
};

// TCP first, then by their names.
std::vector<ExposedPort> sorted_ports(const ContainerConfig& config) {
  std::vector<ExposedPort> ports;
  for (const std::string& text : config.exposed_ports) {
    if (auto port = network::parse_port(text)) ports.push_back({port->first, port->second});
  }
  std::ranges::sort(ports, {}, [](const ExposedPort& port) {
    return std::tuple(port.protocol != "tcp", port.protocol, port.number);
  });
  return ports;
}

}  // namespace

Result<Link> parse_link(std::string_view text) {
  if (text.empty()) return wrong_link("empty string specified for links");
  std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() > 2) return wrong_link(cat("bad format for links: ", text));
  Link link{std::string(parts[0]), std::string(parts.back())};
  // As inspect shows one: "/name:/parent/alias".
  if (parts.size() == 2 && link.name.starts_with('/')) {
    link.name.erase(0, 1);
    link.alias.erase(0, link.alias.rfind('/') + 1);
  }
  return link;
}

std::vector<std::string> link_environment(std::string_view parent, std::string_view alias,
                                          std::string_view address, const ContainerConfig& child) {
  std::string prefix = upper_text(alias);
  std::ranges::replace(prefix, '-', '_');
  std::vector<std::string> variables;
  auto url = [&](const ExposedPort& port) {
    return cat(port.protocol, "://", address, ":", port.number);
  };
  auto name = [&](const ExposedPort& port) {
    return cat(prefix, "_PORT_", port.number, "_", upper_text(port.protocol));
  };
  std::vector<ExposedPort> ports = sorted_ports(child);
  if (!ports.empty()) variables.push_back(cat(prefix, "_PORT=", url(ports.front())));
  for (std::size_t first = 0; first < ports.size();) {
    // A range: ports that follow one another.
    std::size_t last = first;
    while (last + 1 < ports.size() && ports[last + 1].protocol == ports[first].protocol &&
           ports[last + 1].number == ports[last].number + 1) {
      ++last;
    }
    for (std::size_t i = first; i <= last; ++i) {
      variables.push_back(cat(name(ports[i]), "=", url(ports[i])));
      variables.push_back(cat(name(ports[i]), "_ADDR=", address));
      variables.push_back(cat(name(ports[i]), "_PORT=", ports[i].number));
      variables.push_back(cat(name(ports[i]), "_PROTO=", ports[i].protocol));
    }
    if (last != first) {
      std::string range = name(ports[first]);
      variables.push_back(cat(range, "_START=", url(ports[first])));
      variables.push_back(cat(range, "_PORT_START=", ports[first].number));
      variables.push_back(cat(range, "_END=", url(ports[last])));
      variables.push_back(cat(range, "_PORT_END=", ports[last].number));
    }
    first = last + 1;
  }
  variables.push_back(cat(prefix, "_NAME=/", parent, "/", alias));
  for (const std::string& entry : child.env) {
    std::size_t equals = entry.find('=');
    std::string_view key = std::string_view(entry).substr(0, equals);
    if (equals == std::string::npos || key == "HOME" || key == "PATH") continue;
    variables.push_back(cat(prefix, "_ENV_", entry));
  }
  return variables;
}

// Of what was asked for, before it is filled in.
Status ContainersImpl::check_conflicts(const CreateConfig& config) const {
  const HostConfig& host = config.host;
  std::string mode = network_mode(host);
  auto refuse = [](std::string_view what) {
    return wrong_link(cat("conflicting options: ", what));
  };
  if (mode == "host" && !host.links.empty()) {
    return refuse(
        "host type networking can't be used with links. This would result in undefined behavior");
  }
  if (joined_container(mode).empty()) return {};
  if (!config.config.hostname.empty()) return refuse("hostname and the network mode");
  if (!host.links.empty()) {
    return refuse(
        "container type network can't be used with links. This would result in undefined behavior");
  }
  if (!host.dns.empty()) return refuse("dns and the network mode");
  if (!host.extra_hosts.empty()) {
    return refuse("custom host-to-IP mapping and the network mode");
  }
  if (!host.port_bindings.empty() || host.publish_all_ports) {
    return refuse("port publishing and the container type network mode");
  }
  if (!config.config.exposed_ports.empty()) {
    return refuse("port exposing and the container type network mode");
  }
  return {};
}

Status ContainersImpl::settle_links(ContainerRecord& record) {
  HostConfig& host = record.config.host;
  for (const auto& [network, endpoint] : record.config.networking.endpoints) {
    for (const std::string& link : endpoint.links) TRY(parse_link(link));
  }
  std::string mode = network_mode(host);
  if (mode != "bridge" && mode != "none") {
    host.links.clear();  // those of other networks are in their endpoints
    return {};
  }
  std::vector<std::string> settled;
  for (const std::string& text : host.links) {
    TRY_ASSIGN(Link link, parse_link(text));
    auto child = find(link.name);
    for (int depth = 0; child && depth < 8; ++depth) {
      std::string next = joined_container((*child)->record()->config.host.network_mode);
      if (next.empty()) break;
      child = find(next);
    }
    if (!child) {
      return wrong_link(
          cat("could not get container for ", link.name, ": ", child.error().message()));
    }
    if (network_mode((*child)->record()->config.host) == "host") {
      return wrong_link(
          "conflicting options: host type networking can't be used with links. This would result "
          "in undefined behavior");
    }
    settled.push_back(cat((*child)->id, ":", link.alias));
  }
  host.links = std::move(settled);
  if (!host.links.empty()) has_links_ = true;
  return {};
}

Status ContainersImpl::remove_link(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) {
    TRY(find(path));
    return fail(Code::kFailedPrecondition,
                "conflict, cannot remove the default link name of the container");
  }
  std::string_view alias = path.substr(slash + 1);
  auto parent = find(path.substr(0, slash));
  if (!parent) {
    return fail(Code::kNotFound,
                cat("cannot get parent /", path.substr(0, slash), " for link name ", alias));
  }
  std::lock_guard operation((*parent)->operation);
  ContainerRecord record = *(*parent)->record();
  std::size_t removed = std::erase_if(record.config.host.links, [&](const std::string& text) {
    auto link = parse_link(text);
    return link && link->alias == alias;
  });
  if (removed == 0) return fail(Code::kNotFound, cat("no such link: /", path));
  TRY(commit_config(**parent, record));
  if (record.progress.state.has_process()) change_hosts(record, {});
  return {};
}

std::vector<ContainersImpl::Linked> ContainersImpl::links_of(const ContainerRecord& record) const {
  std::vector<Linked> links;
  for (const std::string& text : record.config.host.links) {
    auto link = parse_link(text);
    auto child = link ? find(link->name) : fail(Code::kNotFound, "");
    // One that was removed is linked no more.
    if (child) links.push_back({link->alias, (*child)->record()});
  }
  return links;
}

std::vector<std::string> ContainersImpl::shown_links(const ContainerRecord& record) const {
  std::vector<std::string> shown;
  for (const Linked& link : links_of(record)) {
    shown.push_back(cat("/", link.child->name, ":/", record.name, "/", link.alias));
  }
  return shown;
}

// Its address on the default network; nullptr: it is not there now.
std::optional<Endpoint> ContainersImpl::default_endpoint(const std::string& id) const {
  if (stores_.networks == nullptr) return std::nullopt;
  for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(id)) {
    auto network = stores_.networks->find(endpoint.network);
    if (network && network->is_default()) return endpoint;
  }
  return std::nullopt;
}

// For a start and for what is executed: all of them have to run.
Result<std::vector<std::string>> ContainersImpl::link_variables(
    const ContainerRecord& record) const {
  std::vector<std::string> variables;
  if (record.config.host.links.empty() || !default_endpoint(record.id)) return variables;
  for (const Linked& link : links_of(record)) {
    auto endpoint = default_endpoint(link.child->id);
    if (!link.child->progress.state.has_process()) {
      return fail(Code::kInternal, cat("Cannot link to a non running container: /",
                                       link.child->name, " AS /", record.name, "/", link.alias));
    }
    if (!endpoint || endpoint->addresses().empty()) {
      return fail(Code::kInternal, cat("Cannot link to /", link.child->name,
                                       ", as it does not belong to the default network"));
    }
    std::vector<network::Ip> addresses = endpoint->addresses();
    std::ranges::move(link_environment(record.name, link.alias, addresses.front().text(),
                                       link.child->config.config),
                      std::back_inserter(variables));
  }
  return variables;
}

// "ADDRESS\tALIAS HOSTNAME NAME" for each.
std::vector<std::string> ContainersImpl::link_lines(const ContainerRecord& record) const {
  std::vector<std::string> lines;
  if (record.config.host.links.empty() || !default_endpoint(record.id)) return lines;
  for (const Linked& link : links_of(record)) {
    auto endpoint = default_endpoint(link.child->id);
    if (!endpoint) continue;
    std::string names = cat(link.alias, " ", link.child->config.config.hostname);
    if (link.alias != link.child->name) names += cat(" ", link.child->name);
    for (const network::Ip& address : endpoint->addresses()) {
      lines.push_back(cat(address.text(), "\t", names));
    }
  }
  return lines;
}

// Whoever is linked to it finds it at its new address.
void ContainersImpl::tell_linked(const std::string& id) const {
  if (!has_links_) return;
  for (const ContainerPtr& container : all()) {
    RecordPtr record = container->record();
    bool is_linked = std::ranges::any_of(
        record->config.host.links, [&](const std::string& link) { return link.starts_with(id); });
    if (is_linked && record->progress.state.has_process()) change_hosts(*record, {});
  }
}

}  // namespace dhow::engine
