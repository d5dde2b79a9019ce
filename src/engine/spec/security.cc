// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/security.h"

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

std::unexpected<Error> bad_option(int which, std::string_view option) {
  return fail(Code::kInvalidArgument, cat("invalid --security-opt ", which, ": ", quoted(option)));
}

Status parse_pair(std::string_view key, std::string_view value, const std::string& option,
                  SecurityOptions& out) {
  if (key == "label") {
    out.labels.emplace_back(value);
  } else if (key == "apparmor") {
    out.apparmor = value;
  } else if (key == "seccomp") {
    out.seccomp = value;
  } else if (key == "no-new-privileges" || key == "writable-cgroups") {
    auto flag = parse_bool(value);
    if (!flag) return bad_option(2, option);
    (key == "no-new-privileges" ? out.no_new_privileges : out.writable_cgroups) = flag;
  } else if (key == "systempaths" && value == "unconfined") {
    out.unconfined_paths = true;
  } else {
    return bad_option(2, option);
  }
  return {};
}

}  // namespace

Result<SecurityOptions> parse_security_options(const std::vector<std::string>& options) {
  SecurityOptions out;
  for (const std::string& option : options) {
    if (option == "no-new-privileges") {
      out.no_new_privileges = true;
      continue;
    }
    if (option == "writable-cgroups") {
      out.writable_cgroups = true;
      continue;
    }
    if (option == "disable") {
      out.labels.emplace_back("disable");
      continue;
    }
    std::size_t at = option.find('=');
    // The old form, with a colon.
    if (at == std::string::npos) at = option.find(':');
    if (at == std::string::npos) return bad_option(1, option);
    std::string_view text = option;
    TRY(parse_pair(text.substr(0, at), text.substr(at + 1), option, out));
  }
  return out;
}

bool apparmor_enabled() {
  static const bool kEnabled = [] {
    auto text = read_file("/sys/module/apparmor/parameters/enabled", 16);
    return text && text->starts_with('Y');
  }();
  return kEnabled;
}

bool apparmor_has(const std::string& profile) {
  auto text = read_file("/sys/kernel/security/apparmor/profiles");
  if (!text) return false;
  for (std::string_view line : split(*text, '\n')) {
    if (line.starts_with(profile) && line.substr(profile.size()).starts_with(" (")) return true;
  }
  return false;
}

}  // namespace dhow::engine
