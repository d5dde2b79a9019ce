// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/image_lookup.h"
#include "engine/image_pull.h"

namespace dhow::engine {

// What never changes of an image: its documents for one platform, and what its layers take.
struct ImageContent {
  ImageDocuments documents;
  std::vector<std::int64_t> layer_sizes;  // bytes unpacked, the lowest first; 0 of one that is lost
  std::int64_t size = 0;                  // their sum
};

struct ImageDetails {
  ImageEntry entry;
  // Null: nothing of it is for the platform, or it can't be read.
  std::shared_ptr<const ImageContent> content;

  // When the image was made (config.md, "created"), or else when it came. Nanoseconds since 1970.
  std::int64_t created() const;
};

// A step of an image's history, the newest first.
struct HistoryItem {
  std::string id;  // "<missing>" but for the first
  std::int64_t created = 0;
  std::string created_by;
  std::string comment;
  std::vector<std::string> tags;
  std::int64_t size = 0;  // bytes of the step's layer
};

std::vector<HistoryItem> history_of(const ImageDetails& image);

// Looks images up and keeps what was read of the last few hundred. Borrows the stores. Thread safe;
// blocks on the disk.
class ImageReader {
 public:
  ImageReader(const ImageStores& stores, oci::Platform platform)
      : stores_(stores), platform_(std::move(platform)) {}

  // `platform`: another one than this machine's. Faults as of read_image.
  Result<std::shared_ptr<const ImageContent>> read(
      const oci::Descriptor& target, const std::optional<oci::Platform>& platform = {});
  // As read, but what can't be read is just not there.
  ImageDetails details(ImageEntry entry);

 private:
  static constexpr std::size_t kKept = 256;

  const ImageStores& stores_;
  const oci::Platform platform_;
  std::mutex mutex_;
  std::map<Digest, std::shared_ptr<const ImageContent>> kept_;  // of platform_
};

}  // namespace dhow::engine
