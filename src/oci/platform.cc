// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace dhow::oci {
namespace {

struct Alias {
  std::string_view name;
  std::string_view architecture;
  std::string_view variant;
};

// What uname(2), Debian and Go call the same architecture.
constexpr Alias kAliases[] = {
    {"x86_64", "amd64", ""},      {"x86-64", "amd64", ""},
    {"aarch64", "arm64", ""},     {"armhf", "arm", "v7"},
    {"armel", "arm", "v6"},       {"armv8l", "arm64", ""},
    {"armv7l", "arm", "v7"},      {"armv6l", "arm", "v6"},
    {"i386", "386", ""},          {"i486", "386", ""},
    {"i586", "386", ""},          {"i686", "386", ""},
    {"mips64el", "mips64le", ""}, {"loongarch64", "loong64", ""},
};

constexpr std::string_view kArchitectures[] = {
    "386",    "amd64",    "arm",   "arm64",   "loong64", "mips",  "mipsle",
    "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
};

constexpr std::string_view kSystems[] = {
    "aix",   "android", "darwin",  "dragonfly", "freebsd", "illumos", "ios",     "js",
    "linux", "netbsd",  "openbsd", "plan9",     "solaris", "wasip1",  "windows",
};

bool is_known(const auto& list, std::string_view name) {
  return std::ranges::find(list, name) != std::end(list);
}

// The level of x86-64 that the processor has, "" for the first.
std::string amd64_level() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v4")) return "v4";
  if (__builtin_cpu_supports("x86-64-v3")) return "v3";
  if (__builtin_cpu_supports("x86-64-v2")) return "v2";
#endif
  return {};
}

Platform detect_host() {
  Platform host{
      .os = "linux", .architecture = {}, .variant = {}, .os_version = {}, .os_features = {}};
  struct utsname names{};
  if (::uname(&names) == 0) host.architecture = names.machine;
  host = normalized(std::move(host));
  if (host.architecture == "amd64") host.variant = amd64_level();
  return host;
}

// The number N of a variant "vN", 0 for none.
unsigned level(std::string_view variant) {
  if (!variant.starts_with('v')) return 0;
  return parse_number<unsigned>(variant.substr(1)).value_or(0);
}

bool is_part(std::string_view part) {
  return !part.empty() && std::ranges::all_of(part, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

std::unexpected<Error> invalid_platform(std::string_view text, std::string_view why) {
  return fail(Code::kInvalidArgument, cat("invalid platform ", quoted(text), ": ", why));
}

// One word: an OS of the host's architecture, or an architecture of the host's OS.
Result<Platform> parse_word(std::string_view text, std::string_view word, const Platform& host) {
  std::string name = lower_text(word);
  if (name == "macos") name = "darwin";
  if (is_known(kSystems, name)) {
    Platform platform = host;
    platform.os = name;
    return platform;
  }
  Platform platform = normalized({host.os, name, {}, {}, {}});
  if (!is_known(kArchitectures, platform.architecture)) {
    return invalid_platform(text, "unknown operating system or architecture");
  }
  return platform;
}

}  // namespace

Platform normalized(Platform platform) {
  platform.os = lower_text(platform.os);
  if (platform.os == "macos") platform.os = "darwin";
  platform.architecture = lower_text(platform.architecture);
  platform.variant = lower_text(platform.variant);
  for (const Alias& alias : kAliases) {
    if (alias.name != platform.architecture) continue;
    platform.architecture = alias.architecture;
    if (platform.variant.empty()) platform.variant = alias.variant;
    break;
  }
  std::string& variant = platform.variant;
  if (!variant.empty() && variant.front() >= '0' && variant.front() <= '9') variant.insert(0, "v");
  if (platform.architecture == "arm" && variant.empty()) variant = "v7";
  if (platform.architecture == "arm64" && variant == "v8") variant.clear();
  if (platform.architecture == "amd64" && variant == "v1") variant.clear();
  return platform;
}

Result<Platform> parse_platform(std::string_view text, const Platform& host) {
  std::vector<std::string_view> parts = split(text, '/');
  if (parts.size() > 3) return invalid_platform(text, "more than os/architecture/variant");
  if (!std::ranges::all_of(parts, is_part)) {
    return invalid_platform(text, "a part is empty or has an unexpected character");
  }
  if (parts.size() == 1) return parse_word(text, parts.front(), host);
  Platform platform;
  platform.os = parts[0];
  platform.architecture = parts[1];
  if (parts.size() == 3) platform.variant = parts[2];
  return normalized(std::move(platform));
}

std::string platform_text(const Platform& platform) {
  std::string text = cat(platform.os, "/", platform.architecture);
  if (!platform.variant.empty()) text += cat("/", platform.variant);
  return text;
}

const Platform& host_platform() {
  static const Platform host = detect_host();
  return host;
}

std::vector<Platform> compatible_platforms(const Platform& wanted) {
  Platform first = normalized(wanted);
  std::vector<Platform> result{first};
  auto add = [&](std::string_view architecture, std::string variant) {
    Platform next = first;
    next.architecture = architecture;
    next.variant = std::move(variant);
    result.push_back(std::move(next));
  };
  const std::string& architecture = first.architecture;
  unsigned from = level(first.variant);
  if (architecture == "amd64") {
    for (unsigned n = from; n > 2; --n) add("amd64", cat("v", n - 1));
    if (from > 1) add("amd64", {});
    add("386", {});
  } else if (architecture == "arm") {
    for (unsigned n = from; n > 5; --n) add("arm", cat("v", n - 1));
  } else if (architecture == "arm64") {
    for (unsigned n = from; n > 9; --n) add("arm64", cat("v", n - 1));
    if (from > 8) add("arm64", {});
    for (unsigned n = 8; n >= 5; --n) add("arm", cat("v", n));
  }
  return result;
}

std::optional<std::size_t> platform_rank(const Platform& wanted, const Platform& offered) {
  Platform normal = normalized(offered);
  for (const std::string& feature : normal.os_features) {
    if (std::ranges::find(wanted.os_features, feature) == wanted.os_features.end())
      return std::nullopt;
  }
  std::vector<Platform> compatible = compatible_platforms(wanted);
  for (std::size_t rank = 0; rank < compatible.size(); ++rank) {
    const Platform& candidate = compatible[rank];
    if (candidate.os == normal.os && candidate.architecture == normal.architecture &&
        candidate.variant == normal.variant) {
      return rank;
    }
  }
  return std::nullopt;
}

}  // namespace dhow::oci
