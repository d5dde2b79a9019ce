// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "network/cni/capabilities.h"
#include "sys/fd.h"

namespace dhow::cni {

using CniArgs = std::vector<std::pair<std::string, std::string>>;

// Which interface of which container in which network.
struct AttachmentKey {
  std::string network;
  std::string container;
  std::string interface;

  // "NETWORK-CONTAINER-INTERFACE".
  std::string file_name() const;
};

// What is to be known to take an attachment away again (docs/formats/cni-cache.md).
struct CachedAttachment {
  AttachmentKey key;
  std::string netns;
  std::string config;  // of the network, as a list
  CniArgs args;
  CapabilityArgs capabilities;
  std::string result;  // JSON text of the last plugin's; "": none has ended yet
};

std::string cache_text(const CachedAttachment& attachment);
// kInvalidArgument with the place of the fault.
Result<CachedAttachment> parse_cached(std::string_view json);

// One operation on an attachment at a time, among all processes. The plugins inherit it, so what a
// process that was killed has started is waited for. Released by its end.
class AttachmentLock {
 public:
  AttachmentLock(AttachmentLock&& other) noexcept
      : folder_(std::move(other.folder_)),
        name_(std::move(other.name_)),
        fd_(std::move(other.fd_)) {}
  AttachmentLock(const AttachmentLock&) = delete;
  AttachmentLock& operator=(const AttachmentLock&) = delete;
  AttachmentLock& operator=(AttachmentLock&&) = delete;
  ~AttachmentLock();

  const Fd& fd() const { return fd_; }

 private:
  friend class ResultCache;
  AttachmentLock(Fd folder, std::string name, Fd fd)
      : folder_(std::move(folder)), name_(std::move(name)), fd_(std::move(fd)) {}

  Fd folder_;
  std::string name_;
  Fd fd_;
};

// A folder with a file (0600) for each attachment that is made, half made, or could not be taken
// away; libcni reads the same. A file is replaced as a whole. Thread safe; calls block on the disk.
class ResultCache {
 public:
  explicit ResultCache(std::string folder) : folder_(std::move(folder)) {}

  Status put(const CachedAttachment& attachment) const;
  // None: there is no such attachment. A file that cannot be read is kDataLoss.
  Result<std::optional<CachedAttachment>> get(const AttachmentKey& key) const;
  // None is success.
  Status remove(const AttachmentKey& key) const;
  // All that can be read.
  Result<std::vector<CachedAttachment>> list() const;

  // Waits for other operations on the attachment, at most for `timeout_ms`: then it goes on
  // without, as somebody who never ends must not be in the way for good.
  Result<AttachmentLock> lock(const AttachmentKey& key, int timeout_ms) const;

 private:
  Result<Fd> open_folder() const;

  const std::string folder_;
};

}  // namespace dhow::cni
