// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "content/content_store.h"
#include "engine/image_unpack.h"
#include "engine/progress.h"
#include "oci/image.h"
#include "registry/repository.h"

namespace dhow::engine {

// Brings layers from a repository into the store, several at the same time, and gives their bytes
// to readers while they come; a large one over several connections. What was there already, whole
// or in part, is not fetched; what arrives stays when this ends before its time, and is where the
// next one goes on. All arguments are borrowed. The object waits for its threads when it goes,
// after asking them to stop.
class LayerDownloads final : public LayerBytes {
 public:
  struct Options {
    std::string lease;  // holds the blobs
    unsigned parallel = 3;
    Progress* progress = nullptr;  // borrowed; told of layers that it expects
    // A layer of which that much is missing is fetched in parts, over connections of its own of
    // which there are so many for all layers together.
    std::int64_t split_from = std::int64_t{32} << 20;
    unsigned extra_connections = 3;
    std::int64_t part = std::int64_t{16} << 20;
  };
  LayerDownloads(content::ContentStore& store, const registry::Repository& repository,
                 const std::vector<oci::Descriptor>& layers, Options options);
  ~LayerDownloads() override;
  LayerDownloads(const LayerDownloads&) = delete;
  LayerDownloads& operator=(const LayerDownloads&) = delete;

  // The bytes of a layer, which block until they have come.
  Result<std::unique_ptr<unpack::ByteSource>> open(const oci::Descriptor& layer) override;
  // Ends what is under way, with kCancelled.
  void stop();
  // Waits for all layers: the failure of the first that could not be had.
  Status wait();

 private:
  class Download;
  class Reader;
  void work(const std::stop_token& stop);
  // Takes up to so many of the connections that are left; to be given back.
  unsigned take_connections(unsigned wanted);

  content::ContentStore& store_;
  const registry::Repository& repository_;
  Options options_;
  std::vector<std::shared_ptr<Download>> queue_;
  std::map<Digest, std::shared_ptr<Download>> by_digest_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<unsigned> connections_left_ = 0;
  std::atomic<bool> ranges_ = true;  // until a host turns out to know none
  std::vector<std::jthread> threads_;
};

}  // namespace dhow::engine
