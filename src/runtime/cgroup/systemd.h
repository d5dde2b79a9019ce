// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/host.h"
#include "runtime/cgroup/systemd_client.h"

namespace dhow::cgroup {

// The manager that lets systemd make the cgroup, as a transient scope with delegation, and then
// works on its files as the cgroupfs manager does. `connector` gives the connection to the manager
// that Location::user_manager names.
Result<std::unique_ptr<Cgroup>> make_systemd(const Settings& settings, const HostView& host,
                                             const Layout& layout,
                                             SystemdClient::Connector connector);
Result<std::unique_ptr<Cgroup>> open_systemd(const Location& location, const Settings& settings,
                                             const HostView& host,
                                             SystemdClient::Connector connector);

}  // namespace dhow::cgroup
