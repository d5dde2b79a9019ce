// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <stop_token>

#include "oci/image.h"
#include "registry/host_session.h"
#include "registry/repository.h"

namespace dhow::registry {

// A blob on its way to a host (distribution-spec, "Pushing blobs"), over as many attempts as it
// takes: each goes on from what the host says that it has. All is borrowed; for one thread.
class Upload {
 public:
  Upload(HostSession& host, const oci::Descriptor& descriptor, BodySource& content,
         const UploadOptions& options, std::stop_token stop);

  std::expected<void, Failure> attempt();
  // Tells the host to forget what it has, unless it can't be reached or nobody waits for it.
  void abandon();
  // Bytes that the host has said that it has.
  std::int64_t confirmed() const { return confirmed_; }

 private:
  using Step = std::expected<void, Failure>;

  Step begin();
  Step find_state();
  Step send_chunks();
  Step finish(bool whole);
  std::expected<HttpResponse, Failure> ask(HttpRequest request,
                                           std::initializer_list<int> accepted = {});
  Step follow(const HttpResponse& response);

  HostSession& host_;
  const oci::Descriptor& descriptor_;
  BodySource& content_;
  const UploadOptions& options_;
  std::stop_token stop_;
  std::optional<Url> location_;  // of the upload; none: there is none
  std::int64_t least_chunk_ = 0;
  std::int64_t confirmed_ = 0;
  bool uncertain_ = false;  // what the host has of it must be asked for
  bool done_ = false;
  bool reachable_ = true;
};

}  // namespace dhow::registry
