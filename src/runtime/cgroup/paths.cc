// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/paths.h"

#include <vector>

#include "base/strings.h"

namespace dhow::cgroup {

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> kept;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(part);
    }
  }
  std::string clean;
  for (std::string_view part : kept) {
    clean += '/';
    clean += part;
  }
  return clean.empty() ? "/" : clean;
}

std::string_view parent_path(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || slash == 0 ? std::string_view("/")
                                                       : path.substr(0, slash);
}

std::string container_path(std::string_view base, std::string_view cgroups_path,
                           std::string_view id) {
  if (cgroups_path.starts_with('/')) return clean_path(cgroups_path);
  // Cleaned on its own first: ".." must not climb out of the base either.
  std::string inner = clean_path(cgroups_path.empty() ? id : cgroups_path);
  return clean_path(cat(base, inner));
}

bool UnitName::is_slice() const { return name.ends_with(".slice"); }

std::string UnitName::unit() const { return is_slice() ? name : cat(prefix, "-", name, ".scope"); }

Result<UnitName> parse_unit_path(std::string_view cgroups_path, std::string_view id,
                                 std::string_view program) {
  if (cgroups_path.empty()) return UnitName{"", std::string(program), std::string(id)};
  auto parts = split(cgroups_path, ':');
  if (parts.size() != 3) {
    return fail(Code::kInvalidArgument,
                cat("expected cgroupsPath to be of format \"slice:prefix:name\" for systemd "
                    "cgroups, got ",
                    quoted(cgroups_path), " instead"));
  }
  UnitName unit{std::string(parts[0]), std::string(parts[1]), std::string(parts[2])};
  if (unit.prefix.empty()) unit.prefix = program;
  if (unit.name.empty()) unit.name = id;
  return unit;
}

Result<std::string> expand_slice(std::string_view slice) {
  constexpr std::string_view kSuffix = ".slice";
  auto invalid = [&] {
    return fail(Code::kInvalidArgument, cat("invalid slice name: ", quoted(slice)));
  };
  if (!slice.ends_with(kSuffix) || slice.size() == kSuffix.size()) return invalid();
  if (slice.find('/') != std::string_view::npos) return invalid();
  std::string_view name = slice.substr(0, slice.size() - kSuffix.size());
  std::string path;
  if (name == "-") return path;
  std::string prefix;
  for (std::string_view part : split(name, '-')) {
    if (part.empty()) return invalid();
    prefix += part;
    path += cat("/", prefix, kSuffix);
    prefix += '-';
  }
  return path;
}

Result<std::string> join_sub_path(std::string_view base, std::string_view sub) {
  if (sub.empty()) return std::string(base);
  // ".." is resolved against the whole host path, so that climbing out is seen, not forgiven.
  std::string path = clean_path(cat(base, "/", sub));
  if (path != base && !path.starts_with(cat(base, "/"))) {
    return fail(Code::kInvalidArgument, cat("bad sub cgroup path: ", quoted(sub)));
  }
  return path;
}

}  // namespace dhow::cgroup
