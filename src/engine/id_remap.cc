// SPDX-License-Identifier: Apache-2.0
#include "engine/id_remap.h"

#include <unistd.h>

#include <limits>
#include <string_view>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/subordinate_ids.h"

namespace dhow::engine {
namespace {

constexpr std::string_view kSetting = "userns-remap";
constexpr std::string_view kDefaultUser = "dockremap";
constexpr std::size_t kMaxFile = std::size_t{1} << 20;

struct Account {
  std::string name;
  std::uint32_t id = 0;
};

std::unexpected<Error> wrong(const std::string& text) {
  return fail(Code::kInvalidArgument, cat(kSetting, ": ", text));
}

// A line of passwd(5) or group(5) by its name or its number, which both have in the same fields. A
// number needs no line.
Result<Account> find_account(const std::string& file, std::string_view wanted,
                             std::string_view what) {
  TRY_ASSIGN(std::string text, read_file(file, kMaxFile));
  auto number = parse_number<std::uint32_t>(wanted);
  for (std::string_view line : split(std::string_view(text), '\n')) {
    std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < 3) continue;
    auto id = parse_number<std::uint32_t>(fields[2]);
    if (id && (fields[0] == wanted || (number && *id == *number))) {
      return Account{std::string(fields[0]), *id};
    }
  }
  if (number) return Account{std::string(wanted), *number};
  return wrong(cat(what, " ", quoted(wanted), " is not in ", file));
}

Result<std::vector<oci::IdMapping>> map_of(const std::string& file, const Account& account,
                                           std::string_view flag) {
  std::string text = read_file(file, kMaxFile).value_or("");
  std::vector<oci::IdMapping> map;
  std::uint64_t inside = 0;
  for (const SubordinateIds& range : subordinate_ranges(text, account.name, account.id)) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    if (inside + range.count > kMost || std::uint64_t{range.first} + range.count > kMost) {
      return wrong(cat(file, ": the ranges of ", quoted(account.name), " end beyond 2^32 - 1"));
    }
    map.push_back({.container_id = static_cast<std::uint32_t>(inside),
                   .host_id = range.first,
                   .size = range.count});
    inside += range.count;
  }
  if (!map.empty()) return map;
  return wrong(cat(quoted(account.name), " has no line in ", file, ": add one, as by usermod ",
                   flag, " 100000-165535 ", account.name));
}

void append_option(std::vector<std::string>& options, std::string_view name,
                   const std::vector<oci::IdMapping>& map) {
  std::string text(name);
  std::string_view separator = "=";
  for (const oci::IdMapping& one : map) {
    text += cat(separator, one.container_id, ":", one.host_id, ":", one.size);
    separator = ",";
  }
  options.push_back(std::move(text));
}

}  // namespace

std::vector<std::string> IdRemap::mount_options() const {
  std::vector<std::string> options;
  append_option(options, "uidmap", uids);
  append_option(options, "gidmap", gids);
  return options;
}

Result<std::optional<IdRemap>> resolve_remap(const std::string& setting, const IdFiles& files) {
  if (setting.empty()) return std::nullopt;
  if (::geteuid() != 0) return wrong("an engine without root has a user namespace already");
  std::string_view user = setting == "default" ? kDefaultUser : std::string_view(setting);
  std::string_view group = user;
  if (std::size_t colon = user.find(':'); colon != std::string_view::npos) {
    group = user.substr(colon + 1);
    user = user.substr(0, colon);
  }
  if (user.empty() || group.empty()) {
    return wrong(cat(quoted(setting), " is not \"default\", USER or USER:GROUP"));
  }
  TRY_ASSIGN(Account of_user, find_account(files.passwd, user, "user"));
  TRY(find_account(files.group, group, "group"));
  IdRemap remap;
  TRY_ASSIGN(remap.uids, map_of(files.subuid, of_user, "--add-subuids"));
  TRY_ASSIGN(remap.gids, map_of(files.subgid, of_user, "--add-subgids"));
  return remap;
}

}  // namespace dhow::engine
