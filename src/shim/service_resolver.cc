// SPDX-License-Identifier: Apache-2.0
// Resolvers of containers.
#include <iterator>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "shim/service.h"

namespace dhow::shim {

void TaskService::open_resolver(Container& container, std::size_t count, WorkerResult& result) {
  if (count == 0 || count > result.fds.size()) return;
  auto first = std::prev(result.fds.end(), static_cast<std::ptrdiff_t>(count));
  std::vector<Fd> all(std::make_move_iterator(first), std::make_move_iterator(result.fds.end()));
  result.fds.erase(first, result.fds.end());
  ResolverSockets sockets = ResolverSockets::from_all(std::move(all));
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
        return WorkerResult{{}, std::move(sockets).take_all()};
      },
      [this, id = container.id, reply](Result<WorkerResult> result) {
        Container* found = find(id);
        if (found != nullptr && found->resolver) return reply->send(Status());
        if (!result) return reply->fail(result.error());
        // Else it has ended meanwhile.
        bool is_there = found != nullptr && found->init.state == Process::State::kRunning;
        if (is_there) open_resolver(*found, result->fds.size(), *result);
        reply->send(Status());
      });
}

}  // namespace dhow::shim
