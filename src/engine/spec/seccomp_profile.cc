// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/seccomp_profile.h"

#include <sys/utsname.h>

#include <algorithm>

#include "base/strings.h"
#include "oci/config_codec.h"
#include "oci/json.h"
#include "oci/json_copy.h"
#include "oci/json_reader.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

using oci::JsonKind;
using oci::JsonReader;

#if defined(__x86_64__)
constexpr std::string_view kMachine = "amd64";
constexpr std::string_view kArchitecture = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
constexpr std::string_view kMachine = "arm64";
constexpr std::string_view kArchitecture = "SCMP_ARCH_AARCH64";
#else
#error "which name has this machine in seccomp profiles?"
#endif

constexpr std::size_t kMaxProfile = std::size_t{4} << 20;

void decode(const JsonReader& in, SeccompCondition& out) {
  if (!in.expect(JsonKind::kObject)) return;
  oci::optional_member(in, "caps", out.capabilities);
  oci::optional_member(in, "arches", out.machines);
  oci::optional_member(in, "minKernel", out.min_kernel);
}

// The conditions of the rules, and for which machine: the rest is read as the runtime's own format.
struct DockerParts {
  std::vector<SeccompCondition> includes;
  std::vector<SeccompCondition> excludes;
  std::vector<std::string> architectures;
};

void decode_architectures(const JsonReader& in, DockerParts& out) {
  if (!in.present() || !in.expect(JsonKind::kArray)) return;
  for (std::size_t i = 0; i < in.value().size(); ++i) {
    JsonReader entry = in.item(i);
    std::string name;
    oci::required_member(entry, "architecture", name);
    if (name != kArchitecture) continue;
    oci::optional_member(entry, "subArchitectures", out.architectures);
    out.architectures.insert(out.architectures.begin(), name);
  }
}

void decode(const JsonReader& in, DockerParts& out) {
  if (!in.expect(JsonKind::kObject)) return;
  decode_architectures(in.member("archMap"), out);
  JsonReader calls = in.member("syscalls");
  if (!calls.present() || !calls.expect(JsonKind::kArray)) return;
  for (std::size_t i = 0; i < calls.value().size(); ++i) {
    JsonReader call = calls.item(i);
    JsonReader includes = call.member("includes");
    JsonReader excludes = call.member("excludes");
    out.includes.emplace_back();
    out.excludes.emplace_back();
    if (includes.present()) decode(includes, out.includes.back());
    if (excludes.present()) decode(excludes, out.excludes.back());
  }
}

// Old profiles have one "name" a rule, and some no list at all.
struct Names {
  std::vector<std::vector<std::string>> of_rule;
};
void decode(const JsonReader& in, Names& out) {
  JsonReader calls = in.member("syscalls");
  for (std::size_t i = 0; i < calls.value().size(); ++i) {
    JsonReader call = calls.item(i);
    auto& names = out.of_rule.emplace_back();
    oci::optional_member(call, "names", names);
    std::string name;
    oci::optional_member(call, "name", name);
    if (!name.empty()) names.push_back(name);
  }
}

// The profile with a list of names in each rule.
std::string with_names(oci::JsonValue root, const Names& names) {
  oci::JsonWriter out;
  out.begin_object();
  for (std::size_t i = 0; i < root.size(); ++i) {
    oci::JsonMember member = root.member(i);
    out.key(member.name);
    if (member.name != "syscalls" || member.value.kind() != JsonKind::kArray) {
      oci::copy_value(out, member.value);
      continue;
    }
    out.begin_array();
    for (std::size_t n = 0; n < member.value.size(); ++n) {
      out.begin_object().key("names").begin_array();
      for (const std::string& name : names.of_rule[n]) out.string(name);
      out.end_array();
      oci::JsonValue call = member.value.item(n);
      for (std::string_view part : {"action", "errnoRet", "args"}) {
        if (call.find(part).is_null()) continue;
        out.key(part);
        oci::copy_value(out, call.find(part));
      }
      out.end_object();
    }
    out.end_array();
  }
  out.end_object();
  return out.text();
}

// "5.10.0-28-amd64" as 5, 10.
std::pair<int, int> version_of(std::string_view text) {
  int parts[2] = {0, 0};
  for (int& part : parts) {
    std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    part = parse_number<int>(text.substr(0, digits)).value_or(0);
    text.remove_prefix(std::min(digits + 1, text.size()));
  }
  return {parts[0], parts[1]};
}

bool kernel_is(const std::string& least) {
  utsname name{};
  return ::uname(&name) == 0 && version_of(name.release) >= version_of(least);
}

bool includes(const SeccompCondition& condition, const std::vector<std::string>& capabilities) {
  auto has = [&](const std::string& name) {
    return std::ranges::find(capabilities, name) != capabilities.end();
  };
  if (!condition.machines.empty() &&
      std::ranges::find(condition.machines, kMachine) == condition.machines.end()) {
    return false;
  }
  if (!condition.min_kernel.empty() && !kernel_is(condition.min_kernel)) return false;
  return std::ranges::all_of(condition.capabilities, has);
}

bool excludes(const SeccompCondition& condition, const std::vector<std::string>& capabilities) {
  auto has = [&](const std::string& name) {
    return std::ranges::find(capabilities, name) != capabilities.end();
  };
  if (std::ranges::find(condition.machines, kMachine) != condition.machines.end()) return true;
  if (!condition.min_kernel.empty() && kernel_is(condition.min_kernel)) return true;
  return std::ranges::any_of(condition.capabilities, has);
}

}  // namespace

Result<SeccompProfile> parse_seccomp_profile(std::string_view json) {
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(json));
  TRY_ASSIGN(DockerParts parts, oci::parse_as<DockerParts>(json));
  TRY_ASSIGN(Names names, oci::parse_as<Names>(json));
  // The codec of configurations knows the names of actions and operators.
  std::string config =
      cat(R"({"ociVersion":"1.0.0","linux":{"seccomp":)", with_names(document.root(), names), "}}");
  TRY_ASSIGN(oci::Config parsed, oci::parse_config(config));
  SeccompProfile profile;
  profile.base = std::move(*parsed.linux.seccomp);
  if (!parts.architectures.empty()) {
    if (!profile.base.architectures.empty()) {
      return fail(Code::kInvalidArgument, "both 'architectures' and 'archMap' are in the profile");
    }
    profile.base.architectures = std::move(parts.architectures);
  }
  for (std::size_t i = 0; i < profile.base.syscalls.size(); ++i) {
    profile.rules.push_back({std::move(profile.base.syscalls[i]), std::move(parts.includes[i]),
                             std::move(parts.excludes[i])});
  }
  profile.base.syscalls.clear();
  return profile;
}

Result<SeccompProfile> engine_seccomp_profile(const std::string& setting) {
  if (setting.empty() || setting == "builtin" || setting == "unconfined") {
    return default_seccomp_profile();
  }
  auto profile = [&]() -> Result<SeccompProfile> {
    TRY_ASSIGN(std::string text, read_file(setting, kMaxProfile));
    return parse_seccomp_profile(text);
  }();
  if (!profile) {
    return std::unexpected(
        std::move(profile).error().add_context(cat("seccomp-profile ", quoted(setting))));
  }
  return profile;
}

oci::Seccomp resolve_seccomp(const SeccompProfile& profile,
                             const std::vector<std::string>& capabilities) {
  oci::Seccomp filter = profile.base;
  for (const SeccompRule& rule : profile.rules) {
    if (excludes(rule.excludes, capabilities) || !includes(rule.includes, capabilities)) continue;
    filter.syscalls.push_back(rule.calls);
  }
  return filter;
}

}  // namespace dhow::engine
