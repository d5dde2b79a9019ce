// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "oci/config.h"
#include "runtime/rootfs/rootfs.h"
#include "sys/fd.h"

namespace dhow::init {

// Makes the pty the process's controlling terminal and standard streams, with the configured
// size, and sends its master over the console socket (one message: the name and the descriptor).
Status give_terminal(const Fd& console_socket, const rootfs::Rootfs::Console& console,
                     const oci::Process& process);

}  // namespace dhow::init
