// SPDX-License-Identifier: Apache-2.0
// What brings images and takes them elsewhere.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/cleanup.h"
#include "base/hasher.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "engine/image_changes.h"
#include "engine/image_export.h"
#include "engine/image_import.h"
#include "engine/image_push.h"
#include "engine/image_settle.h"
#include "engine/image_tree.h"
#include "engine/images.h"
#include "engine/rootfs_layer.h"
#include "oci/image_codec.h"
#include "sys/file_io.h"
#include "unpack/file_source.h"

namespace dhow::engine {
namespace {

// What a platform of an index has here, or a plain manifest.
Result<oci::Descriptor> narrowed(content::ContentStore& content, const oci::Descriptor& target,
                                 const std::optional<oci::Platform>& platform,
                                 std::string_view name) {
  if (!platform) return target;
  TRY_ASSIGN(std::optional<oci::Descriptor> manifest, find_manifest(content, target, *platform));
  if (manifest) return std::move(*manifest);
  return fail(Code::kNotFound,
              cat("image ", quoted(name), " has nothing here for ", oci::platform_text(*platform)));
}

// Whether the store has all manifests of an index.
bool is_complete(content::ContentStore& content, const oci::Descriptor& target) {
  auto text = content.read(target.digest, oci::kMaxManifest);
  if (!text) return false;
  auto index = oci::parse_index(*text, target.media_type);
  return index && std::ranges::all_of(index->manifests, [&](const oci::Descriptor& part) {
           return content.stat(part.digest).has_value();
         });
}

}  // namespace

Result<bool> Images::pull_one(const oci::Reference& reference, const PullRequest& request,
                              const std::stop_token& stop) {
  if (request.begin) request.begin(reference);
  TRY_ASSIGN(registry::Repository repository,
             registries_.repository(reference, request.credentials));
  auto former = stores_.images.get(options_.name_space, reference.text());
  // Named by the pull itself: what had the name is kept from then on by a name of its own.
  std::string held;
  if (former) {
    std::lock_guard lock(names_mutex_);
    TRY(keep_former(reference.text(), Digest()));
    held = dangling_name(former->digest);
  }
  PullOptions pulling;
  pulling.name_space = options_.name_space;
  pulling.platform = request.platform.value_or(options_.platform);
  pulling.strict_layers = options_.strict_layers;
  pulling.progress = request.progress;
  auto pulled = pull_image(stores_, repository, pulling, stop);
  std::lock_guard lock(names_mutex_);
  bool same = !pulled || (former && former->digest == pulled->image.digest);
  if (!held.empty() && same) TRY(drop_name(held));
  if (!pulled) return std::unexpected(std::move(pulled).error());
  TRY(drop_name(dangling_name(pulled->image.digest)));
  if (request.end) request.end(reference, pulled->image.digest, !same);
  tell("pull", reference.familiar(), reference.familiar_name());
  return !same;
}

// Not as "unauthorized": to that docker's command line asks for a password.
Status Images::pull(const PullRequest& request, std::stop_token stop) {
  TRY_ASSIGN(oci::Reference reference, oci::parse_reference(request.name));
  auto pulled = pull_all(reference, request, stop);
  if (pulled) return {};
  Error error = std::move(pulled).error();
  if (error.code() != Code::kUnauthenticated && error.code() != Code::kPermissionDenied) {
    return std::unexpected(std::move(error));
  }
  if (error.message().find("no basic auth credentials") != std::string::npos) {
    return fail(Code::kInternal, error.message());
  }
  return fail(Code::kNotFound,
              cat("pull access denied for ", reference.familiar_name(),
                  ", repository does not exist or may require 'docker login': ", error.message()));
}

Status Images::pull_all(oci::Reference reference, const PullRequest& request,
                        const std::stop_token& stop) {
  if (!reference.tag.empty() || !reference.digest.empty()) {
    // Of both, the digest is what counts.
    if (!reference.digest.empty()) reference.tag.clear();
    TRY(pull_one(reference, request, stop));
    return {};
  }
  TRY_ASSIGN(registry::Repository repository,
             registries_.repository(reference, request.credentials));
  TRY_ASSIGN(registry::TagList tags, repository.tags(0, {}, stop));
  for (std::string& tag : tags.tags) {
    oci::Reference one = reference;
    one.tag = std::move(tag);
    TRY(pull_one(one, request, stop));
  }
  return {};
}

Result<std::vector<oci::Reference>> Images::push_names(const PushRequest& request) const {
  TRY_ASSIGN(oci::Reference reference, oci::parse_reference(request.name));
  if (!reference.digest.empty()) {
    return fail(Code::kInvalidArgument, "cannot push a digest reference");
  }
  if (!request.tag.empty()) reference.tag = request.tag;
  std::vector<oci::Reference> names;
  TRY_ASSIGN(std::vector<ImageEntry> entries, list_images(stores_.images, options_.name_space));
  for (const ImageEntry& entry : entries) {
    for (const oci::Reference& name : entry.names) {
      if (name.name() != reference.name() || name.tag.empty()) continue;
      if (reference.tag.empty() || name.tag == reference.tag) names.push_back(name);
    }
  }
  if (names.empty()) {
    return fail(Code::kNotFound,
                cat("An image does not exist locally with the tag: ", reference.familiar_name()));
  }
  std::ranges::sort(names);
  return names;
}

Status Images::push(const PushRequest& request, std::stop_token stop) {
  TRY_ASSIGN(std::vector<oci::Reference> names, push_names(request));
  for (const oci::Reference& name : names) {
    if (request.begin) request.begin(name);
    TRY_ASSIGN(registry::Repository repository, registries_.repository(name, request.credentials));
    PushOptions pushing;
    pushing.name_space = options_.name_space;
    pushing.platform = request.platform;
    pushing.progress = request.progress;
    TRY_ASSIGN(ImageEntry entry, find(name.text()));
    // Of an index that came for one platform only that one can be sent.
    if (!pushing.platform && oci::is_index_type(entry.target.media_type) &&
        !is_complete(stores_.content, entry.target)) {
      pushing.platform = options_.platform;
    }
    TRY_ASSIGN(oci::Descriptor pushed, push_image({stores_.content, stores_.images}, name.text(),
                                                  repository, pushing, stop));
    if (request.end) request.end(name, pushed);
    tell("push", name.familiar(), name.familiar_name());
  }
  return {};
}

Status Images::save(const std::vector<std::string>& names,
                    const std::optional<oci::Platform>& platform, unpack::ByteSink& sink) {
  std::vector<Exported> exported;
  for (const std::string& text : names) {
    TRY_ASSIGN(ImageEntry entry, find(text));
    TRY_ASSIGN(oci::Descriptor target, narrowed(stores_.content, entry.target, platform, text));
    auto known = std::ranges::find(exported, target.digest,
                                   [](const Exported& one) { return one.target.digest; });
    if (known == exported.end()) known = exported.insert(exported.end(), {{}, target});
    auto wanted = oci::parse_reference(text);
    // By its id it has no name; without a tag it has all of the repository's.
    bool by_id = !wanted || std::ranges::none_of(entry.names, [&](const oci::Reference& name) {
      return name.name() == wanted->name();
    });
    if (by_id) continue;
    for (const oci::Reference& name : entry.names) {
      if (name.name() != wanted->name() || name.tag.empty()) continue;
      if (!wanted->tag.empty() && name.tag != wanted->tag) continue;
      if (std::ranges::find(known->names, name.text()) == known->names.end()) {
        known->names.push_back(name.text());
      }
    }
    tell("save", entry.id().text());
  }
  return export_images(stores_.content, exported,
                       {.platform = platform.value_or(options_.platform)}, sink);
}

Status Images::settle_loaded(const oci::Descriptor& target, const std::string& lease,
                             const std::optional<oci::Platform>& platform) {
  SettleOptions settling;
  settling.lease = lease;
  settling.platform = platform.value_or(options_.platform);
  settling.strict_layers = options_.strict_layers;
  auto settled = settle_image(stores_, target, settling);
  // An image for another platform is kept as it is, to be saved or pushed.
  if (!settled && settled.error().code() == Code::kNotFound) {
    std::vector<Digest> blobs;
    TRY(walk_tree(stores_.content, target, [&](const oci::Descriptor& node) -> Status {
      blobs.push_back(node.digest);
      return {};
    }));
    return stores_.content.sync(blobs);
  }
  if (!settled) return std::unexpected(std::move(settled).error());
  return {};
}

Result<std::vector<ImageEntry>> Images::load(unpack::ByteSource& archive) {
  TRY_ASSIGN(metadata::Lease lease, make_lease());
  Cleanup release([&] { std::ignore = stores_.leases.remove(lease.id); });
  TRY_ASSIGN(std::vector<Imported> images,
             import_images(archive, stores_.content, {.lease = lease.id, .repository = {}}));
  std::vector<ImageEntry> loaded;
  for (const Imported& image : images) {
    TRY(settle_loaded(image.target, lease.id, {}));
    ImageEntry entry;
    entry.target = image.target;
    if (image.names.empty()) TRY(give_name({}, image.target));
    for (const std::string& name : image.names) {
      TRY(give_name(name, image.target));
      TRY_ASSIGN(oci::Reference reference, oci::parse_reference(name));
      entry.names.push_back(std::move(reference));
    }
    tell("load", entry.id().text(),
         entry.names.empty() ? std::string() : entry.names.front().familiar());
    loaded.push_back(std::move(entry));
  }
  return loaded;
}

Result<Digest> Images::import_rootfs(unpack::ByteSource& archive, const ImportRequest& request) {
  oci::Reference name;
  if (!request.name.empty()) {
    TRY_ASSIGN(name, oci::parse_image_name(request.name));
    if (!name.digest.empty()) {
      return fail(Code::kInvalidArgument, "cannot import digest reference");
    }
  }
  oci::Image image;
  image.platform = request.platform.value_or(options_.platform);
  TRY(apply_changes(request.changes, image.config));
  TRY_ASSIGN(metadata::Lease lease, make_lease());
  Cleanup release([&] { std::ignore = stores_.leases.remove(lease.id); });
  TRY_ASSIGN(RootfsLayer layer, store_rootfs_layer(archive, stores_.content, lease.id));
  image.created = rfc3339_nano(metadata::now());
  image.diff_ids = {layer.diff_id};
  image.history = {{.created = image.created,
                    .author = {},
                    .created_by = {},
                    .comment = request.message.empty() ? "Imported from -" : request.message,
                    .empty_layer = false}};
  TRY_ASSIGN(oci::Descriptor target, store_image(stores_.content, image, {layer.layer}, lease.id));
  TRY(settle_loaded(target, lease.id, image.platform));
  TRY(give_name(request.name.empty() ? std::string() : name.text(), target));
  tell("import", target.digest.text(), request.name.empty() ? std::string() : name.familiar());
  return target.digest;
}

namespace {

class DownloadSink final : public registry::BodySink {
 public:
  DownloadSink(const Fd& file, const std::function<void()>& begun) : file_(file), begun_(begun) {}
  Status begin(const registry::HttpResponse&) override {
    begun_();
    return {};
  }
  Status write(std::string_view data) override { return write_all(file_, data); }

 private:
  const Fd& file_;
  const std::function<void()>& begun_;
};

}  // namespace

Result<Digest> Images::import_url(const std::string& url, ImportRequest request,
                                  const std::function<void()>& begun, std::stop_token stop) {
  Fd file(::open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (!file) return fail_errno(errno, "make a file in /var/tmp");
  DownloadSink sink(file, begun);
  TRY(registries_.download(url, sink, std::move(stop)));
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno(errno, "seek");
  if (request.message.empty()) request.message = "Imported from " + url;
  unpack::FileSource archive(std::move(file), "read what was fetched");
  return import_rootfs(archive, request);
}

Result<registry::FetchedManifest> Images::remote(
    std::string_view name, std::shared_ptr<registry::CredentialSource> credentials,
    std::stop_token stop) {
  TRY_ASSIGN(oci::Reference reference, oci::parse_image_name(name));
  TRY_ASSIGN(registry::Repository repository,
             registries_.repository(reference, std::move(credentials)));
  std::string asked = reference.digest.empty() ? reference.tag : reference.digest.text();
  return repository.fetch_manifest(asked, std::move(stop));
}

Status Images::log_in(std::string_view server, const registry::Credentials& credentials,
                      std::stop_token stop) {
  // As clients name it: "https://index.docker.io/v1/", "r.io:5000".
  if (std::size_t scheme = server.find("://"); scheme != std::string_view::npos) {
    server.remove_prefix(scheme + 3);
  }
  std::string domain(server.substr(0, server.find('/')));
  if (domain.empty() || domain == "index.docker.io") domain = "docker.io";
  return registries_.log_in(domain, credentials, std::move(stop));
}

}  // namespace dhow::engine
