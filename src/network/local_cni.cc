// SPDX-License-Identifier: Apache-2.0
// Networks of the driver "cni": plugins of others make and unmake their interfaces.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "network/local_networks.h"
#include "network/name_space.h"
#include "sys/file_io.h"
#include "sys/random_name.h"

namespace dhow::network {
namespace {

constexpr std::string_view kConflist = "conflist";
constexpr std::string_view kCollect = "gc";

std::unexpected<Error> bad_request(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

Status check_wish(const NewNetwork& wanted) {
  if (!wanted.scope.empty() && wanted.scope != "local") {
    return bad_request(cat("invalid network scope: ", wanted.scope));
  }
  if (wanted.ingress || wanted.config_only || !wanted.config_from.empty()) {
    return fail(Code::kUnimplemented,
                "Ingress, ConfigOnly and ConfigFrom of networks are not supported yet");
  }
  // What is in the configuration is nothing that we could change.
  auto refuse = [](std::string_view what) {
    return bad_request(cat(what, ": a network of the driver \"cni\" has it from the configuration ",
                           "that the option \"conflist\" names"));
  };
  if (wanted.internal) return refuse("Internal");
  if (wanted.ipv4 || wanted.ipv6.value_or(false)) return refuse("EnableIPv4, EnableIPv6");
  if (!wanted.subnets.empty()) return refuse("IPAM.Config");
  if (!wanted.ipam_driver.empty() && wanted.ipam_driver != "default") return refuse("IPAM.Driver");
  return {};
}

bool has_capability(const cni::NetworkConfig& config, const std::string& name) {
  return std::ranges::any_of(config.plugins, [&](const cni::PluginConfig& plugin) {
    return plugin.capabilities.contains(name);
  });
}

// What is asked of the endpoint has to be somebody's business.
Result<cni::CapabilityArgs> capabilities_of(const cni::NetworkConfig& config,
                                            const Endpoint& endpoint, const Join& wanted) {
  cni::Capabilities all;
  all.mac = wanted.mac;
  if (wanted.address) all.ips.push_back(wanted.address->text());
  if (wanted.address6) all.ips.push_back(wanted.address6->text());
  for (const PublishedPort& port : endpoint.ports) {
    std::string host = port.host.is_any() ? std::string() : port.host.text();
    all.port_mappings.push_back({port.host_port, port.container_port, port.protocol, host});
  }
  cni::CapabilityArgs args = all.args();
  for (const auto& [name, value] : args) {
    if (has_capability(config, name)) continue;
    return bad_request(
        cat("network ", config.name, ": none of its plugins has the capability ", quoted(name)));
  }
  all.aliases = {endpoint.name};
  return all.args();
}

// Plugins want a path, also when the container has ended.
Status pin(FdRef space, const std::string& path) {
  TRY(make_dirs(path.substr(0, path.rfind('/')), 0711));
  TRY(open_at(kCwd, path, O_RDONLY | O_CREAT | O_EXCL, 0400));
  if (::mount(proc_fd_path(space).c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    Status failed = fail_errno(errno, cat("mount a network namespace at ", quoted(path)));
    ::unlink(path.c_str());
    return failed;
  }
  return {};
}

bool is_pinned(const std::string& path) {
  struct statfs facts{};
  return ::statfs(path.c_str(), &facts) == 0 && facts.f_type == NSFS_MAGIC;
}

void unpin(const std::string& path) {
  while (is_pinned(path) && ::umount2(path.c_str(), MNT_DETACH) == 0) {
  }
  ::unlink(path.c_str());
}

// The first address of each family that is the container's.
void take_result(const cni::AddResult& result, Endpoint& endpoint) {
  auto is_inside = [&](std::size_t index) {
    return index < result.interfaces.size() && !result.interfaces[index].sandbox.empty();
  };
  for (const cni::Interface& interface : result.interfaces) {
    if (interface.name == endpoint.inside && !interface.sandbox.empty()) {
      endpoint.mac = lower_text(interface.mac);
    }
  }
  for (const cni::IpConfig& ip : result.ips) {
    if (ip.interface && !is_inside(*ip.interface)) continue;
    bool is_six = ip.address.find(':') != std::string::npos;
    std::string& address = is_six ? endpoint.cni->address6 : endpoint.cni->address;
    if (!address.empty()) continue;
    address = ip.address;
    (is_six ? endpoint.cni->gateway6 : endpoint.cni->gateway) = ip.gateway;
  }
  endpoint.take_addresses_of_plugins();
}

}  // namespace

Result<NetworkRecord> LocalNetworks::cni_record_of(const NewNetwork& wanted) const {
  if (options_.place) {
    return fail(Code::kUnimplemented,
                "networks of the driver \"cni\" need an engine of root: plugins expect its rights");
  }
  TRY(check_wish(wanted));
  NetworkRecord record;
  record.name = wanted.name;
  record.driver = "cni";
  record.attachable = wanted.attachable;
  record.options = wanted.options;
  record.labels = wanted.labels;
  std::string file = record.text_option(kConflist);
  if (file.empty()) {
    return bad_request(cat("a network of the driver \"cni\" needs the option ", quoted(kConflist),
                           ": the name of a network in ", options_.cni_networks,
                           ", or the path of its file"));
  }
  auto config = file.front() == '/' ? cni::load_network(file)
                                    : cni::find_network(options_.cni_networks, file);
  if (!config) {
    return fail(std::move(config).error().add_context(cat("option ", quoted(kConflist))));
  }
  for (const cni::PluginConfig& plugin : config->plugins) TRY(cni_.plugins().find(plugin.type));
  record.cni = cni::network_text(*config);
  TRY_ASSIGN(record.id, random_id());
  return record;
}

Result<bool> LocalNetworks::is_for_plugins(const std::vector<Join>& joins) const {
  for (const Join& join : joins) {
    TRY_ASSIGN(NetworkRecord record, by_id(join.network));
    if (!record.is_cni()) continue;
    if (joins.size() == 1) return true;
    return bad_request(cat("network ", record.name, " is of the driver \"cni\": a container in it ",
                           "cannot be in other networks as well"));
  }
  return false;
}

// Rows before what they stand for: here also before the namespace has a mount.
Result<Attachment> LocalNetworks::attach_by_plugins(const AttachRequest& request) {
  const Join& wanted = request.joins.front();
  TRY_ASSIGN(NetworkRecord record, by_id(wanted.network));
  Attachment result;
  Endpoint& endpoint = result.endpoints.emplace_back();
  TRY_ASSIGN(endpoint.id, random_id());
  endpoint.network = record.id;
  endpoint.container = request.container;
  endpoint.name = request.name;
  endpoint.inside = wanted.inside.empty() ? "eth0" : wanted.inside;
  endpoint.is_gateway = true;
  endpoint.cni.emplace().space = cat(options_.state, "/cni/netns/", endpoint.id);
  {
    std::lock_guard lock(mutex_);
    auto ports = ports_.take(request.container, request.ports, Families());
    if (!ports) {
      return fail(std::move(ports).error().add_context(
          cat("driver failed programming external connectivity on endpoint ", request.name, " (",
              endpoint.id, ")")));
    }
    endpoint.ports = std::move(*ports);
    wired_[request.container].push_back({endpoint, false});
  }
  Cleanup undo([&] { unplug(endpoint); });
  TRY(add_rows(result.endpoints));
  // Plugins decide on IPv6.
  if (request.space.get() < 0) {
    TRY_ASSIGN(result.space, make_name_space(bring_loopback_up));
  } else {
    TRY(run_in_name_space(request.space, set_up_for_container));
  }
  TRY(plug(endpoint, record, wanted, result.space ? FdRef(result.space) : request.space));
  undo.dismiss();
  return result;
}

Status LocalNetworks::plug(Endpoint& endpoint, const NetworkRecord& record, const Join& wanted,
                           FdRef space) {
  TRY_ASSIGN(cni::NetworkConfig config, cni::parse_network(record.cni));
  cni::Attachment attachment;
  attachment.container = endpoint.container;
  attachment.interface = endpoint.inside;
  attachment.netns = endpoint.cni->space;
  TRY_ASSIGN(attachment.capabilities, capabilities_of(config, endpoint, wanted));
  TRY(guard_forwarding());
  TRY(pin(space, endpoint.cni->space));
  TRY_ASSIGN(cni::AddResult added, cni_.add(config, attachment));
  take_result(added, endpoint);
  TRY(database_.write([&](metadata::Transaction& transaction) {
    return Rows(transaction, options_.name_space).update(endpoint);
  }));
  std::lock_guard lock(mutex_);
  for (Wired& wired : wired_[endpoint.container]) {
    if (wired.endpoint.id == endpoint.id) wired.endpoint = endpoint;
  }
  return {};
}

// A plugin that fails is told of; the library remembers what it could not do for collect().
void LocalNetworks::unplug(const Endpoint& endpoint) {
  auto removed = [&]() -> Status {
    TRY_ASSIGN(NetworkRecord record, by_id(endpoint.network));
    TRY_ASSIGN(cni::NetworkConfig config, cni::parse_network(record.cni));
    cni::Attachment attachment;
    attachment.container = endpoint.container;
    attachment.interface = endpoint.inside;
    if (is_pinned(endpoint.cni->space)) attachment.netns = endpoint.cni->space;
    return cni_.remove(config.name, attachment, &config);
  }();
  auto warn = [&](const Status& status) {
    if (status) return;
    log::warning(cat("container ", endpoint.container, ": ", status.error().message()));
  };
  warn(removed);
  unpin(endpoint.cni->space);
  warn(database_.write([&](metadata::Transaction& transaction) {
    return Rows(transaction, options_.name_space)
        .remove_endpoint(endpoint.network, endpoint.container);
  }));
  {
    std::lock_guard lock(mutex_);
    ports_.give_back(endpoint.container);
    std::vector<Wired>& wired = wired_[endpoint.container];
    std::erase_if(wired, [&](const Wired& one) { return one.endpoint.id == endpoint.id; });
    if (wired.empty()) wired_.erase(endpoint.container);
  }
  warn(guard_forwarding());
}

Status LocalNetworks::collect(const NetworkRecord& record) const {
  TRY_ASSIGN(cni::NetworkConfig config, cni::parse_network(record.cni));
  std::vector<cni::ValidAttachment> valid;
  // The configuration may be that of another of our networks too.
  for (const NetworkRecord& other : list()) {
    if (!other.is_cni()) continue;
    for (const Endpoint& endpoint : endpoints_of_network(other.id)) {
      valid.push_back({endpoint.container, endpoint.inside});
    }
  }
  // Plugins take everything for garbage that we do not name, also what is another program's.
  if (record.option(kCollect, false)) return cni_.collect(config, valid);
  return cni_.remove_stale(config, valid);
}

void LocalNetworks::settle_plugged(const std::vector<Endpoint>& running) {
  auto warn = [](const std::string& what, const Status& status) {
    if (!status) log::warning(cat(what, ": ", status.error().message()));
  };
  for (const Endpoint& endpoint : running) {
    std::lock_guard lock(mutex_);
    warn(cat("container ", endpoint.container),
         ports_.take_over(endpoint.container, endpoint.ports));
  }
  for (const NetworkRecord& record : list()) {
    if (record.is_cni()) warn(cat("network ", record.name), collect(record));
  }
}

}  // namespace dhow::network
