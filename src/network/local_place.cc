// SPDX-License-Identifier: Apache-2.0
// What is done where the networks are, which may be a network namespace that this process is not
// in.
#include <optional>
#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "network/local_networks.h"

namespace dhow::network {

LocalNetworks::~LocalNetworks() {
  reaper_.finish();
  if (options_.place && wired_.empty()) options_.place->end();
}

Status LocalNetworks::in_place(Place::Way way, const std::function<Status()>& work) const {
  return options_.place ? options_.place->run(way, work) : work();
}

Status LocalNetworks::lead(const std::vector<FirewallPort>& ports) const {
  if (!options_.place || ports.empty()) return {};
  return options_.place->lead(ports);
}

Result<Attachment> LocalNetworks::attach(const AttachRequest& request) {
  Attachment result;
  TRY(in_place(Place::Way::kOut, [&]() -> Status {
    TRY_ASSIGN(result, attach_there(request));
    return {};
  }));
  return result;
}

void LocalNetworks::detach(const std::string& container) {
  if (endpoints_of_container(container).empty()) return;
  auto done = in_place(Place::Way::kAny, [&]() -> Status {
    detach_there(container);
    return {};
  });
  if (!done) log::warning(cat("container ", container, ": ", done.error().message()));
}

Result<Endpoint> LocalNetworks::connect(const std::string& container, const std::string& name,
                                        const Join& wanted, const std::vector<PortWish>& ports,
                                        FdRef space) {
  Endpoint result;
  TRY(in_place(Place::Way::kOut, [&]() -> Status {
    TRY_ASSIGN(result, connect_there(container, name, wanted, ports, space));
    return {};
  }));
  return result;
}

Status LocalNetworks::disconnect(const std::string& container, const std::string& network,
                                 FdRef space) {
  return in_place(Place::Way::kAny, [&] { return disconnect_there(container, network, space); });
}

Status LocalNetworks::drop(const NetworkRecord& record) {
  if (record.is_cni()) return collect(record);
  // What nobody has made cannot be left.
  if (options_.place && !options_.place->exists()) return {};
  return in_place(Place::Way::kAny, [&] { return drop_bridge(record); });
}

void LocalNetworks::settle(const std::set<std::string>& running) {
  if (!options_.usable) return;
  if (!options_.place) return settle_there(running);
  bool is_empty = false;
  {
    std::lock_guard lock(mutex_);
    is_empty = wired_.empty();
  }
  if (is_empty && !options_.place->exists()) return;
  auto settled = options_.place->run(Place::Way::kAny, [&]() -> Status {
    options_.place->begin_ports();
    settle_there(running);
    options_.place->sweep_ports();
    return {};
  });
  if (!settled) log::warning(cat("networks: ", settled.error().message()));
}

}  // namespace dhow::network
