// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::dhowd {

struct Listener {
  Fd socket;
  std::string path;  // of a socket file that we made
  bool is_network = false;
};

// The listening sockets that systemd passed (sd_listen_fds(3)); none when it passed none to this
// process. Takes the variables out of the environment, so that children don't see them.
std::vector<Listener> take_activated();

// Listens at "unix:///path" (mode 0660, of `group` where there is such a group) or at
// "tcp://ADDRESS:PORT", where no address is all of them. A socket file that is there already is
// replaced: the lock of the state folder says that nobody serves it.
Result<Listener> listen_at(const std::string& host, const std::string& group);

}  // namespace dhow::dhowd
