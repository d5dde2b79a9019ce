// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/cni/cache.h"
#include "network/cni/config.h"
#include "network/cni/plugin.h"
#include "network/cni/result.h"

namespace dhow::cni {

struct LibraryOptions {
  std::vector<std::string> plugin_folders = {"/opt/cni/bin", "/usr/lib/cni"};
  std::string cache_folder;
  int timeout_ms = 60'000;  // of each call of a plugin
};

// A container that is to be in a network.
struct Attachment {
  std::string container;
  std::string interface;  // its name in the container: "eth0"
  // Path of its network namespace; "" when that is gone, for remove().
  std::string netns;
  CniArgs args;  // CNI_ARGS
  CapabilityArgs capabilities;
};

struct ValidAttachment {
  std::string container;
  std::string interface;
};

struct Readiness {
  bool is_ready = true;
  std::string reason;  // when it is not
};

// The runtime's side of CNI (specification 1.1, section 3): runs the plugins of a network for a
// container. What was done is in the cache before it is done, so whatever a death of this process
// leaves behind, remove() and collect() take away: they need nothing but the cache. Errors name
// plugin and network and have the plugin's own words. Thread safe, and safe beside other processes
// with the same cache; calls block for as long as the plugins run.
class Library {
 public:
  explicit Library(LibraryOptions options)
      : options_(std::move(options)),
        plugins_(options_.plugin_folders, options_.timeout_ms),
        cache_(options_.cache_folder) {}

  // ADD, one plugin after another. When one fails, DEL of all; what that could not do is kept in
  // the cache for a later remove(). kAlreadyExists: it has been added, and not removed.
  Result<AddResult> add(const NetworkConfig& network, const Attachment& attachment) const;

  // DEL in reverse, with the configuration of the ADD, or `otherwise` when there is none known any
  // more (nullptr: then there is nothing to do). All plugins are called, also after one that has
  // failed; the first failure is returned, and the cache is kept for another try.
  Status remove(std::string_view network, const Attachment& attachment,
                const NetworkConfig* otherwise = nullptr) const;

  // CHECK with the configuration and the result of the ADD. kNotFound: it has not been added;
  // kUnimplemented: the network's version has no CHECK.
  Status check(std::string_view network, const Attachment& attachment) const;

  // Removes what the cache has of this network and is not in `valid`. All is tried; the first
  // failure.
  Status remove_stale(const NetworkConfig& network,
                      const std::vector<ValidAttachment>& valid) const;

  // remove_stale(), then GC of the plugins, from version 1.1.0 on. All is tried; the first failure.
  // Nobody may add to the network meanwhile what is not in `valid`.
  Status collect(const NetworkConfig& network, const std::vector<ValidAttachment>& valid) const;

  // Whether containers can be added: all plugins are there, and from version 1.1.0 on say so.
  Result<Readiness> status(const NetworkConfig& network) const;

  // With the newest version that the configuration has and all plugins speak. They are asked only
  // where there is a choice. kFailedPrecondition: there is none.
  Result<NetworkConfig> negotiated(const NetworkConfig& network) const;

  const Plugins& plugins() const { return plugins_; }
  const ResultCache& cache() const { return cache_; }

 private:
  Result<std::string> add_one(const NetworkConfig& network, const PluginConfig& plugin,
                              const CachedAttachment& attachment, const Fd& lock) const;
  // The first `added` of the plugins have been added. Of others it is no failure that they are not
  // there, or do not speak the version.
  Status remove_all(const NetworkConfig& network, std::size_t added,
                    const CachedAttachment& attachment, const Fd& lock) const;
  Status call_each(const NetworkConfig& network, std::string_view command,
                   const PluginInput& input) const;

  const LibraryOptions options_;
  const Plugins plugins_;
  const ResultCache cache_;
};

}  // namespace dhow::cni
