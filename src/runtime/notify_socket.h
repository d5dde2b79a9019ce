// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "oci/config.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace dhow::runtime {

// The name, in the container's state folder, of the folder that such a container sees at
// /run/notify, and its mount.
inline constexpr char kNotifyFolder[] = "notify";
oci::Mount notify_mount(std::string_view state_path);

// sd_notify(3) through a container: when the runtime has NOTIFY_SOCKET, the container gets a socket
// of its own at /run/notify/notify.sock, and its READY=1 is passed on, with MAINPID of its init.
class NotifySocket {
 public:
  // nullopt when the caller has no NOTIFY_SOCKET. Makes <state folder>/notify/notify.sock, and adds
  // the bind mount of its folder to the configuration.
  static Result<std::optional<NotifySocket>> make(FdRef state_dir, std::string_view state_path,
                                                  oci::Config& config);

  // Waits until the container says READY=1 or ends, and passes it on (then MAINPID= and BARRIER=1,
  // at most 30 s for the barrier).
  Status forward_ready(const PidFd& init, pid_t pid) const;

 private:
  NotifySocket(Fd socket, std::string host_path)
      : socket_(std::move(socket)), host_path_(std::move(host_path)) {}
  Fd socket_;
  std::string host_path_;
};

}  // namespace dhow::runtime
