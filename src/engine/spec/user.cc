// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/user.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace dhow::engine {
namespace {

struct PasswdLine {
  std::string_view name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string_view home;
};

struct GroupLine {
  std::string_view name;
  std::uint32_t gid = 0;
  std::vector<std::string_view> members;
};

std::vector<PasswdLine> read_passwd(std::string_view text) {
  std::vector<PasswdLine> lines;
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> parts = split(trim(line), ':');
    if (parts.size() < 4) continue;
    auto uid = parse_number<std::uint32_t>(parts[2]);
    auto gid = parse_number<std::uint32_t>(parts[3]);
    if (!uid || !gid) continue;
    lines.push_back({parts[0], *uid, *gid, parts.size() > 5 ? parts[5] : std::string_view()});
  }
  return lines;
}

std::vector<GroupLine> read_group(std::string_view text) {
  std::vector<GroupLine> lines;
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> parts = split(trim(line), ':');
    if (parts.size() < 3) continue;
    auto gid = parse_number<std::uint32_t>(parts[2]);
    if (!gid) continue;
    lines.push_back({parts[0], *gid, {}});
    if (parts.size() > 3 && !parts[3].empty()) lines.back().members = split(parts[3], ',');
  }
  return lines;
}

void add_group(std::vector<std::uint32_t>& groups, std::uint32_t gid) {
  if (std::ranges::find(groups, gid) == groups.end()) groups.push_back(gid);
}

// A number that is no id.
bool is_out_of_range(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return false;
  constexpr std::uint32_t kMost = 0x7fffffff;
  auto number = parse_number<std::uint32_t>(text);
  return negative || !number || *number > kMost;
}

std::unexpected<Error> out_of_range() {
  return fail(Code::kInvalidArgument, "uids and gids must be in range 0-2147483647");
}

std::optional<std::uint32_t> find_group(const std::vector<GroupLine>& groups,
                                        std::string_view text) {
  auto number = parse_number<std::uint32_t>(text);
  for (const GroupLine& group : groups) {
    if (group.name == text || (number && group.gid == *number)) return group.gid;
  }
  return number;
}

}  // namespace

Result<ContainerUser> resolve_user(std::string_view text, std::string_view passwd,
                                   std::string_view group, const std::vector<std::string>& more) {
  std::size_t colon = text.find(':');
  std::string_view user = text.substr(0, colon);
  std::string_view own_group = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  std::vector<GroupLine> groups = read_group(group);
  ContainerUser result;
  auto number = user.empty() ? std::uint32_t{0} : parse_number<std::uint32_t>(user);
  std::string_view name;
  bool known = false;
  for (const PasswdLine& line : read_passwd(passwd)) {
    if (user.empty() ? line.uid != 0 : line.name != user && !(number && line.uid == *number)) {
      continue;
    }
    result.user.uid = line.uid;
    result.user.gid = line.gid;
    if (!line.home.empty()) result.home = line.home;
    name = line.name;
    known = true;
    break;
  }
  if (!known) {
    if (is_out_of_range(user)) return out_of_range();
    if (!number) {
      return fail(Code::kInvalidArgument,
                  cat("unable to find user ", user, ": no matching entries in passwd file"));
    }
    result.user.uid = *number;
  }
  if (!own_group.empty()) {
    if (is_out_of_range(own_group)) return out_of_range();
    auto gid = find_group(groups, own_group);
    if (!gid) {
      return fail(Code::kInvalidArgument,
                  cat("unable to find group ", own_group, ": no matching entries in group file"));
    }
    result.user.gid = *gid;
  }
  add_group(result.user.additional_gids, result.user.gid);
  if (own_group.empty() && known) {
    for (const GroupLine& line : groups) {
      if (std::ranges::find(line.members, name) != line.members.end()) {
        add_group(result.user.additional_gids, line.gid);
      }
    }
  }
  for (const std::string& extra : more) {
    if (is_out_of_range(extra)) return out_of_range();
    auto gid = find_group(groups, extra);
    if (!gid) {
      return fail(Code::kInvalidArgument,
                  cat("unable to find group ", extra, ": no matching entries in group file"));
    }
    add_group(result.user.additional_gids, *gid);
  }
  return result;
}

}  // namespace dhow::engine
