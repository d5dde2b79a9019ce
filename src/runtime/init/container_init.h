// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "oci/config.h"
#include "oci/state.h"
#include "runtime/landlock.h"
#include "runtime/namespaces.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/seccomp/seccomp.h"
#include "sys/fd.h"

namespace dhow::init {

// How a container's first process learns that it may start the user's program.
struct StartGate {
  // run: the runtime itself says kStart on the sync socket. create: a byte in the "go" fifo, while
  // what goes wrong afterwards is written to the "result" fifo. Both fifos are open for reading and
  // writing, so that they need no other side, and go by close-on-exec: an open for writing that
  // finds no reader (ENXIO) is how others see that the program runs.
  std::optional<Fd> go;
  std::optional<Fd> result;
};

// All that the first process of a container needs; made before the clone, inherited by it.
struct InitPlan {
  const oci::Config& config;
  const oci::Process& process;
  const runtime::NamespacePlan& namespaces;
  rootfs::Rootfs& rootfs;
  const seccomp::Program* seccomp = nullptr;
  const runtime::LandlockPolicy* landlock = nullptr;
  const Fd& sync;
  const Fd* console_socket = nullptr;  // where the pty master goes
  StartGate gate;
  oci::State state;  // for hooks; the pid comes with kGo
  std::string bundle;
  bool new_keyring = true;
  unsigned preserved_fds = 0;  // descriptors 3 .. 2+N stay open
  unsigned listen_fds = 0;     // of these, how many are LISTEN_FDS
  bool notify_socket = false;  // the container has /run/notify/notify.sock
};

// Runs in the cloned child, in its namespaces: builds the root, sets the process up, waits for the
// start, and executes the program. Never returns. A failure is told to the runtime and ends it.
[[noreturn]] void run_container_init(InitPlan& plan);

}  // namespace dhow::init
