// SPDX-License-Identifier: Apache-2.0
// What dhow does not have: swarm, plugins of docker's kind, builds. They fail in a way that clients
// know.
#include "api/docker/door.h"

namespace dhow::api::docker {
namespace {

constexpr const char* kMethods[] = {"GET", "POST", "DELETE", "PUT"};

void refuse_always(Router& router, const char* method, const std::string& pattern, Code code,
                   const std::string& message) {
  router.add({.method = method,
              .pattern = pattern,
              .handler = [code, message](const ExchangePtr&, const Match&) -> Status {
                return fail(code, message);
              },
              .streams_body = true,
              .quick = true});
}

}  // namespace

void add_absent_routes(Router& router) {
  const std::string no_swarm =
      "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to "
      "connect this node to swarm and try again.";
  for (const char* folder : {"/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs"}) {
    for (const char* method : kMethods) {
      refuse_always(router, method, folder, Code::kUnavailable, no_swarm);
      refuse_always(router, method, std::string(folder) + "/{*}", Code::kUnavailable, no_swarm);
    }
  }
  router.add({.method = "GET",
              .pattern = "/plugins",
              .handler = [](const ExchangePtr& exchange, const Match&) -> Status {
                exchange->respond(Response::json("[]\n"));
                return {};
              },
              .quick = true});
  router.add({.method = "GET",
              .pattern = "/plugins/{*}/json",
              .handler = [](const ExchangePtr&, const Match& match) -> Status {
                return fail(Code::kNotFound, "plugin \"" + match[0] + "\" not found");
              },
              .quick = true});
  for (const char* method : kMethods) {
    refuse_always(router, method, "/plugins/{*}", Code::kUnimplemented,
                  "plugins of docker's kind are not supported");
  }
  refuse_always(router, "POST", "/build", Code::kUnimplemented,
                "building images is not supported yet");
  refuse_always(router, "POST", "/build/cancel", Code::kUnimplemented,
                "building images is not supported yet");
  router.add({.method = "POST",
              .pattern = "/build/prune",
              .handler = [](const ExchangePtr& exchange, const Match&) -> Status {
                // There is no build cache, so nothing of it is left.
                exchange->respond(
                    Response::json("{\"CachesDeleted\":null,\"SpaceReclaimed\":0}\n"));
                return {};
              },
              .quick = true});
  for (const char* path : {"/session", "/grpc"}) {
    refuse_always(router, "POST", path, Code::kUnimplemented,
                  "building images is not supported yet");
  }
  for (const char* method : {"GET", "POST"}) {
    refuse_always(router, method, "/containers/{}/checkpoints", Code::kUnimplemented,
                  "checkpoints are not supported yet");
  }
  refuse_always(router, "DELETE", "/containers/{}/checkpoints/{}", Code::kUnimplemented,
                "checkpoints are not supported yet");
  refuse_always(router, "GET", "/images/{*}/attestations", Code::kUnimplemented,
                "attestations are not supported yet");
}

}  // namespace dhow::api::docker
