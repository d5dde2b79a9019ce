// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "registry/http.h"
#include "registry/retry.h"
#include "registry/scope.h"

namespace dhow::registry {

class HostSession;
class Transfer;

// A manifest or an index, with what it is.
struct FetchedManifest {
  oci::Descriptor descriptor;
  std::string content;
};

// Takes the bytes of a blob in order, each once. A failure ends the transfer for good.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual Status write(std::string_view data) = 0;
};

// Told how many bytes of a blob are there, or have been sent, from the thread of the call.
using Progress = std::function<void(std::int64_t bytes)>;

struct TagList {
  std::vector<std::string> tags;
  bool more = false;  // the list was cut at what was asked for
};

struct UploadOptions {
  // 0: the blob is sent in one piece, and only what is missing of it after a failure. Else in
  // chunks of that many bytes, or of what the registry has for its least.
  std::int64_t chunk = 0;
  Progress progress = {};
};

// A repository, by the hosts that have it (distribution-spec 1.1). Reading goes over them in their
// order: what one can't give, the next one is asked for. Failures of the network, 408, 429 and 5xx
// are tried again, with pauses, or when the server says. What can't be had is the failure of the
// registry itself, with those of mirrors behind it: kNotFound, kUnauthenticated,
// kPermissionDenied, kResourceExhausted (429), kUnavailable, and so on by status. Copies share
// logins. Thread safe; calls block, and end with kCancelled when `stop` is asked for.
class Repository {
 public:
  // What Client::repository makes. `http` is borrowed.
  Repository(oci::Reference reference, HttpClient& http,
             std::vector<std::shared_ptr<HostSession>> hosts, RetryOptions retry);

  const oci::Reference& reference() const { return reference_; }

  // What a tag, or the text of a digest, stands for (end-3): type, digest and size.
  Result<oci::Descriptor> resolve(std::string_view tag_or_digest, std::stop_token stop = {}) const;

  // A manifest or index of at most oci::kMaxManifest bytes. By a descriptor it is what its digest
  // says, and of its size when that is not 0; by a tag its digest is computed. kDataLoss when a
  // host sends anything else.
  Result<FetchedManifest> fetch_manifest(const oci::Descriptor& descriptor,
                                         std::stop_token stop = {}) const;
  Result<FetchedManifest> fetch_manifest(std::string_view tag_or_digest,
                                         std::stop_token stop = {}) const;

  // The bytes of a blob from `offset` on (end-2). A transfer that breaks off goes on from the byte
  // that was reached, be it on another host; of a host that knows no ranges, what is there already
  // is skipped. Foreign layers are fetched from their URLs when no host has them. Exactly
  // `descriptor.size` bytes come in the end; that they are the right ones is for the caller to
  // check, who has all of them.
  Status fetch_blob(const oci::Descriptor& descriptor, std::int64_t offset, BlobWriter& writer,
                    const Progress& progress = {}, std::stop_token stop = {}) const;

  // The bytes of a blob from `begin` to before `end`, as fetch_blob and beside others of its kind.
  // A host that knows no ranges gives its first bytes only; kUnimplemented when all are like that.
  Status fetch_blob_part(const oci::Descriptor& descriptor, std::int64_t begin, std::int64_t end,
                         BlobWriter& writer, std::stop_token stop = {}) const;

  // Tags after `last` ("": from the first), at most `limit` (0: all), in the registry's order
  // (end-8).
  Result<TagList> tags(std::size_t limit = 0, std::string_view last = {},
                       std::stop_token stop = {}) const;

  // The manifests that have that one for their subject (end-12), of one artifact type or of all
  // (""). By the tag schema where the registry has no such list. None is an empty list.
  Result<std::vector<oci::Descriptor>> referrers(const Digest& digest,
                                                 std::string_view artifact_type = {},
                                                 std::stop_token stop = {}) const;

  // Writing goes to the first host that takes it.

  Result<bool> has_blob(const Digest& digest, std::stop_token stop = {}) const;

  // Makes a blob of another repository of that registry one of this (end-11). False: that can't be
  // done, and the blob must be uploaded.
  Result<bool> mount_blob(const Digest& digest, std::string_view from,
                          std::stop_token stop = {}) const;

  // Sends a blob. One that is there already is sent again: ask has_blob first.
  Status upload_blob(const oci::Descriptor& descriptor, BodySource& content,
                     const UploadOptions& options = {}, std::stop_token stop = {}) const;

  // Writes a manifest or index under a tag, or under its digest when `tag` is "" (end-7). Where the
  // registry does not keep the list of referrers, it is kept here: by reading, adding and writing,
  // so that of two writers at the same time one may be lost, as the specification has it.
  Result<oci::Descriptor> put_manifest(std::string_view content, std::string_view media_type,
                                       std::string_view tag, std::stop_token stop = {}) const;

 private:
  using Capability = bool (*)(const HostSession&);
  // One attempt on one host.
  using Attempt = std::function<std::expected<void, Failure>(HostSession&)>;

  Status over_hosts(Capability capability, std::string_view what, const std::stop_token& stop,
                    const Attempt& attempt) const;
  std::vector<std::shared_ptr<HostSession>> hosts_for(Capability capability) const;
  Result<std::shared_ptr<HostSession>> push_host() const;
  std::expected<FetchedManifest, Failure> get_manifest(HostSession& host, std::string_view name,
                                                       const std::stop_token& stop) const;
  Status add_referrer(HostSession& host, const oci::Descriptor& subject,
                      const oci::Descriptor& referrer, const std::stop_token& stop) const;
  Status fetch_from_hosts(Transfer& transfer, const Digest& digest,
                          const std::stop_token& stop) const;
  Status fetch_foreign(Transfer& transfer, const std::vector<std::string>& places,
                       const std::stop_token& stop) const;
  std::string named(std::string_view what) const;

  oci::Reference reference_;
  HttpClient* http_;
  std::vector<std::shared_ptr<HostSession>> hosts_;
  RetryOptions retry_;
};

// The tag that lists the referrers of a manifest where there is no other list
// (distribution-spec, "Referrers tag schema").
std::string referrers_tag(const Digest& digest);

}  // namespace dhow::registry
