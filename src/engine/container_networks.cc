// SPDX-License-Identifier: Apache-2.0
// Containers and the networks that they are in.
#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "engine/container_links.h"
#include "engine/containers_impl.h"
#include "engine/names.h"
#include "engine/network_requests.h"
#include "metadata/lease_store.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

using network::AttachRequest;
using network::Endpoint;
using network::Join;
using network::NetworkRecord;
using network::PortWish;

constexpr std::string_view kNoNetworks =
    "No network but the loopback interface: this engine has no right to make networks.";

constexpr const char* kNoneIsAlone =
    "container cannot be connected to multiple networks with one of the networks in private (none) "
    "mode";

// A file of /proc of a process.
constexpr std::string_view kNetworkSpace = "ns/net";

std::unexpected<Error> wrong_network(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

// Modes that are no network.
bool is_plain_mode(const std::string& mode) {
  return mode == kNoNetwork || mode == "host" || !joined_container(mode).empty();
}

// Whether it has left all its networks, and is not in "none" either.
bool is_in_nothing(const CreateConfig& config) {
  return network_mode(config.host) == kNoNetwork && config.networking.endpoints.empty();
}

// What a container asks of the networks that it is to be in, by their ids; that of its mode first.
using Wishes = std::vector<std::pair<NetworkRecord, EndpointConfig>>;

Result<Wishes> wishes_of(const CreateConfig& config, const network::LocalNetworks& networks) {
  Wishes wishes;
  if (is_in_nothing(config)) return wishes;
  auto add = [&](const std::string& name, const EndpointConfig& endpoint) -> Status {
    TRY_ASSIGN(NetworkRecord record, networks.find(name));
    auto same =
        std::ranges::find_if(wishes, [&](const auto& wish) { return wish.first.id == record.id; });
    if (same != wishes.end()) {
      same->second = endpoint;
    } else {
      wishes.emplace_back(std::move(record), endpoint);
    }
    return {};
  };
  TRY(add(network_mode(config.host), {}));
  for (const auto& [name, endpoint] : config.networking.endpoints) TRY(add(name, endpoint));
  return wishes;
}

// Plugins choose addresses and gateways for each endpoint.
void show_plugged(const network::CniEndpoint& endpoint, NetworkStatus& status) {
  if (auto four = network::parse_address4(endpoint.address)) {
    status.address = four->address.text();
    status.prefix_length = four->bits;
    status.gateway = endpoint.gateway;
  }
  if (auto six = network::parse_address6(endpoint.address6)) {
    status.address6 = six->address.text();
    status.prefix_length6 = six->bits;
    status.gateway6 = endpoint.gateway6;
  }
}

// Whether one that is in `wishes` can be in one more.
Status check_joining(const ContainerRecord& record, const Wishes& wishes,
                     const NetworkRecord& wanted) {
  bool is_in =
      std::ranges::any_of(wishes, [&](const auto& wish) { return wish.first.id == wanted.id; });
  if (is_in) {
    return fail(Code::kPermissionDenied, cat("endpoint with name ", record.name,
                                             " already exists in network ", wanted.name));
  }
  bool is_alone = network_mode(record.config.host) == kNoNetwork || wanted.name == kNoNetwork;
  if (!wishes.empty() && is_alone) return wrong_network(kNoneIsAlone);
  return {};
}

bool has_local_ports(const std::vector<Endpoint>& endpoints) {
  return std::ranges::any_of(endpoints, [](const Endpoint& endpoint) {
    return std::ranges::any_of(endpoint.ports, &network::PublishedPort::is_local);
  });
}

// One without a network may have had some.
bool wishes_local_ports(const CreateConfig& config) {
  std::string mode = network_mode(config.host);
  if (mode != kNoNetwork && is_plain_mode(mode)) return false;
  auto ports = port_wishes(config);
  return ports && std::ranges::any_of(*ports, &PortWish::is_local);
}

}  // namespace

std::vector<NetworkRecord> ContainersImpl::wanted_networks(const ContainerRecord& record) const {
  std::vector<NetworkRecord> networks;
  if (!has_networks() || is_plain_mode(network_mode(record.config.host))) return networks;
  auto wishes = wishes_of(record.config, *stores_.networks);
  if (!wishes) return networks;
  for (auto& [network, config] : *wishes) networks.push_back(std::move(network));
  return networks;
}

Status ContainersImpl::check_networks(const ContainerRecord& record,
                                      std::vector<std::string>& warnings) const {
  const HostConfig& host = record.config.host;
  std::string mode = network_mode(host);
  TRY_ASSIGN(std::vector<PortWish> ports, port_wishes(record.config));
  if (is_plain_mode(mode)) {
    if (!ports.empty() && mode == "host") {
      warnings.emplace_back("Published ports are discarded when using host network mode");
    }
    bool is_elsewhere =
        std::ranges::any_of(record.config.networking.endpoints,
                            [](const auto& one) { return one.first != kNoNetwork; });
    if (mode == kNoNetwork && is_elsewhere) return wrong_network(kNoneIsAlone);
    return {};
  }
  if (!has_networks()) {
    if (mode != "bridge") return fail(Code::kNotFound, cat("network ", mode, " not found"));
    warnings.emplace_back(kNoNetworks);
    return {};
  }
  auto request = attach_request(record);
  if (request) return {};
  // That there is no such network, or that it only has settings, docker tells of at the start.
  Code why = request.error().code();
  if (why == Code::kNotFound || why == Code::kPermissionDenied) return {};
  return fail(std::move(request).error());
}

Result<AttachRequest> ContainersImpl::attach_request(const ContainerRecord& record) const {
  AttachRequest request;
  request.container = record.id;
  request.name = record.name;
  TRY_ASSIGN(Wishes wishes, wishes_of(record.config, *stores_.networks));
  std::string mac = record.config.config.mac_address;
  for (const auto& [network, endpoint] : wishes) {
    TRY_ASSIGN(Join join, join_of(network, endpoint, mac));
    request.joins.push_back(std::move(join));
    mac.clear();  // it is of the first
  }
  TRY_ASSIGN(request.ports, port_wishes(record.config));
  return request;
}

Result<Fd> ContainersImpl::attach_networks(const ContainerRecord& record, FdRef space) const {
  if (!has_networks() || is_plain_mode(network_mode(record.config.host))) {
    TRY(write_files(record));
    return Fd();
  }
  auto attached = [&]() -> Result<network::Attachment> {
    TRY_ASSIGN(AttachRequest request, attach_request(record));
    request.space = space;
    return stores_.networks->attach(request);
  }();
  if (!attached) {
    return fail(std::move(attached).error().add_context("failed to set up container networking"));
  }
  network::Attachment attachment = std::move(*attached);
  TRY(write_files(record));
  tell_neighbours(networks_of(record.id));
  tell_linked(record.id);
  return std::move(attachment.space);
}

// Has the shim lead the ports at [::1] to the container. Nothing is asked of it when there are
// none, and there were none before (`had`).
Status ContainersImpl::serve_local_ports(const std::string& id, bool had) const {
  if (stores_.networks == nullptr) return {};
  std::vector<Endpoint> endpoints = stores_.networks->endpoints_of_container(id);
  if (!had && !has_local_ports(endpoints)) return {};
  std::string text;
  for (const Endpoint& endpoint : endpoints) {
    for (const network::PublishedPort& port : endpoint.ports) {
      if (!port.is_local()) continue;
      std::string address = endpoint.addresses().front().text();
      text += cat(port.host_port, " ", address, " ", port.container_port);
      // TCP goes without saying: shims of before know nothing else.
      text += port.protocol == "tcp" ? "\n" : cat(" ", port.protocol, "\n");
    }
  }
  TRY_CONTEXT(tasks_->serve_ports(key(id), text), "failed to set up container networking");
  return {};
}

void ContainersImpl::detach_networks(const std::string& id) const {
  if (stores_.networks == nullptr) return;
  std::vector<std::string> networks = networks_of(id);
  stores_.networks->detach(id);
  tell_neighbours(networks);
}

std::vector<Event> ContainersImpl::network_events(const ContainerRecord& record,
                                                  std::string_view action) const {
  std::vector<Event> events;
  if (stores_.networks == nullptr) return events;
  for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(record.id)) {
    auto network = stores_.networks->find(endpoint.network);
    if (!network) continue;
    Event event;
    event.type = "network";
    event.action = action;
    event.actor = network->id;
    event.attributes = {
        {"container", record.id}, {"name", network->name}, {"type", network->driver}};
    event.time = metadata::now();
    events.push_back(std::move(event));
  }
  return events;
}

std::vector<NetworkStatus> ContainersImpl::network_statuses(const ContainerRecord& record) const {
  std::vector<NetworkStatus> result;
  std::string mode = network_mode(record.config.host);
  if (stores_.networks == nullptr || !joined_container(mode).empty()) return result;
  if (!has_networks() && mode != kNoNetwork && mode != "host") return result;
  auto wishes = wishes_of(record.config, *stores_.networks);
  std::vector<Endpoint> endpoints = stores_.networks->endpoints_of_container(record.id);
  if (!wishes) return result;
  for (auto& [network, config] : *wishes) {
    NetworkStatus status;
    status.name = network.name;
    status.config = std::move(config);
    if (has_names(network)) {
      status.dns_names = dns_names(record, &status.config);
    }
    auto endpoint = std::ranges::find(endpoints, network.id, &Endpoint::network);
    // Docker keeps it when the container has ended.
    bool has_been_there = record.progress.state.phase != Phase::kCreated;
    if (has_been_there || endpoint != endpoints.end()) status.network_id = network.id;
    if (endpoint != endpoints.end()) {
      status.endpoint_id = endpoint->id;
      if (network.v4) {
        status.gateway = network.internal ? "" : network.v4->gateway.text();
        status.address = endpoint->address.text();
        status.prefix_length = network.v4->subnet.bits;
      }
      if (network.v6) {
        status.gateway6 = network.internal ? "" : network.v6->gateway.text();
        status.address6 = endpoint->address6.text();
        status.prefix_length6 = network.v6->subnet.bits;
      }
      status.mac = endpoint->mac;
      status.is_gateway = endpoint->is_gateway;
      if (endpoint->cni) show_plugged(*endpoint->cni, status);
    }
    result.push_back(std::move(status));
  }
  return result;
}

std::vector<PortStatus> ContainersImpl::port_statuses(const ContainerRecord& record) const {
  std::vector<PortStatus> result;
  if (!record.progress.state.has_process()) return result;
  std::set<std::string> published;
  if (stores_.networks != nullptr) {
    for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(record.id)) {
      for (const network::PublishedPort& port : endpoint.ports) {
        PortStatus& status = result.emplace_back(
            PortStatus{port.container_port, port.protocol, port.host.text(), port.host_port});
        if (port.is_direct) {
          status.host = port.host.is_v6 ? "::" : "0.0.0.0";
          status.host_port = 0;
        }
        published.insert(cat(port.container_port, "/", port.protocol));
      }
    }
  }
  // Docker has none of these where the network is another's.
  std::string mode = network_mode(record.config.host);
  if (is_plain_mode(mode)) return result;
  for (const std::string& port : record.config.config.exposed_ports) {
    auto parsed = network::parse_port(port);
    if (parsed && !published.contains(port)) {
      result.push_back({parsed->first, parsed->second, {}, 0});
    }
  }
  return result;
}

// After shims have told which containers run.
Status ContainersImpl::settle_networks() const {
  if (stores_.networks == nullptr) return {};
  std::set<std::string> running;
  for (const ContainerPtr& container : all()) {
    std::lock_guard lock(container->mutex);
    if (container->io_ready) running.insert(container->id);
  }
  stores_.networks->settle(running);
  if (!has_networks()) return {};
  for (const std::string& id : running) {
    auto container = find(id);
    if (!container) continue;  // it has ended, and was not to stay
    RecordPtr record = (*container)->record();
    auto told = settle_resolver(*record);
    // Also those of a network that it has left: who took it out may have died before the shim was
    // told.
    bool had = has_local_ports(stores_.networks->endpoints_of_container(id)) ||
               (has_resolver(*record) && wishes_local_ports(record->config));
    auto finished = finish_connecting(*record);
    auto served = serve_local_ports(id, had);
    for (const Status& status : {told, finished, served}) {
      if (!status) log::warning(cat("container ", id, ": ", status.error().message()));
    }
    // Without the resolver its files stay what they are.
    if (!told) continue;
    if (stores_.networks->endpoints_of_container(id).empty()) continue;
    change_hosts(*record, {});
    if (asks_resolver(*record)) change_resolv_conf(*record);
  }
  std::vector<std::string> networks;
  for (const NetworkRecord& record : stores_.networks->list()) networks.push_back(record.id);
  tell_neighbours(networks);
  drop_stray_names();
  return {};
}

// The process may have ended by now, and its number may be another's: it is the container's if the
// container's shim, whose child it is, says afterwards that it has not ended.
Result<Fd> ContainersImpl::proc_file(const ContainerRecord& record, std::string_view name) const {
  std::int64_t pid = record.progress.state.pid;
  TRY_ASSIGN(Fd file, open_at(kCwd, cat("/proc/", pid, "/", name), O_RDONLY));
  TRY_ASSIGN(rpc::task::StateResponse state, tasks_->state(key(record.id)));
  bool has_ended = state.status == rpc::task::ProcessStatus::kStopped;
  if (state.pid == pid && !has_ended) return file;
  return fail(Code::kFailedPrecondition, cat("container ", record.id, " is not running"));
}

// What a connect or disconnect has written down before a death, and not done; but for the ports at
// [::1].
Status ContainersImpl::finish_connecting(const ContainerRecord& record) const {
  std::string mode = network_mode(record.config.host);
  Wishes wishes;
  if (!is_plain_mode(mode)) {
    TRY_ASSIGN(wishes, wishes_of(record.config, *stores_.networks));
  }
  std::vector<Endpoint> endpoints = stores_.networks->endpoints_of_container(record.id);
  for (const Endpoint& endpoint : endpoints) {
    bool is_wanted = std::ranges::any_of(
        wishes, [&](const auto& wish) { return wish.first.id == endpoint.network; });
    if (is_wanted) continue;
    std::vector<std::string> lines = own_lines(record, endpoint);
    TRY_ASSIGN(Fd space, proc_file(record, kNetworkSpace));
    TRY(stores_.networks->disconnect(record.id, endpoint.network, space));
    change_hosts(record, lines);
  }
  for (const auto& [network, config] : wishes) {
    bool is_there = std::ranges::any_of(
        endpoints, [&, &id = network.id](const Endpoint& one) { return one.network == id; });
    if (is_there) continue;
    TRY_ASSIGN(Join join, join_of(network, config, {}));
    TRY_ASSIGN(Fd space, proc_file(record, kNetworkSpace));
    TRY_ASSIGN(std::vector<PortWish> ports, port_wishes(record.config));
    TRY(stores_.networks->connect(record.id, record.name, join, ports, space));
  }
  return {};
}

Status ContainersImpl::connect(std::string_view ref, std::string_view network,
                               const EndpointConfig& config) {
  if (!has_networks()) return fail(Code::kUnimplemented, std::string(kNoNetworks));
  TRY_ASSIGN(ContainerPtr container, find(ref));
  std::lock_guard operation(container->operation);
  TRY_ASSIGN(NetworkRecord wanted, stores_.networks->find(network));
  ContainerRecord record = *container->record();
  std::string mode = network_mode(record.config.host);
  if (mode == "host" || wanted.name == "host") {
    return wrong_network(
        "container cannot be disconnected from host network or connected to host network");
  }
  if (!joined_container(mode).empty()) {
    return wrong_network(
        "container sharing network namespace with another container or host cannot be connected "
        "to any other network");
  }
  TRY_ASSIGN(Wishes wishes, wishes_of(record.config, *stores_.networks));
  TRY(check_joining(record, wishes, wanted));
  // One that has left all its networks: this is its first.
  if (mode == kNoNetwork) record.config.host.network_mode = wanted.name;
  if (wanted.name == kNoNetwork) {
    record.config.networking.endpoints[wanted.name] = config;
    return commit_config(*container, record);
  }
  for (const std::string& link : config.links) TRY(parse_link(link));
  TRY_ASSIGN(Join join, join_of(wanted, config, {}));
  record.config.networking.endpoints[wanted.name] = config;
  TRY(commit_config(*container, record));
  if (!record.progress.state.has_process()) return {};
  // The resolver first, as nothing is lost by one that is not asked.
  auto joined = [&]() -> Status {
    TRY(settle_resolver(record));
    TRY_ASSIGN(Fd space, proc_file(record, kNetworkSpace));
    TRY_ASSIGN(std::vector<PortWish> ports, port_wishes(record.config));
    TRY(stores_.networks->connect(record.id, record.name, join, ports, space));
    auto served = serve_local_ports(record.id, false);
    if (!served) std::ignore = stores_.networks->disconnect(record.id, wanted.id, space);
    return served;
  }();
  if (!joined) {
    record.config.networking.endpoints.erase(wanted.name);
    record.config.host.network_mode = mode;
    std::ignore = stores_.database.write([&](metadata::Transaction& transaction) {
      return ContainerRows(transaction, options_.name_space).set_config(record);
    });
    container->set_record(std::make_shared<const ContainerRecord>(record));
    std::ignore = settle_resolver(record);
    return fail(std::move(joined).error());
  }
  change_hosts(record, {});
  change_resolv_conf(record);
  if (wanted.is_default()) tell_linked(record.id);
  tell_neighbours({wanted.id});
  for (Event& event : network_events(record, "connect")) {
    if (event.actor == wanted.id) std::ignore = stores_.events.publish(std::move(event));
  }
  return {};
}

Status ContainersImpl::disconnect(std::string_view ref, std::string_view network, bool force) {
  if (!has_networks()) return fail(Code::kUnimplemented, std::string(kNoNetworks));
  TRY_ASSIGN(ContainerPtr container, find(ref));
  std::lock_guard operation(container->operation);
  TRY_ASSIGN(NetworkRecord unwanted, stores_.networks->find(network));
  ContainerRecord record = *container->record();
  std::string mode = network_mode(record.config.host);
  if (mode == "host" || unwanted.name == "host") {
    return wrong_network(
        "container cannot be disconnected from host network or connected to host network");
  }
  TRY_ASSIGN(Wishes wishes, wishes_of(record.config, *stores_.networks));
  auto left =
      std::ranges::find_if(wishes, [&](const auto& wish) { return wish.first.id == unwanted.id; });
  if (left == wishes.end()) {
    if (force) return {};
    return fail(Code::kPermissionDenied,
                cat("container ", record.id, " is not connected to network ", unwanted.name));
  }
  wishes.erase(left);
  std::vector<Event> events = network_events(record, "disconnect");
  std::erase_if(events, [&](const Event& event) { return event.actor != unwanted.id; });
  record.config.networking.endpoints.clear();
  for (const auto& [other, config] : wishes) {
    record.config.networking.endpoints[other.name] = config;
  }
  // The mode is the first network's name, and one without any has that of "none".
  record.config.host.network_mode = wishes.empty() ? kNoNetwork : wishes.front().first.name;
  TRY(commit_config(*container, record));
  if (!record.progress.state.has_process() || unwanted.name == kNoNetwork) return {};
  std::vector<std::string> lines;
  for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(record.id)) {
    if (endpoint.network == unwanted.id) lines = own_lines(record, endpoint);
  }
  TRY_ASSIGN(Fd space, proc_file(record, kNetworkSpace));
  bool had = has_local_ports(stores_.networks->endpoints_of_container(record.id));
  TRY(stores_.networks->disconnect(record.id, unwanted.id, space));
  TRY(serve_local_ports(record.id, had));
  if (auto told = settle_resolver(record); !told) {
    log::warning(cat("container ", record.id, ": resolver: ", told.error().message()));
  }
  change_hosts(record, lines);
  tell_neighbours({unwanted.id});
  for (Event& event : events) std::ignore = stores_.events.publish(std::move(event));
  return {};
}

}  // namespace dhow::engine
