// SPDX-License-Identifier: Apache-2.0
#include "network/plugin/plugin.h"

#include "base/strings.h"
#include "network/cni/config.h"
#include "network/plugin/calls.h"
#include "oci/json.h"

namespace dhow::bridge_plugin {
namespace {

// Codes of the specification 1.1, "Error".
constexpr unsigned kIncompatible = 1;
constexpr unsigned kBadEnvironment = 4;
constexpr unsigned kBadConfig = 7;
constexpr unsigned kTryAgain = 11;
constexpr unsigned kNotAvailable = 50;
constexpr unsigned kOwn = 100;

Answer failure(std::string_view version, unsigned code, std::string_view message) {
  oci::JsonWriter out;
  out.begin_object().member("cniVersion", version);
  out.key("code").number(code).member("msg", message).end_object();
  return {1, out.text() + "\n"};
}

unsigned code_of(const Error& error) {
  if (error.code() == Code::kInvalidArgument) return kBadConfig;
  return error.code() == Code::kUnavailable ? kTryAgain : kOwn;
}

Answer versions() {
  oci::JsonWriter out;
  out.begin_object().member("cniVersion", cni::kNewest.text());
  out.key("supportedVersions").begin_array();
  for (const cni::Version& version : cni::known_versions()) out.string(version.text());
  out.end_array().end_object();
  return {0, out.text() + "\n"};
}

// The name of the first variable that is missing or wrong; "": none is.
std::string missing_of(const Environment& environment) {
  const std::string& command = environment.command;
  if (command == "GC" || command == "STATUS") return {};
  if (!cni::is_plain_name(environment.container)) return "CNI_CONTAINERID";
  if (!cni::is_interface_name(environment.interface)) return "CNI_IFNAME";
  if (environment.netns.empty() && command != "DEL") return "CNI_NETNS";
  return {};
}

Result<std::string> dispatch(const Call& call, const std::string& command) {
  if (command == "ADD") return call.add();
  if (command == "DEL") {
    TRY(call.remove());
  } else if (command == "CHECK") {
    TRY(call.check());
  } else if (command == "GC") {
    TRY(call.collect());
  } else if (command == "STATUS") {
    TRY(call.status());
  } else {
    return fail(Code::kUnimplemented, cat("CNI_COMMAND: unknown command ", quoted(command)));
  }
  return std::string();
}

}  // namespace

Answer run(const Environment& environment, std::string_view input) {
  if (environment.command == "VERSION") return versions();
  auto parsed = parse_config(input);
  if (!parsed) return failure(cni::kNewest.text(), kBadConfig, parsed.error().message());
  const Config& config = *parsed;
  std::string version = config.version.text();
  if (!cni::is_known(config.version)) {
    return failure(version, kIncompatible,
                   cat("version ", version, " of CNI is none that dhow-cni speaks"));
  }
  if (std::string missing = missing_of(environment); !missing.empty()) {
    return failure(version, kBadEnvironment, cat("the variable ", missing, " is missing or wrong"));
  }
  auto done = dispatch(Call(environment, config), environment.command);
  if (!done && done.error().code() == Code::kUnimplemented) {
    return failure(version, kBadEnvironment, done.error().message());
  }
  if (done) return {0, *done};
  unsigned code = environment.command == "STATUS" ? kNotAvailable : code_of(done.error());
  return failure(version, code, done.error().message());
}

}  // namespace dhow::bridge_plugin
