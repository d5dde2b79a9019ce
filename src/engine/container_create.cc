// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/container_quota.h"
#include "engine/containers_impl.h"
#include "engine/image_lookup.h"
#include "engine/log_settings.h"
#include "engine/names.h"
#include "engine/snapshot_diff.h"
#include "metadata/lease_store.h"
#include "oci/platform.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

void merge_health(ContainerConfig& config, const oci::ImageConfig& image) {
  if (!image.healthcheck) return;
  const oci::Healthcheck& from = *image.healthcheck;
  HealthConfig& health = config.healthcheck ? *config.healthcheck : config.healthcheck.emplace();
  if (health.test.empty()) health.test = from.test;
  if (health.interval == 0) health.interval = from.interval;
  if (health.timeout == 0) health.timeout = from.timeout;
  if (health.start_period == 0) health.start_period = from.start_period;
  if (health.start_interval == 0) health.start_interval = from.start_interval;
  if (health.retries == 0) health.retries = from.retries;
}

void merge_environment(ContainerConfig& config, const oci::ImageConfig& image) {
  std::vector<std::string> merged = config.env;
  for (const std::string& entry : image.env) {
    std::string name = entry.substr(0, entry.find('='));
    bool given = std::ranges::any_of(config.env, [&](const std::string& other) {
      return other.substr(0, other.find('=')) == name;
    });
    if (!given) merged.push_back(entry);
  }
  config.env = std::move(merged);
}

bool is_empty(const std::optional<std::vector<std::string>>& words) {
  return !words || words->empty();
}

// The image's own command is taken where no other is asked for; one empty word as the entry point
// takes the image's away (--entrypoint "").
void merge_command(ContainerConfig& config, const oci::ImageConfig& image) {
  if (is_empty(config.entrypoint)) {
    if (is_empty(config.cmd)) {
      config.cmd = image.cmd;
      config.args_escaped = image.args_escaped;
    }
    if (!config.entrypoint) config.entrypoint = image.entrypoint;
  } else if (config.entrypoint->size() == 1 && config.entrypoint->front().empty()) {
    config.entrypoint.reset();
  }
}

Status check_stop_signal(const std::string& signal) {
  if (signal.empty() || parse_signal(signal)) return {};
  return fail(Code::kInvalidArgument, cat("Invalid signal: ", signal));
}

// `upper`: what the container will write into, which is empty.
Status mark_root(const std::string& upper) {
  TRY_ASSIGN(Fd root, open_at(kCwd, upper, O_PATH | O_DIRECTORY));
  Fd file(::openat(root.get(), kMarkFile, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0755));
  if (!file) return fail_errno(errno, cat("make ", upper, "/", kMarkFile));
  return {};
}

}  // namespace

Status ContainersImpl::merge_image(CreateConfig& create, const oci::ImageConfig& image) const {
  ContainerConfig& config = create.config;
  if (config.user.empty()) config.user = image.user;
  config.exposed_ports.insert(image.exposed_ports.begin(), image.exposed_ports.end());
  merge_environment(config, image);
  for (const auto& [key, value] : image.labels) config.labels.emplace(key, value);
  merge_command(config, image);
  merge_health(config, image);
  if (config.working_dir.empty()) config.working_dir = image.working_dir;
  config.volumes.insert(image.volumes.begin(), image.volumes.end());
  if (config.stop_signal.empty()) config.stop_signal = image.stop_signal;
  if (config.shell.empty()) config.shell = image.shell;
  if (!config.stop_timeout && image.stop_timeout) config.stop_timeout = image.stop_timeout;
  return {};
}

Status ContainersImpl::settle_facts(const CreateRequest& request, ContainerRecord& record) const {
  ContainerConfig& config = record.config.config;
  ContainerFacts& facts = record.facts;
  if (config.image.empty()) {
    return fail(Code::kInvalidArgument, "no image was given: the field Image is empty");
  }
  auto found = find_image({stores_.images.content, stores_.images.images}, options_.name_space,
                          config.image);
  if (!found) {
    // What is no name can't be pulled either.
    TRY(oci::parse_image_name(config.image));
    return std::unexpected(std::move(found).error());
  }
  const ImageEntry& image = *found;
  auto content = stores_.reader.read(image.target, request.platform);
  if (!content) {
    return std::unexpected(std::move(content).error().add_context(config.image));
  }
  const ImageDocuments& documents = (*content)->documents;
  // An image without an index is for what it says itself.
  if (request.platform && !oci::platform_rank(*request.platform, documents.config.platform)) {
    return fail(Code::kNotFound, cat("image with reference ", config.image,
                                     " was found but does not provide the specified platform (",
                                     oci::platform_text(*request.platform), ")"));
  }
  facts.image_id = image.target.digest.text();
  facts.manifest = documents.manifest_descriptor;
  if (!documents.chain.empty()) facts.parent = documents.chain.back().text();
  TRY(merge_image(record.config, documents.config.config));
  std::vector<std::string> words;
  for (const auto* part : {&config.entrypoint, &config.cmd}) {
    if (*part) words.insert(words.end(), (*part)->begin(), (*part)->end());
  }
  if (words.empty() || (words.size() == 1 && words[0].empty())) {
    return fail(Code::kInvalidArgument, "no command specified");
  }
  facts.path = words.front();
  facts.args.assign(words.begin() + 1, words.end());
  return {};
}

Status ContainersImpl::fill_defaults(ContainerRecord& record, std::vector<std::string>& warnings) {
  HostConfig& host = record.config.host;
  ContainerConfig& config = record.config.config;
  TRY(check_config(record.config, options_, warnings));
  TRY(runtime_of(host.runtime));
  std::string network = network_mode(host);
  TRY(check_networks(record, warnings));
  TRY(check_remap(host));
  TRY(settle_links(record));
  if (config.hostname.empty()) {
    bool of_host = host.uts_mode == "host" || network == "host";
    char name[256] = {};
    if (of_host && ::gethostname(name, sizeof name - 1) == 0) {
      config.hostname = name;
    } else {
      config.hostname = short_id(record.id);
    }
  }
  if (host.cgroupns_mode.empty()) {
    bool own = !host.privileged && unified_;
    host.cgroupns_mode = !options_.cgroupns_mode.empty() ? options_.cgroupns_mode
                         : own                           ? "private"
                                                         : "host";
  }
  if (host.log_config.type.empty()) {
    host.log_config.type = options_.log_driver;
    for (const auto& [key, value] : options_.log_options) {
      host.log_config.config.emplace(key, value);
    }
  }
  if (host.network_mode.empty()) host.network_mode = "default";
  // What tells it from one that has left all its networks, whose mode is the same.
  if (network == kNoNetwork) record.config.networking.endpoints.try_emplace(network);
  if (!host.init && options_.init_by_default) host.init = true;
  return {};
}

const IdRemap* ContainersImpl::remap_of(const HostConfig& host) const {
  return remap_ && host.userns_mode != "host" ? &*remap_ : nullptr;
}

// What a user namespace would have no right to, in docker's words.
Status ContainersImpl::check_remap(const HostConfig& host) const {
  if (remap_of(host) == nullptr) return {};
  if (host.privileged) {
    return fail(Code::kInvalidArgument,
                "privileged mode is incompatible with user namespaces.  You must run the container "
                "in the host namespace when running privileged mode");
  }
  if (network_mode(host) == "host") {
    return fail(Code::kInvalidArgument,
                "cannot share the host's network namespace when user namespaces are enabled");
  }
  if (host.pid_mode == "host") {
    return fail(Code::kInvalidArgument,
                "cannot share the host PID namespace when user namespaces are enabled");
  }
  return {};
}

// Not "not found", which clients take to be said of the image, and pull it.
Result<ContainerPtr> ContainersImpl::find_other(std::string_view ref) const {
  auto found = find(ref);
  if (found) return found;
  return fail(Code::kInvalidArgument, found.error().message());
}

Status ContainersImpl::check_joined(const ContainerRecord& record) const {
  const HostConfig& host = record.config.host;
  for (const std::string* mode : {&host.network_mode, &host.pid_mode, &host.ipc_mode}) {
    std::string other = joined_container(*mode);
    if (other.empty()) continue;
    TRY(find_other(other));
  }
  return {};
}

Result<std::string> ContainersImpl::reserve_name(const std::string& wanted, const std::string& id) {
  std::unique_lock lock(mutex_);
  std::string name = wanted.starts_with('/') ? wanted.substr(1) : wanted;
  if (wanted.empty()) {
    TRY_ASSIGN(name, make_name([&](std::string_view one) { return by_name_.contains(one); }));
  } else {
    TRY(check_name(name));
  }
  auto [place, fresh] = by_name_.emplace(name, id);
  if (fresh) return name;
  return fail(
      Code::kAlreadyExists,
      cat("Conflict. The container name ", quoted("/" + name), " is already in use by container ",
          quoted(place->second),
          ". You have to remove (or rename) that container to be able to reuse that name."));
}

void ContainersImpl::release_name(const std::string& name) {
  std::unique_lock lock(mutex_);
  by_name_.erase(name);
}

Result<CreateAnswer> ContainersImpl::create(const CreateRequest& request) {
  ContainerRecord record;
  record.config = request.config;
  record.created = metadata::now();
  TRY_ASSIGN(record.id, make_id());
  CreateAnswer answer;
  TRY(check_conflicts(request.config));
  TRY(check_stop_signal(request.config.config.stop_signal));
  TRY(settle_facts(request, record));
  TRY(fill_defaults(record, answer.warnings));
  TRY_ASSIGN(std::int64_t root_limit, root_size(record.config.host.storage_opt,
                                                stores_.images.snapshots, options_.root_size));
  TRY(check_log_config(record.config.host.log_config));
  TRY(check_joined(record));
  // Faults of what is written come before anything is made.
  TRY(wanted_mounts(record.config));
  TRY_ASSIGN(record.name, reserve_name(request.name, record.id));
  Cleanup unname([&] { release_name(record.name); });

  snapshot::NewSnapshot wanted;
  wanted.key = record.snapshot();
  wanted.parent = record.facts.parent;
  TRY_ASSIGN(snapshot::MountPlan plan, stores_.images.snapshots.prepare(wanted));
  Cleanup unprepare([&] { std::ignore = stores_.images.snapshots.remove(record.snapshot()); });
  if (root_limit > 0) TRY(stores_.images.snapshots.set_quota(wanted.key, root_limit));
  TRY(mark_root(plan.upper));
  TRY(make_dirs(folder(record.id), 0710));
  Cleanup unwrite([&] {
    auto parent = open_at(kCwd, options_.root + "/containers", O_RDONLY | O_DIRECTORY);
    if (parent) std::ignore = remove_tree(*parent, record.id);
  });
  std::vector<std::string> made;
  Cleanup unvolume([&] {
    for (const std::string& name : made) std::ignore = stores_.volumes.remove(name, true);
  });
  TRY(settle_mounts(record, made));
  TRY(fill_volumes(record));
  std::vector<std::string> views;
  Cleanup unview([&] {
    for (const std::string& key : views) std::ignore = stores_.images.snapshots.remove(key);
  });
  TRY(view_images(record, views));
  TRY(stores_.database.write([&](metadata::Transaction& transaction) -> Status {
    TRY(ContainerRows(transaction, options_.name_space).insert(record));
    TRY(Volumes::use(transaction, record));
    return Events::append(transaction, make_event(record, "create"));
  }));
  unname.dismiss();
  unprepare.dismiss();
  unwrite.dismiss();
  unvolume.dismiss();
  unview.dismiss();
  {
    std::unique_lock lock(mutex_);
    by_id_.emplace(record.id, std::make_shared<Container>(record));
  }
  stores_.events.notify();
  answer.id = std::move(record.id);
  return answer;
}

}  // namespace dhow::engine
