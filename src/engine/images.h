// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "engine/events.h"
#include "engine/image_details.h"
#include "engine/image_filter.h"
#include "engine/image_pull.h"
#include "metadata/collector.h"
#include "registry/client.h"
#include "unpack/byte_sink.h"
#include "unpack/byte_source.h"

namespace dhow::engine {

// A container that was made of an image.
struct ImageUser {
  std::string container;  // its id
  std::string image;      // as the image was asked for
  bool running = false;
};

// What was taken away: a name, as people write it, or an image, by its id.
struct ImageRemoval {
  bool is_image = false;
  std::string name;
};

struct ImageEvent {
  std::string
      action;      // "pull", "tag", "untag", "delete", "load", "import", "save", "push", "prune"
  std::string id;  // what it is of: an id, or a name
  std::map<std::string, std::string> attributes;
};

struct ImagesOptions {
  std::string name_space = "moby";
  std::string builtin_folder = {};  // of the images that come with dhow; "": none
  oci::Platform platform = oci::host_platform();
  bool strict_layers = false;  // of what is pulled, loaded and imported
  // Whose containers use an image; asked before it is taken away. May be null: nobody's.
  std::function<Result<std::vector<ImageUser>>(const Digest& id)> users = {};
  // Reclaims what the content store has forgotten; in the background. May be null.
  std::function<Status()> empty_content_trash = {};
};

struct PullRequest {
  std::string name;  // as people write it; without tag and digest: all tags of the repository
  std::shared_ptr<registry::CredentialSource> credentials = {};
  std::optional<oci::Platform> platform = {};
  // The tag whose image comes next. May be null.
  std::function<void(const oci::Reference&)> begin = {};
  Progress::Observer progress = {};
  // What the tag names now, and whether that is another image than before. May be null.
  std::function<void(const oci::Reference&, const Digest&, bool is_new)> end = {};
};

struct PushRequest {
  std::string name;  // as people write it
  std::string tag;   // "" and no tag in the name: all of the repository's names
  std::shared_ptr<registry::CredentialSource> credentials = {};
  std::optional<oci::Platform> platform = {};
  std::function<void(const oci::Reference&)> begin = {};
  Progress::Observer progress = {};
  std::function<void(const oci::Reference&, const oci::Descriptor&)> end = {};
};

struct PrunedImages {
  std::vector<ImageRemoval> removed;
  std::int64_t reclaimed = 0;  // bytes
};

// The use cases on images that doors have: on names as people write them, with docker's messages.
// What loses its last name because another image took that stays, dangling, as with docker. The
// stores, the events and the client are borrowed. Thread safe; calls block.
class Images {
 public:
  Images(const ImageStores& stores, metadata::Collector collector, Events& events,
         registry::Client& registries, ImagesOptions options);
  ~Images();
  Images(const Images&) = delete;
  Images& operator=(const Images&) = delete;

  // As find_image; one that comes with dhow and isn't here is loaded.
  Result<ImageEntry> find_or_load(std::string_view text);
  Result<ImageEntry> find(std::string_view text) const;
  // With what is known of each; the newest first.
  Result<std::vector<ImageDetails>> list(const ImageFilter& filter);
  // kNotFound also when it has nothing for that platform.
  Result<ImageDetails> inspect(std::string_view text,
                               const std::optional<oci::Platform>& platform = {});
  // Names an image once more. `target` without a tag is "latest"; with a digest it is
  // kInvalidArgument.
  Status tag(std::string_view text, std::string_view target);

  struct RemoveOptions {
    bool force = false;
  };
  // Takes a name away, and with the last one, or by an id, the image. kFailedPrecondition, in
  // docker's words, when containers use it or when it has several names.
  Result<std::vector<ImageRemoval>> remove(std::string_view text, const RemoveOptions& options);
  // All that no container uses: dangling ones, or with `all` those with names too.
  Result<PrunedImages> prune(const ImageFilter& filter, bool all);

  Status pull(const PullRequest& request, std::stop_token stop);
  Status push(const PushRequest& request, std::stop_token stop);
  // A tar stream for `docker load`. Several names of one image are one image.
  Status save(const std::vector<std::string>& names, const std::optional<oci::Platform>& platform,
              unpack::ByteSink& sink);
  // What an archive has; each image under its names. One without names is dangling.
  Result<std::vector<ImageEntry>> load(unpack::ByteSource& archive);

  struct ImportRequest {
    std::string name;  // as people write it; "": none
    std::string message;
    std::vector<std::string> changes = {};  // instructions as of a Dockerfile
    std::optional<oci::Platform> platform = {};
  };
  // An image of one layer that is the tar stream, packed or not.
  Result<Digest> import_rootfs(unpack::ByteSource& archive, const ImportRequest& request);
  // The same of what is behind a URL, which is fetched as a whole first, into a file without a
  // name. `begun` is called once the other side has said that it has it.
  Result<Digest> import_url(const std::string& url, ImportRequest request,
                            const std::function<void()>& begun, std::stop_token stop);

  // What a registry says of a name.
  Result<registry::FetchedManifest> remote(std::string_view name,
                                           std::shared_ptr<registry::CredentialSource> credentials,
                                           std::stop_token stop);
  // Whether a registry takes these credentials: else kUnauthenticated. "": docker.io.
  Status log_in(std::string_view server, const registry::Credentials& credentials,
                std::stop_token stop);
  // What all layers that are here take, each once. Bytes.
  Result<std::int64_t> layers_size();

  // Gives a name (in the long form) to an image that settle_image made ready; what it named before
  // stays, dangling when that was its last name. "": the image itself is to be dangling.
  Status give_name(const std::string& name, const oci::Descriptor& target);
  // Has what nothing needs any more be collected, and reclaimed in the background.
  Status collect();

 private:
  // Keeps what a name that is about to be given away stands for.
  Status keep_former(const std::string& name, const Digest& next);
  Status drop_name(const std::string& name);
  // Whether the image had no name of that repository and digest before.
  Status pull_all(oci::Reference reference, const PullRequest& request,
                  const std::stop_token& stop);
  Result<bool> pull_one(const oci::Reference& reference, const PullRequest& request,
                        const std::stop_token& stop);
  Result<std::vector<oci::Reference>> push_names(const PushRequest& request) const;
  Status check_users(const ImageEntry& entry, std::string_view by_name, bool force) const;
  Result<std::vector<ImageRemoval>> remove_image(const ImageEntry& entry);
  Status settle_loaded(const oci::Descriptor& target, const std::string& lease,
                       const std::optional<oci::Platform>& platform);
  Result<metadata::Lease> make_lease();
  void tell(std::string_view action, std::string id, std::string name = {});
  void publish(Event event) const;
  std::map<std::string, std::string> labels_of(ImageEntry image);
  void run_janitor(const std::stop_token& stop);

  const ImageStores stores_;
  metadata::Collector collector_;
  Events& events_;
  registry::Client& registries_;
  const ImagesOptions options_;
  ImageReader reader_;
  std::mutex names_mutex_;  // held while names are given and taken
  std::mutex janitor_mutex_;
  std::condition_variable_any janitor_wake_;
  bool trash_ = true;     // what the last process left
  std::jthread janitor_;  // last: it uses all of the above
};

}  // namespace dhow::engine
