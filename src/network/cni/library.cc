// SPDX-License-Identifier: Apache-2.0
#include "network/cni/library.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_copy.h"
#include "sys/fd.h"

namespace dhow::cni {
namespace {

Status check_names(const AttachmentKey& key) {
  if (!is_plain_name(key.network)) {
    return fail(Code::kInvalidArgument, cat("not a network's name: ", quoted(key.network)));
  }
  if (!is_plain_name(key.container)) {
    return fail(Code::kInvalidArgument, cat("not a container's id: ", quoted(key.container)));
  }
  if (!is_interface_name(key.interface)) {
    return fail(Code::kInvalidArgument, cat("not an interface's name: ", quoted(key.interface)));
  }
  return {};
}

Status check_args(const CniArgs& args) {
  for (const auto& [name, value] : args) {
    if (name.empty() || name.find_first_of(";=") != std::string::npos ||
        value.find(';') != std::string::npos || cat(name, value).find('\0') != std::string::npos) {
      return fail(Code::kInvalidArgument, cat("CNI_ARGS: ", quoted(cat(name, "=", value)),
                                              ": a name and a value without \";\""));
    }
  }
  return {};
}

std::string args_text(const CniArgs& args) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : args) parts.push_back(cat(name, "=", value));
  return join(parts, ";");
}

PluginCall call_of(std::string_view command, const NetworkConfig& network,
                   const PluginConfig& plugin, const CachedAttachment& attachment, const Fd& lock) {
  PluginCall call;
  call.command = command;
  call.type = plugin.type;
  call.network = network.name;
  call.container = attachment.key.container;
  call.netns = attachment.netns;
  call.interface = attachment.key.interface;
  call.args = args_text(attachment.args);
  PluginInput input;
  input.capabilities = attachment.capabilities;
  if (command == "ADD" || network.version >= kCheckSince) input.previous = attachment.result;
  call.input = plugin_input(network, plugin, input);
  call.lock = lock;
  return call;
}

// What the next plugin is given: of the network's version, whatever the plugin has answered in.
Result<std::string> next_result(const std::string& output, const Version& version) {
  TRY_ASSIGN(AddResult result, parse_result(output, version));
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(output));
  if (document.root().find("cniVersion").as_string() == version.text()) {
    return oci::value_json(document.root());
  }
  return result_text(result, version);
}

std::string list_of(const std::vector<ValidAttachment>& attachments) {
  oci::JsonWriter out;
  out.begin_array();
  for (const ValidAttachment& one : attachments) {
    out.begin_object().member("containerID", one.container);
    out.member("ifname", one.interface).end_object();
  }
  out.end_array();
  return out.text();
}

bool is_there(const std::string& path) {
  return !path.empty() && open_at(kCwd, path, O_PATH).has_value();
}

}  // namespace

Result<NetworkConfig> Library::negotiated(const NetworkConfig& network) const {
  NetworkConfig result = network;
  if (network.versions.size() < 2) return result;
  std::set<std::string> asked;
  for (const PluginConfig& plugin : network.plugins) {
    if (!asked.insert(plugin.type).second) continue;
    TRY_ASSIGN(std::vector<Version> spoken, plugins_.versions(plugin.type));
    std::erase_if(result.versions, [&](const Version& version) {
      return std::ranges::find(spoken, version) == spoken.end();
    });
  }
  if (result.versions.empty()) {
    std::vector<std::string> texts;
    for (const Version& version : network.versions) texts.push_back(version.text());
    return fail(Code::kFailedPrecondition,
                cat("network ", quoted(network.name), ": not all of its plugins speak one of ",
                    join(texts, ", ")));
  }
  result.version = result.versions.back();
  // Whatever the plugins can do later, this attachment is of this version.
  result.versions = {result.version};
  return result;
}

Result<std::string> Library::add_one(const NetworkConfig& network, const PluginConfig& plugin,
                                     const CachedAttachment& attachment, const Fd& lock) const {
  PluginCall call = call_of("ADD", network, plugin, attachment, lock);
  TRY_ASSIGN(PluginAnswer answer, plugins_.call(call));
  if (answer.error) return fail(Plugins::error_of(call, *answer.error));
  auto result = next_result(answer.output, network.version);
  if (!result) {
    return fail(std::move(result).error().add_context(cat(Plugins::failed(call), ": its result")));
  }
  return result;
}

Status Library::remove_all(const NetworkConfig& network, std::size_t added,
                           const CachedAttachment& attachment, const Fd& lock) const {
  Status first;
  for (std::size_t i = network.plugins.size(); i-- > 0;) {
    const PluginConfig& plugin = network.plugins[i];
    bool may_refuse = i >= added;
    PluginCall call = call_of("DEL", network, plugin, attachment, lock);
    auto removed = [&]() -> Status {
      if (may_refuse && !plugins_.find(plugin.type)) return {};
      TRY_ASSIGN(PluginAnswer answer, plugins_.call(call));
      // It knows of no such container: there is nothing to take away.
      if (!answer.error || answer.error->code == 3) return {};
      if (may_refuse && answer.error->code == 1) return {};
      return fail(Plugins::error_of(call, *answer.error));
    }();
    if (!removed && first) first = std::move(removed);
  }
  return first;
}

Result<AddResult> Library::add(const NetworkConfig& given, const Attachment& wanted) const {
  CachedAttachment attachment;
  attachment.key = {given.name, wanted.container, wanted.interface};
  attachment.netns = wanted.netns;
  attachment.args = wanted.args;
  attachment.capabilities = wanted.capabilities;
  TRY(check_names(attachment.key));
  TRY(check_args(wanted.args));
  TRY_ASSIGN(NetworkConfig network, negotiated(given));
  attachment.config = network_text(network);
  TRY_ASSIGN(AttachmentLock lock, cache_.lock(attachment.key, options_.timeout_ms));
  TRY_ASSIGN(auto before, cache_.get(attachment.key));
  if (before) {
    return fail(Code::kAlreadyExists,
                cat("container ", wanted.container, " has an interface ", wanted.interface,
                    " in network ", network.name, " already"));
  }
  TRY(cache_.put(attachment));
  std::size_t count = 0;
  auto added = [&]() -> Status {
    for (const PluginConfig& plugin : network.plugins) {
      TRY_ASSIGN(attachment.result, add_one(network, plugin, attachment, lock.fd()));
      ++count;
      TRY(cache_.put(attachment));
    }
    return {};
  }();
  if (added) return parse_result(attachment.result);
  auto undone = remove_all(network, count, attachment, lock.fd());
  if (undone) undone = cache_.remove(attachment.key);
  if (!undone) {
    log::warning(cat("network ", network.name, ": container ", wanted.container,
                     " is in it by a half: ", undone.error().message()));
  }
  return fail(std::move(added).error());
}

Status Library::remove(std::string_view name, const Attachment& unwanted,
                       const NetworkConfig* otherwise) const {
  CachedAttachment attachment;
  attachment.key = {std::string(name), unwanted.container, unwanted.interface};
  TRY(check_names(attachment.key));
  TRY(check_args(unwanted.args));
  TRY_ASSIGN(AttachmentLock lock, cache_.lock(attachment.key, options_.timeout_ms));
  auto cached = cache_.get(attachment.key);
  if (!cached && otherwise == nullptr) return fail(std::move(cached).error());
  std::optional<NetworkConfig> network;
  if (cached && *cached) {
    attachment = std::move(**cached);
    auto parsed = parse_network(attachment.config);
    if (!parsed && otherwise == nullptr) return fail(std::move(parsed).error());
    if (parsed) network = std::move(*parsed);
  } else {
    attachment.args = unwanted.args;
    attachment.capabilities = unwanted.capabilities;
  }
  if (!network && otherwise != nullptr) {
    TRY_ASSIGN(network, negotiated(*otherwise));
  }
  if (!network) return {};
  attachment.netns = unwanted.netns;
  TRY(remove_all(*network, network->plugins.size(), attachment, lock.fd()));
  return cache_.remove(attachment.key);
}

Status Library::check(std::string_view name, const Attachment& wanted) const {
  AttachmentKey key = {std::string(name), wanted.container, wanted.interface};
  TRY(check_names(key));
  TRY_ASSIGN(AttachmentLock lock, cache_.lock(key, options_.timeout_ms));
  TRY_ASSIGN(std::optional<CachedAttachment> attachment, cache_.get(key));
  if (!attachment) {
    return fail(Code::kNotFound, cat("container ", key.container, " has no interface ",
                                     key.interface, " in network ", key.network));
  }
  TRY_ASSIGN(NetworkConfig network, parse_network(attachment->config));
  if (network.version < kCheckSince) {
    return fail(Code::kUnimplemented, cat("network ", network.name, ": version ",
                                          network.version.text(), " of CNI has no CHECK"));
  }
  if (network.disable_check) return {};
  if (attachment->result.empty()) {
    return fail(Code::kFailedPrecondition, cat("network ", key.network, ": container ",
                                               key.container, " has been added only by a half"));
  }
  attachment->netns = wanted.netns;
  for (const PluginConfig& plugin : network.plugins) {
    PluginCall call = call_of("CHECK", network, plugin, *attachment, lock.fd());
    TRY_ASSIGN(PluginAnswer answer, plugins_.call(call));
    if (answer.error) return fail(Plugins::error_of(call, *answer.error));
  }
  return {};
}

Status Library::call_each(const NetworkConfig& network, std::string_view command,
                          const PluginInput& input) const {
  Status first;
  for (const PluginConfig& plugin : network.plugins) {
    PluginCall call;
    call.command = command;
    call.type = plugin.type;
    call.network = network.name;
    call.input = plugin_input(network, plugin, input);
    auto answer = plugins_.call(call);
    Status status;
    if (!answer) status = fail(std::move(answer).error());
    if (answer && answer->error) status = fail(Plugins::error_of(call, *answer->error));
    if (!status && first) first = std::move(status);
  }
  return first;
}

Status Library::remove_stale(const NetworkConfig& given,
                             const std::vector<ValidAttachment>& valid) const {
  Status first;
  TRY_ASSIGN(std::vector<CachedAttachment> all, cache_.list());
  for (const CachedAttachment& one : all) {
    if (one.key.network != given.name) continue;
    bool is_valid = std::ranges::any_of(valid, [&](const ValidAttachment& other) {
      return other.container == one.key.container && other.interface == one.key.interface;
    });
    if (is_valid) continue;
    Attachment unwanted;
    unwanted.container = one.key.container;
    unwanted.interface = one.key.interface;
    if (is_there(one.netns)) unwanted.netns = one.netns;
    auto removed = remove(given.name, unwanted, &given);
    if (!removed && first) first = std::move(removed);
  }
  return first;
}

Status Library::collect(const NetworkConfig& given,
                        const std::vector<ValidAttachment>& valid) const {
  Status first = remove_stale(given, valid);
  TRY_ASSIGN(NetworkConfig network, negotiated(given));
  if (network.version < kGcSince || network.disable_gc) return first;
  PluginInput input;
  input.valid_attachments = list_of(valid);
  auto collected = call_each(network, "GC", input);
  return first ? collected : first;
}

Result<Readiness> Library::status(const NetworkConfig& given) const {
  Readiness result;
  auto asked = [&]() -> Status {
    for (const PluginConfig& plugin : given.plugins) TRY(plugins_.find(plugin.type));
    TRY_ASSIGN(NetworkConfig network, negotiated(given));
    if (network.version < kGcSince) return {};
    return call_each(network, "STATUS", {});
  }();
  if (asked) return result;
  result.is_ready = false;
  result.reason = asked.error().message();
  return result;
}

}  // namespace dhow::cni
