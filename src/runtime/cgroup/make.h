// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/host.h"

namespace dhow::cgroup {

// make_cgroup and open_cgroup with a view of the host, for tests.
Result<std::unique_ptr<Cgroup>> make_cgroup(const Settings& settings, const HostView& host);
Result<std::unique_ptr<Cgroup>> open_cgroup(const Location& location, const Settings& settings,
                                            const HostView& host);

}  // namespace dhow::cgroup
