// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace dhow::runtime {

// What the runtime and the process it cloned say to each other, one packet a message on an AF_UNIX
// SOCK_SEQPACKET pair. The child writes with plain write(2) and reads with read(2), since a seccomp
// filter may already be on it. End of file is a message too: the other side is gone, or the child's
// end closed because its execve succeeded.
enum class MessageType : std::int32_t {
  kError,       // child: setup failed; number = errno, code, text
  kNeedIdMaps,  // child, first stage: the user namespace waits for its maps
  kPid,         // first stage: number = pid of the process that becomes init
  kGo,          // runtime: go on; number = pid as the runtime sees it
  kMountsDone,  // child: the rootfs is built; it doesn't wait for an answer
  kEarlyHooks,  // child: prestart and createRuntime hooks are due, its own come next
  kLimits,      // child: about to give up root, its resource limits are due
  kSeccompFd,   // child: number = its descriptor of the seccomp listener
  kLog,         // child: number = log::Level, text; receivers log it and read on
  kReady,       // child: all that can fail before execve is done
  kStart,       // runtime: run the startContainer hooks and execve
  kEnd,         // end of file
};

struct SyncMessage {
  MessageType type = MessageType::kEnd;
  std::int32_t number = 0;
  Code code = Code::kUnknown;
  std::string text;
};

// Both block. A send to a closed socket is an error, never a signal: the one that the other side
// sent before it ended, where it did.
Status send_sync(FdRef socket, MessageType type, std::int32_t number = 0);
Status send_sync_error(FdRef socket, const Error& error);
Result<SyncMessage> receive_sync(FdRef socket);

// Receives and checks the type: kError becomes that error, anything else unexpected (a silent death
// included) kInternal. `doing` says what was waited for.
Result<SyncMessage> expect_sync(FdRef socket, MessageType type, std::string_view doing);

// The same, from a process that passes its end of the socket on to another and may die between that
// and its message: then the other one holds the socket and waits as well.
Result<SyncMessage> expect_sync_of(const PidFd& process, FdRef socket, MessageType type,
                                   std::string_view doing);

// Sends a cloned child's log lines to the runtime: the child's own standard error is the
// container's. The socket is borrowed.
class SyncSink : public log::Sink {
 public:
  explicit SyncSink(FdRef socket) : socket_(socket) {}
  void write(log::Level level, std::string_view message) override;

 private:
  FdRef socket_;
};

}  // namespace dhow::runtime
