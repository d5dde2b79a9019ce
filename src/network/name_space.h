// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::network {

// Makes a network namespace, runs `inside` in it, and gives its descriptor, which keeps it alive:
// when the last of its processes and descriptors has gone, the kernel takes it away with all that
// is in it. It is in no mount table. Blocks; the calling thread stays where it is, so objects that
// belong to the namespace of their maker (sockets) are to be made by `inside`.
Result<Fd> make_name_space(const std::function<Status()>& inside);

// Runs `inside` in a network namespace that is there, in a thread of its own.
Status run_in_name_space(FdRef space, const std::function<Status()>& inside);

// Sets in the namespace of the calling thread what docker sets for containers: the loopback
// interface is up, and ports below 1024 and ping are for everybody. For a namespace whose container
// can't set the latter itself, as it has not all groups.
Status set_up_for_container();

}  // namespace dhow::network
