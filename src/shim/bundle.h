// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "rpc/runc_options.h"
#include "shim/oci_runtime.h"

namespace dhow::shim {

// What the shim reads from a bundle and keeps in it.

// The options of Create, for the `delete` action of a later shim: file "dhow-options" of the
// bundle.
Status save_options(const std::string& bundle, const rpc::runc::Options& options);
// Those of a container that was made with none, or never made, are the default ones.
rpc::runc::Options load_options(const std::string& bundle);

RuntimeChoice choose_runtime(const rpc::runc::Options& options, const std::string& bundle,
                             const std::string& default_root, const std::string& name_space);

// Whether a mount of the container is to go on into the host's mounts ("shared", "rshared"): then
// its root can't be mounted where the host doesn't see it. For a worker: reads all of the
// configuration.
Result<bool> wants_host_mounts(const std::string& bundle);
// For a worker that was given them: goes there.
Status enter_host_mounts();

// Whether the process is the first one of a pid namespace, and so takes all others with it.
bool is_first_of_its_pids(pid_t pid);

// The name of the group of containers that share a shim: the annotation
// io.containerd.runc.v2.group, or io.kubernetes.cri.sandbox-id; empty without one.
Result<std::string> group_of(const std::string& bundle);

}  // namespace dhow::shim
