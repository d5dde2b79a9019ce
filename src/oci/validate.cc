// SPDX-License-Identifier: Apache-2.0
#include "oci/validate.h"

#include "base/log.h"
#include "oci/validate_parts.h"

namespace dhow::oci {
namespace {

constexpr std::size_t kMaxHostname = 64;  // __NEW_UTS_LEN

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A numeric identifier of SemVer: no zeros in front.
bool is_version_number(std::string_view text) {
  return is_number(text) && (text == "0" || text[0] != '0');
}

// Dot-separated identifiers of [0-9A-Za-z-]; numbers of a pre-release have no zeros in front.
bool are_identifiers(std::string_view text, bool pre_release) {
  for (std::string_view part : split(text, '.')) {
    if (part.empty()) return false;
    for (char c : part) {
      bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      if (!good && c != '-') return false;
    }
    if (pre_release && is_number(part) && !is_version_number(part)) return false;
  }
  return true;
}

// SemVer 2.0.0: MAJOR.MINOR.PATCH[-PRE-RELEASE][+BUILD].
bool is_semantic_version(std::string_view text) {
  if (std::size_t plus = text.find('+'); plus != std::string_view::npos) {
    if (!are_identifiers(text.substr(plus + 1), false)) return false;
    text = text.substr(0, plus);
  }
  if (std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    if (!are_identifiers(text.substr(dash + 1), true)) return false;
    text = text.substr(0, dash);
  }
  auto numbers = split(text, '.');
  return numbers.size() == 3 && std::ranges::all_of(numbers, is_version_number);
}

Status check_version(const std::string& version) {
  if (!is_semantic_version(version)) {
    return invalid("$.ociVersion", cat(quoted(version), " is no semantic version"));
  }
  if (!version.starts_with("1.")) {
    return invalid("$.ociVersion", cat("version ", quoted(version), " is not supported"));
  }
  return {};
}

Status check_host_names(const Config& config) {
  bool own = config.linux.find_namespace(NamespaceType::kUts) != nullptr;
  const std::pair<std::string_view, const std::string*> names[] = {
      {"$.hostname", &config.hostname}, {"$.domainname", &config.domainname}};
  for (const auto& [path, name] : names) {
    if (name->empty()) continue;
    if (!own) return invalid(path, "needs a uts namespace");
    if (name->size() > kMaxHostname) {
      return invalid(path, cat(quoted(*name), " is longer than ", kMaxHostname, " bytes"));
    }
  }
  return {};
}

Status check_hooks(const std::vector<Hook>& hooks, std::string_view name) {
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    if (!is_absolute(hooks[i].path)) {
      return invalid(cat("$.hooks.", name, "[", i, "].path"),
                     cat(quoted(hooks[i].path), " is not absolute"));
    }
    if (hooks[i].timeout.value_or(1) <= 0) {
      return invalid(cat("$.hooks.", name, "[", i, "].timeout"), "must be greater than 0");
    }
  }
  return {};
}

Status check_all_hooks(const Hooks& hooks) {
  TRY(check_hooks(hooks.prestart, "prestart"));
  TRY(check_hooks(hooks.create_runtime, "createRuntime"));
  TRY(check_hooks(hooks.create_container, "createContainer"));
  TRY(check_hooks(hooks.start_container, "startContainer"));
  TRY(check_hooks(hooks.poststart, "poststart"));
  return check_hooks(hooks.poststop, "poststop");
}

bool overlap(std::uint32_t a, std::uint32_t a_size, std::uint32_t b, std::uint32_t b_size) {
  return a < std::uint64_t{b} + b_size && b < std::uint64_t{a} + a_size;
}

}  // namespace

Status check_mappings(const std::vector<IdMapping>& mappings, std::string_view path) {
  static constexpr std::uint64_t kIds = std::uint64_t{1} << 32;
  static constexpr std::size_t kMaxRanges = 340;  // UID_GID_MAP_MAX_EXTENTS
  if (mappings.size() > kMaxRanges) return invalid(path, cat("more than ", kMaxRanges, " ranges"));
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    const IdMapping& range = mappings[i];
    if (range.size == 0) return invalid(cat(path, "[", i, "].size"), "must be greater than 0");
    if (std::uint64_t{range.container_id} + range.size > kIds ||
        std::uint64_t{range.host_id} + range.size > kIds) {
      return invalid(cat(path, "[", i, "]"), "reaches beyond 32 bits");
    }
    for (std::size_t j = 0; j < i; ++j) {
      const IdMapping& other = mappings[j];
      if (overlap(range.container_id, range.size, other.container_id, other.size) ||
          overlap(range.host_id, range.size, other.host_id, other.size)) {
        return invalid(cat(path, "[", i, "]"), cat("overlaps range ", j));
      }
    }
  }
  return {};
}

Status validate_mounts(const std::vector<Mount>& mounts, std::string_view path) {
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    const Mount& mount = mounts[i];
    if (mount.destination.empty()) {
      return invalid(cat(path, "[", i, "].destination"), "must not be empty");
    }
    if (!is_absolute(mount.destination) && log::enabled(log::Level::kWarning)) {
      log::warning(cat(path, "[", i, "].destination: ", quoted(mount.destination),
                       " is not absolute, taken as below \"/\""));
    }
    if (mount.uid_mappings.empty() != mount.gid_mappings.empty()) {
      return invalid(cat(path, "[", i, "]"), "uidMappings and gidMappings need each other");
    }
    if (mount.uid_mappings.empty()) continue;
    TRY(check_mappings(mount.uid_mappings, cat(path, "[", i, "].uidMappings")));
    TRY(check_mappings(mount.gid_mappings, cat(path, "[", i, "].gidMappings")));
  }
  return {};
}

Status validate(const Config& config) {
  TRY(check_version(config.oci_version));
  if (!config.root) return invalid("$.root", "required");
  if (config.root->path.empty()) return invalid("$.root.path", "must not be empty");
  if (!config.process) return invalid("$.process", "required");
  TRY(validate_process(*config.process, "$.process"));
  TRY(check_host_names(config));
  TRY(validate_mounts(config.mounts, "$.mounts"));
  TRY(check_all_hooks(config.hooks));
  if (config.annotations.contains("")) return invalid("$.annotations", "a key is empty");
  TRY(check_linux(config));
  if (config.linux.resources) {
    TRY(validate_resources(*config.linux.resources, "$.linux.resources"));
  }
  return {};
}

}  // namespace dhow::oci
