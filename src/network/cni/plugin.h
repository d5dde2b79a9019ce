// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/cni/version.h"
#include "sys/fd.h"

namespace dhow::cni {

// What a plugin answers when it fails (CNI specification 1.1, "Error").
struct PluginError {
  unsigned code = 0;  // 0: it has not said
  std::string message;
  std::string details;

  std::string text() const;
};

// Never fails: bytes that are no such error give nullopt.
std::optional<PluginError> parse_plugin_error(std::string_view json);

// The versions of an answer to VERSION. kInvalidArgument.
Result<std::vector<Version>> parse_versions(std::string_view json);

// One call of a plugin. Empty ones are not set in its environment.
struct PluginCall {
  std::string command;  // "ADD"
  std::string type;
  std::string network;  // for messages
  std::string container;
  std::string netns;
  std::string interface;
  std::string args;
  std::string input;
  // A descriptor that the plugin, and what it starts, keep open.
  FdRef lock = FdRef(-1);
};

// How a call went: what the plugin wrote, or its error.
struct PluginAnswer {
  std::string output;
  std::optional<PluginError> error;
};

// Runs plugins: programs in folders, with an environment of CNI's variables and PATH alone, and no
// descriptor of ours. A plugin that takes longer than `timeout_ms` is killed with what it has
// started (kDeadlineExceeded); one that says more than 1 MiB has failed. It is killed as well when
// the calling process dies. Thread safe; calls block for as long as the plugin runs.
class Plugins {
 public:
  Plugins(std::vector<std::string> folders, int timeout_ms)
      : folders_(std::move(folders)), timeout_ms_(timeout_ms) {}

  // The program of a type. kNotFound with the folders that were looked into.
  Result<std::string> find(std::string_view type) const;
  // An error means that there is no such plugin, or that it did not come to an end.
  Result<PluginAnswer> call(const PluginCall& call) const;
  // What it says to VERSION, which is asked for once as long as the file is the same. What is said
  // in no known way is 0.1.0, as of plugins older than the question.
  Result<std::vector<Version>> versions(std::string_view type) const;

  // `plugin type="bridge" name="net" failed (add)`, which stands before what went wrong.
  static std::string failed(const PluginCall& call);
  // The error of a call that the plugin has refused.
  static Error error_of(const PluginCall& call, const PluginError& error);

 private:
  const std::vector<std::string> folders_;
  const int timeout_ms_;
  mutable std::mutex mutex_;  // guards versions_
  // By path, inode, size and time of the last change.
  mutable std::map<std::string, std::vector<Version>> versions_;
};

}  // namespace dhow::cni
