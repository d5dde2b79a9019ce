// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

#include "base/result.h"
#include "sys/netlink.h"

namespace dhow::runtime {

// Sets "lo" up in the namespace of the calling process: for init, in a new network namespace.
using dhow::bring_loopback_up;

// linux.netDevices of the runtime specification: moves interfaces of the caller's network namespace
// into the one of process `pid`, which must be another. `devices` maps the name on the host to the
// name inside ("": the same; one with "%d" lets the kernel number it). An interface keeps its
// addresses of global scope and is set up inside. A name that is taken inside is an error.
//
// All or nothing: on a failure what was moved already goes back to the host under its old name,
// with its addresses and its state. Blocks for the kernel's RCU periods (milliseconds an
// interface).
Status move_net_devices(const std::map<std::string, std::string>& devices, pid_t pid);

}  // namespace dhow::runtime
