// SPDX-License-Identifier: Apache-2.0
#include "network/cni/plugin.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_reader.h"
#include "sys/spawn.h"

namespace dhow::cni {
namespace {

constexpr std::size_t kMaxOutput = std::size_t{1} << 20;
constexpr std::size_t kMaxWords = 4096;  // of a plugin's error that are passed on
// Plugins run programs of their own (iptables).
constexpr std::string_view kPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Specification 1.1, "Error": 1 to 99 are the specification's.
Code code_of(unsigned plugin_code) {
  switch (plugin_code) {
    case 1:  // incompatible version
      return Code::kFailedPrecondition;
    case 2:  // unsupported field
    case 4:  // environment
    case 6:  // content
    case 7:  // configuration
      return Code::kInvalidArgument;
    case 3:
      return Code::kNotFound;
    case 11:  // try again later
    case 50:  // no container can be added
    case 51:  // and those that are there may be cut off
      return Code::kUnavailable;
    default:
      return Code::kUnknown;
  }
}

std::string shortened(std::string_view text) {
  return std::string(trim(text.substr(0, kMaxWords)));
}

std::vector<std::string> environment_of(const PluginCall& call,
                                        const std::vector<std::string>& folders) {
  std::vector<std::string> result = {std::string(kPath), cat("CNI_COMMAND=", call.command),
                                     cat("CNI_PATH=", join(folders, ":"))};
  auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) result.push_back(cat(name, "=", value));
  };
  add("CNI_CONTAINERID", call.container);
  add("CNI_NETNS", call.netns);
  add("CNI_IFNAME", call.interface);
  add("CNI_ARGS", call.args);
  return result;
}

}  // namespace

void decode(const oci::JsonReader& in, PluginError& out) {
  if (!in.expect(oci::JsonKind::kObject)) return;
  oci::required_member(in, "code", out.code);
  oci::optional_member(in, "msg", out.message);
  oci::optional_member(in, "details", out.details);
}

std::string PluginError::text() const {
  std::string text = message;
  if (!details.empty()) text += cat(text.empty() ? "" : "; ", details);
  if (text.empty()) text = "it does not say why";
  if (code != 0) text += cat(" (CNI error ", code, ")");
  return text;
}

std::optional<PluginError> parse_plugin_error(std::string_view json) {
  auto error = oci::parse_as<PluginError>(json);
  if (!error) return std::nullopt;
  error->message = shortened(error->message);
  error->details = shortened(error->details);
  return std::move(*error);
}

Result<std::vector<Version>> parse_versions(std::string_view json) {
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(json));
  std::optional<Error> fault;
  std::vector<std::string> texts;
  oci::required_member(oci::JsonReader(document.root(), &fault), "supportedVersions", texts);
  if (fault) return fail(std::move(*fault));
  std::vector<Version> versions;
  for (const std::string& text : texts) {
    // One that we have never heard of is of no use to us.
    if (auto version = parse_version(text)) versions.push_back(*version);
  }
  return versions;
}

std::string Plugins::failed(const PluginCall& call) {
  return cat("plugin type=", quoted(call.type), " name=", quoted(call.network), " failed (",
             lower_text(call.command), ")");
}

Error Plugins::error_of(const PluginCall& call, const PluginError& error) {
  return {code_of(error.code), cat(failed(call), ": ", error.text())};
}

Result<std::string> Plugins::find(std::string_view type) const {
  for (const std::string& folder : folders_) {
    std::string path = cat(folder, "/", type);
    struct stat facts{};
    if (::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) return path;
  }
  return fail(Code::kNotFound,
              cat("failed to find plugin ", quoted(type), " in path [", join(folders_, " "), "]"));
}

Result<PluginAnswer> Plugins::call(const PluginCall& call) const {
  SpawnOptions options;
  TRY_ASSIGN(options.path, find(call.type));
  options.arguments = {options.path};
  options.environment = environment_of(call, folders_);
  options.working_dir = "/";
  options.input = call.input;
  options.timeout_ms = timeout_ms_;
  options.max_caught = kMaxOutput;
  options.own_group = true;
  options.dies_with_caller = true;
  if (call.lock.get() >= 0) options.inherit = {call.lock.get()};
  auto spawned = spawn_and_wait(options);
  if (!spawned) return fail(std::move(spawned).error().add_context(failed(call)));
  if (spawned->timed_out) {
    return fail(Code::kDeadlineExceeded, cat(failed(call), ": it was killed, as it had not ended ",
                                             "after ", timeout_ms_ / 1000, " seconds"));
  }
  if (spawned->cut) {
    return fail(Code::kResourceExhausted,
                cat(failed(call), ": it has written more than ", kMaxOutput >> 20, " MiB"));
  }
  PluginAnswer answer;
  if (spawned->exit_code == 0) {
    answer.output = std::move(spawned->output);
    return answer;
  }
  answer.error = parse_plugin_error(spawned->output);
  if (answer.error) return answer;
  // It has died before it could say it in CNI's way.
  std::string words = shortened(spawned->error_text);
  if (words.empty()) words = shortened(spawned->output);
  PluginError error;
  error.message = cat("exit status ", spawned->exit_code);
  error.details = std::move(words);
  answer.error = std::move(error);
  return answer;
}

Result<std::vector<Version>> Plugins::versions(std::string_view type) const {
  TRY_ASSIGN(std::string path, find(type));
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) return fail_errno(errno, cat("look at ", path));
  std::string key = cat(path, " ", facts.st_ino, " ", facts.st_size, " ", facts.st_mtim.tv_sec, ".",
                        facts.st_mtim.tv_nsec);
  {
    std::lock_guard lock(mutex_);
    if (auto found = versions_.find(key); found != versions_.end()) return found->second;
  }
  PluginCall question;
  question.command = "VERSION";
  question.type = type;
  // Version 0.2.0 wants them, though they mean nothing here.
  question.container = question.interface = question.netns = "dummy";
  question.input =
      oci::JsonWriter().begin_object().member("cniVersion", kNewest.text()).end_object().text();
  TRY_ASSIGN(PluginAnswer answer, call(question));
  std::vector<Version> result = {kOldest};
  if (!answer.error) {
    TRY_ASSIGN(result, parse_versions(answer.output));
  }
  std::lock_guard lock(mutex_);
  versions_[key] = result;
  return result;
}

}  // namespace dhow::cni
