// SPDX-License-Identifier: Apache-2.0
#include "engine/images.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/builtin_images.h"
#include "engine/image_settle.h"
#include "engine/image_tree.h"

namespace dhow::engine {
namespace {

// What is held by an operation that died may be collected this much later. Nanoseconds.
constexpr std::int64_t kHeldTime = std::int64_t{86'400} * 1'000'000'000;

// As docker shows ids in messages: twelve digits.
std::string_view short_id(const Digest& id) { return id.hex().substr(0, 12); }

bool is_same_repository(const std::vector<oci::Reference>& names) {
  return std::ranges::all_of(
      names, [&](const oci::Reference& name) { return name.name() == names.front().name(); });
}

}  // namespace

Images::Images(const ImageStores& stores, metadata::Collector collector, Events& events,
               registry::Client& registries, ImagesOptions options)
    : stores_(stores),
      collector_(std::move(collector)),
      events_(events),
      registries_(registries),
      options_(std::move(options)),
      reader_(stores_, options_.platform),
      janitor_([this](const std::stop_token& stop) { run_janitor(stop); }) {}

Images::~Images() = default;

void Images::run_janitor(const std::stop_token& stop) {
  std::unique_lock lock(janitor_mutex_);
  while (janitor_wake_.wait(lock, stop, [&] { return trash_; })) {
    trash_ = false;
    lock.unlock();
    if (auto emptied = stores_.snapshots.empty_trash(); !emptied) {
      log::warning(cat("reclaim snapshots: ", emptied.error().message()));
    }
    if (options_.empty_content_trash) {
      if (auto emptied = options_.empty_content_trash(); !emptied) {
        log::warning(cat("reclaim blobs: ", emptied.error().message()));
      }
    }
    lock.lock();
  }
}

Status Images::collect() {
  auto counts = collector_.collect();
  if (!counts) return std::unexpected(std::move(counts).error().add_context("collect images"));
  std::lock_guard lock(janitor_mutex_);
  trash_ = true;
  janitor_wake_.notify_one();
  return {};
}

void Images::tell(std::string_view action, std::string actor, std::string name) {
  Event event;
  event.type = "image";
  event.action = action;
  // One that has just gone has no labels to tell.
  if (auto image = find(actor)) event.attributes = labels_of(std::move(*image));
  event.attributes["name"] = name.empty() ? actor : std::move(name);
  event.actor = std::move(actor);
  publish(std::move(event));
}

void Images::publish(Event event) const {
  if (auto told = events_.publish(std::move(event)); !told) {
    log::warning(cat("tell of an image: ", told.error().message()));
  }
}

std::map<std::string, std::string> Images::labels_of(ImageEntry image) {
  ImageDetails details = reader_.details(std::move(image));
  if (details.content == nullptr) return {};
  return details.content->documents.config.config.labels;
}

Result<metadata::Lease> Images::make_lease() {
  metadata::Lease wanted;
  wanted.expires = metadata::now() + kHeldTime;
  return stores_.leases.create(std::move(wanted));
}

Result<ImageEntry> Images::find(std::string_view text) const {
  return find_image({stores_.content, stores_.images}, options_.name_space, text);
}

Result<ImageEntry> Images::find_or_load(std::string_view text) {
  auto found = find(text);
  if (found || found.error().code() != Code::kNotFound || options_.builtin_folder.empty()) {
    return found;
  }
  auto loaded = load_builtin_image(
      stores_, text, {.folder = options_.builtin_folder, .name_space = options_.name_space});
  if (!loaded) return loaded.error().code() == Code::kNotFound ? found : fail(loaded.error());
  tell("load", loaded->image.digest.text(), std::string(text));
  return find(text);
}

Result<std::vector<ImageDetails>> Images::list(const ImageFilter& filter) {
  TRY_ASSIGN(std::vector<ImageEntry> entries, list_images(stores_.images, options_.name_space));
  std::vector<ImageDetails> list;
  for (ImageEntry& entry : entries) {
    ImageDetails image = reader_.details(std::move(entry));
    if (!filter.matches(image)) continue;
    // Of those that were asked for by name, only these names.
    if (!filter.references.empty()) {
      std::erase_if(image.entry.names, [&](const oci::Reference& name) {
        return std::ranges::none_of(filter.references, [&](const std::string& pattern) {
          return matches_name(pattern, name);
        });
      });
    }
    list.push_back(std::move(image));
  }
  std::ranges::stable_sort(list, std::ranges::greater(), &ImageDetails::created);
  return list;
}

Result<ImageDetails> Images::inspect(std::string_view text,
                                     const std::optional<oci::Platform>& platform) {
  ImageDetails image;
  TRY_ASSIGN(image.entry, find(text));
  TRY_ASSIGN(image.content, reader_.read(image.entry.target, platform));
  return image;
}

Result<std::int64_t> Images::layers_size() {
  TRY_ASSIGN(std::vector<ImageDetails> all, list({}));
  std::set<Digest> seen;
  std::int64_t size = 0;
  for (const ImageDetails& image : all) {
    if (image.content == nullptr) continue;
    const std::vector<Digest>& chain = image.content->documents.chain;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      if (seen.insert(chain[i]).second) size += image.content->layer_sizes[i];
    }
  }
  return size;
}

Status Images::keep_former(const std::string& name, const Digest& next) {
  auto former = stores_.images.get(options_.name_space, name);
  if (!former || former->digest == next) return {};
  TRY_ASSIGN(std::vector<ImageEntry> entries, list_images(stores_.images, options_.name_space));
  auto entry = std::ranges::find(entries, former->digest, &ImageEntry::id);
  if (entry == entries.end() || entry->names.size() > 1) return {};
  image::Record record;
  record.name = dangling_name(former->digest);
  record.digest = former->digest;
  record.media_type = former->media_type;
  record.size = former->size;
  TRY(stores_.images.put(options_.name_space, std::move(record)));
  return {};
}

Status Images::drop_name(const std::string& name) {
  Status removed = stores_.images.remove(options_.name_space, name);
  if (!removed && removed.error().code() == Code::kNotFound) return {};
  return removed;
}

Status Images::give_name(const std::string& name, const oci::Descriptor& target) {
  std::lock_guard lock(names_mutex_);
  image::Record record;
  record.digest = target.digest;
  record.media_type = target.media_type;
  record.size = target.size;
  if (name.empty()) {
    TRY_ASSIGN(std::vector<ImageEntry> entries, list_images(stores_.images, options_.name_space));
    if (std::ranges::find(entries, target.digest, &ImageEntry::id) != entries.end()) return {};
    record.name = dangling_name(target.digest);
  } else {
    record.name = name;
    TRY(keep_former(name, target.digest));
  }
  TRY(stores_.images.put(options_.name_space, std::move(record)));
  // With a name it dangles no more.
  return name.empty() ? Status() : drop_name(dangling_name(target.digest));
}

Status Images::tag(std::string_view text, std::string_view target) {
  TRY_ASSIGN(ImageEntry entry, find(text));
  TRY_ASSIGN(oci::Reference name, oci::parse_image_name(target));
  if (name.familiar_name() == "sha256") {
    return fail(Code::kInvalidArgument,
                "refusing to create an ambiguous tag using digest algorithm as name");
  }
  if (!name.digest.empty()) {
    return fail(Code::kInvalidArgument, "refusing to create a tag with a digest reference");
  }
  TRY(give_name(name.text(), entry.target));
  tell("tag", entry.id().text(), name.familiar());
  return {};
}

// In the words of docker, which scripts know. `by_name`: the name that is to go, "" when the image
// itself is.
Status Images::check_users(const ImageEntry& entry, std::string_view by_name, bool force) const {
  if (!options_.users) return {};
  TRY_ASSIGN(std::vector<ImageUser> users, options_.users(entry.id()));
  for (const ImageUser& user : users) {
    std::string container = user.container.substr(0, 12);
    if (!by_name.empty() && !force) {
      return fail(Code::kFailedPrecondition,
                  cat("conflict: unable to remove repository reference \"", by_name,
                      "\" (must force) - container ", container, " is using its referenced image ",
                      short_id(entry.id())));
    }
    if (by_name.empty() && (user.running || !force)) {
      return fail(
          Code::kFailedPrecondition,
          cat("conflict: unable to delete ", short_id(entry.id()), " (",
              user.running ? "cannot be forced" : "must be forced", ") - image is being used by ",
              user.running ? "running" : "stopped", " container ", container));
    }
  }
  return {};
}

Result<std::vector<ImageRemoval>> Images::remove_image(const ImageEntry& entry) {
  std::vector<ImageRemoval> removals;
  for (const oci::Reference& name : entry.names) {
    TRY(drop_name(name.text()));
    removals.push_back({false, name.familiar()});
    tell("untag", entry.id().text(), name.familiar());
  }
  TRY(drop_name(dangling_name(entry.id())));
  removals.push_back({true, entry.id().text()});
  tell("delete", entry.id().text());
  return removals;
}

Result<std::vector<ImageRemoval>> Images::remove(std::string_view text,
                                                 const RemoveOptions& options) {
  std::vector<ImageRemoval> removals;
  {
    std::lock_guard lock(names_mutex_);
    TRY_ASSIGN(ImageEntry entry, find(text));
    auto wanted = oci::parse_image_name(text);
    auto named = entry.names.end();
    if (wanted && wanted->digest.empty()) {
      named = std::ranges::find(entry.names, *wanted);
    } else if (wanted) {
      named = std::ranges::find(entry.names, wanted->name(), &oci::Reference::name);
    }
    if (named != entry.names.end() && entry.names.size() > 1) {
      TRY(drop_name(named->text()));
      tell("untag", entry.id().text(), named->familiar());
      return std::vector<ImageRemoval>{{false, named->familiar()}};
    }
    if (named != entry.names.end()) {
      TRY(check_users(entry, named->familiar(), options.force));
      // What runs keeps its image, which then dangles.
      if (!check_users(entry, {}, true)) {
        image::Record record;
        record.name = dangling_name(entry.id());
        record.digest = entry.id();
        record.media_type = entry.target.media_type;
        record.size = entry.target.size;
        TRY(stores_.images.put(options_.name_space, std::move(record)));
        TRY(drop_name(named->text()));
        tell("untag", entry.id().text(), named->familiar());
        return std::vector<ImageRemoval>{{false, named->familiar()}};
      }
    } else {
      if (entry.names.size() > 1 && !options.force && !is_same_repository(entry.names)) {
        return fail(Code::kFailedPrecondition,
                    cat("conflict: unable to delete ", short_id(entry.id()),
                        " (must be forced) - image is referenced in multiple repositories"));
      }
      TRY(check_users(entry, {}, options.force));
    }
    TRY_ASSIGN(removals, remove_image(entry));
  }
  TRY(collect());
  return removals;
}

Result<PrunedImages> Images::prune(const ImageFilter& filter, bool all) {
  PrunedImages pruned;
  TRY_ASSIGN(std::int64_t before, layers_size());
  ImageFilter wanted = filter;
  if (!all) wanted.dangling = true;
  TRY_ASSIGN(std::vector<ImageDetails> images, list(wanted));
  {
    std::lock_guard lock(names_mutex_);
    for (const ImageDetails& image : images) {
      if (!check_users(image.entry, {}, false)) continue;
      TRY_ASSIGN(std::vector<ImageRemoval> removals, remove_image(image.entry));
      std::ranges::move(removals, std::back_inserter(pruned.removed));
    }
  }
  if (!pruned.removed.empty()) {
    TRY(collect());
    TRY_ASSIGN(std::int64_t after, layers_size());
    pruned.reclaimed = std::max<std::int64_t>(before - after, 0);
  }
  Event event;
  event.type = "image";
  event.action = "prune";
  event.attributes = {{"reclaimed", cat(pruned.reclaimed)}};
  publish(std::move(event));
  return pruned;
}

}  // namespace dhow::engine
