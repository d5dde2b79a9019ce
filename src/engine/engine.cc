// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/hasher.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/programs.h"
#include "engine/storage_driver.h"
#include "network/rootless/place.h"
#include "oci/platform.h"
#include "snapshot/tree.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/process_lock.h"

namespace dhow::engine {

namespace {

// share/dhow/images of the installation that this program is of; "": there is none.
std::string find_builtin_images() {
  char self[4096];
  ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
  if (size <= 0) return {};
  std::string path(self, static_cast<std::size_t>(size));
  std::string folder = cat(path.substr(0, path.rfind('/')), "/../share/dhow/images");
  return ::access(folder.c_str(), R_OK) == 0 ? folder : std::string();
}

Status read_pools(const EngineOptions& given, network::NetworksOptions& options) {
  for (const EngineOptions::AddressPool& pool : given.address_pools) {
    auto base = network::parse_subnet4(pool.base);
    auto base6 = network::parse_subnet6(pool.base);
    if (base && pool.size >= base->bits && pool.size <= network::kSmallestSubnet4) {
      options.pools.push_back({*base, static_cast<int>(pool.size)});
    } else if (base6 && pool.size >= base6->bits && pool.size <= network::kSmallestSubnet6) {
      options.pools6.push_back({*base6, static_cast<int>(pool.size)});
    } else {
      return fail(Code::kInvalidArgument,
                  cat("default-address-pools: base ", quoted(pool.base), " and size ", pool.size,
                      ": not a subnet and the length of those in it"));
    }
  }
  return {};
}

// Names on the host: short ones for the engine of the machine, for another its folder's.
Result<network::NetworksOptions> networks_options(const EngineOptions& given) {
  network::NetworksOptions options;
  options.name_space = given.name_space;
  options.state = given.state;
  std::string own;
  if (given.state != "/run/dhow") {
    constexpr std::size_t kDigits = 8;
    own = digest_of(given.state).hex().substr(0, kDigits);
  }
  options.bridge = !given.bridge.empty() ? given.bridge : own.empty() ? "dhow0" : "dhow-" + own;
  options.table = !given.firewall_table.empty() ? given.firewall_table
                  : own.empty()                 ? "dhow"
                                                : "dhow-" + own;
  // Without root nobody's firewall is passed: ports are sockets of the user's.
  if (!given.is_rootless) options.gate = own.empty() ? "dhow-i" : "dhow-" + own + "-i";
  options.address = given.bridge_address;
  options.opens_host_firewall = given.opens_host_firewall;
  options.cni_plugins = given.cni_plugins;
  options.cni_networks = given.cni_networks;
  options.ipv6 = given.ipv6;
  options.subnet6 = given.bridge_subnet6;
  // The same with each start, and another on each machine.
  constexpr std::size_t kShort = 64;
  options.host_id = trim(read_file("/etc/machine-id", kShort).value_or(given.root));
  TRY(read_pools(given, options));
  // In a user namespace the machine's own network is out of reach.
  TRY_ASSIGN(bool is_users_own, in_user_namespace());
  options.usable = !is_users_own && ::geteuid() == 0;
  if (!given.is_rootless) return options;
  std::string keeper = find_program(given.network_keeper, "dhow-net");
  options.usable = !keeper.empty();
  if (!options.usable) {
    log::warning("the program dhow-net is not installed: containers have no networks");
    return options;
  }
  options.place =
      network::rootless::make_place({given.state, std::move(keeper), given.rootless_uplink});
  return options;
}

}  // namespace

// In the order in which they are opened; they go the other way round.
struct Engine::Impl {
  explicit Impl(EngineOptions wanted) : options(std::move(wanted)) {}

  EngineOptions options;
  ProcessLock lock;
  std::unique_ptr<metadata::Database> database;
  std::unique_ptr<metadata::LeaseStore> leases;
  std::unique_ptr<content::LocalContentStore> content;
  std::unique_ptr<snapshot::Snapshotter> snapshots;
  std::unique_ptr<image::Store> images;
  std::unique_ptr<ImageStores> stores;
  std::unique_ptr<Events> events;
  std::unique_ptr<ImageReader> reader;
  std::unique_ptr<volume::Store> volume_store;
  std::unique_ptr<Volumes> volumes;
  std::unique_ptr<network::LocalNetworks> networks;
  std::unique_ptr<Networks> network_cases;
  std::unique_ptr<Containers> containers;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() {
  // First: its threads use the rest.
  impl_->containers.reset();
}

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (impl->options.builtin_images.empty()) impl->options.builtin_images = find_builtin_images();
  const EngineOptions& given = impl->options;
  TRY(make_dirs(given.root, 0711));
  TRY(make_dirs(given.state, 0711));
  TRY_ASSIGN(Fd state, open_at(kCwd, given.state, O_RDONLY | O_DIRECTORY));
  auto lock = ProcessLock::take(state, "engine.lock");
  if (!lock) {
    bool taken = lock.error().code() == Code::kUnavailable;
    return fail(std::move(lock).error().add_context(
        cat(taken ? "another engine uses" : "lock", " the state folder ", given.state)));
  }
  impl->lock = std::move(*lock);
  TRY_ASSIGN(impl->database, metadata::Database::open(given.root + "/dhow.db"));
  impl->leases = std::make_unique<metadata::LeaseStore>(*impl->database);
  TRY_ASSIGN(impl->content, content::open_local_store(given.root + "/content", *impl->database));
  TRY_ASSIGN(impl->snapshots, open_snapshots(given.root, given.storage_driver, *impl->database));
  if (given.root_size > 0) TRY_CONTEXT(impl->snapshots->check_quota(), "overlay2.size");
  impl->images = std::make_unique<image::Store>(*impl->database);
  impl->stores = std::make_unique<ImageStores>(
      ImageStores{*impl->leases, *impl->content, *impl->snapshots, *impl->images});
  impl->events = std::make_unique<Events>(*impl->database);
  impl->reader = std::make_unique<ImageReader>(*impl->stores, oci::host_platform());
  TRY_ASSIGN(impl->volume_store, volume::Store::open(given.root + "/volumes", *impl->database,
                                                     snapshot::remove_deep_tree));
  impl->volumes = std::make_unique<Volumes>(*impl->volume_store, *impl->events);
  TRY_ASSIGN(network::NetworksOptions networks, networks_options(given));
  TRY_ASSIGN(impl->networks, network::LocalNetworks::open(std::move(networks), *impl->database));
  impl->network_cases = std::make_unique<Networks>(*impl->networks, *impl->events);
  auto containers = std::make_unique<ContainersImpl>(
      given,
      ContainerStores{*impl->database, *impl->stores, *impl->events, *impl->reader, *impl->volumes,
                      impl->networks.get()},
      task::Tasks::open);
  TRY(containers->open());
  impl->containers = std::make_unique<Containers>(std::move(containers));
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

const EngineOptions& Engine::options() const { return impl_->options; }
metadata::Database& Engine::database() { return *impl_->database; }
metadata::LeaseStore& Engine::leases() { return *impl_->leases; }
content::LocalContentStore& Engine::content() { return *impl_->content; }
snapshot::Snapshotter& Engine::snapshots() { return *impl_->snapshots; }
image::Store& Engine::images() { return *impl_->images; }
ImageStores Engine::stores() { return *impl_->stores; }
Events& Engine::events() { return *impl_->events; }
Containers& Engine::containers() { return *impl_->containers; }
Volumes& Engine::volumes() { return *impl_->volumes; }
Networks& Engine::networks() { return *impl_->network_cases; }

std::vector<std::string> Engine::runtimes() const {
  std::vector<std::string> names = {impl_->options.default_runtime};
  auto add = [&](const std::string& name) {
    if (name != names.front()) names.push_back(name);
  };
  for (const char* name : {"dhow", "runc", "crun"}) add(name);
  for (const auto& [name, choice] : impl_->options.runtimes) add(name);
  return names;
}

}  // namespace dhow::engine
