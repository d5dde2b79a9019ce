// SPDX-License-Identifier: Apache-2.0
// Resolvers of containers.
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "shim/service.h"

namespace dhow::shim {

// They are the first two of its descriptors that nobody else takes, behind those for OOM.
void TaskService::open_resolver(Container& container, bool is_made, WorkerResult& result) {
  if (!is_made || result.fds.size() < 2) return;
  ResolverSockets sockets;
  sockets.listener = std::move(result.fds.back());
  result.fds.pop_back();
  sockets.datagrams = std::move(result.fds.back());
  result.fds.pop_back();
  auto opened = Resolver::open(loop_, resolver_file(container.bundle), std::move(sockets));
  if (opened) {
    container.resolver = std::move(*opened);
  } else {
    log::warning(cat("container ", container.id, ": resolver: ", opened.error().message()));
  }
}

void TaskService::serve_names(Container& container, SharedReply reply) {
  if (container.resolver) return reply->send(Status());
  workers_.start(
      {},
      [pid = container.init.pid]() -> Result<WorkerResult> {
        TRY_ASSIGN(ResolverSockets sockets, make_resolver_sockets(pid));
        WorkerResult result;
        result.fds.push_back(std::move(sockets.datagrams));
        result.fds.push_back(std::move(sockets.listener));
        return result;
      },
      [this, id = container.id, reply](Result<WorkerResult> result) {
        Container* found = find(id);
        if (found != nullptr && found->resolver) return reply->send(Status());
        if (!result) return reply->fail(result.error());
        // Else it has ended meanwhile.
        bool is_there = found != nullptr && found->init.state == Process::State::kRunning;
        if (is_there) open_resolver(*found, true, *result);
        reply->send(Status());
      });
}

}  // namespace dhow::shim
