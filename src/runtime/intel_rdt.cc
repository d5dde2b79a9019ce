// SPDX-License-Identifier: Apache-2.0
#include "runtime/intel_rdt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "sys/fd.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;

Status check_mounted(std::string_view root) {
  // The folder itself is there on every kernel with the file system, mounted or not.
  if (open_at(kCwd, cat(root, "/tasks"), O_PATH)) return {};
  return fail(Code::kFailedPrecondition, cat("intelRdt: resctrl is not mounted on ", quoted(root),
                                             ", or the processor has nothing that it controls"));
}

Status check_group_name(std::string_view name) {
  bool bad = name == "." || name == ".." || name == "info" || name == "mon_groups" ||
             name == "mon_data" || name.find_first_of("/\n") != std::string_view::npos;
  if (bad) return fail(Code::kInvalidArgument, cat("intelRdt: bad closID ", quoted(name)));
  return {};
}

// Where the group of a container is; "/" is the root group.
Result<std::string> group_path(std::string_view id, const oci::IntelRdt& config,
                               std::string_view root) {
  if (config.clos_id == "/") return std::string(root);
  std::string_view name = config.clos_id.empty() ? id : std::string_view(config.clos_id);
  TRY(check_group_name(name));
  return cat(root, "/", name);
}

// What the kernel says about the last failed write, "" for nothing.
std::string last_status(std::string_view root) {
  auto text = read_file(cat(root, "/info/last_cmd_status"), kMaxFile);
  if (!text) return {};
  std::string_view words = trim(*text);
  return words == "ok" ? std::string() : std::string(words);
}

Status write_group_file(std::string_view root, const std::string& path, std::string_view data) {
  // O_CREAT and O_TRUNC mean nothing on resctrl, where nobody but the kernel makes files.
  auto file = open_at(kCwd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  if (!file) return fail(std::move(file).error().add_context("intelRdt"));
  auto written = write_all(*file, data);
  if (written) return {};
  std::string context = cat("intelRdt: write ", quoted(trim(data)), " to ", quoted(path));
  if (std::string words = last_status(root); !words.empty()) context += cat(": ", words);
  return fail(std::move(written).error().add_context(context));
}

// The lines of l3CacheSchema and memBwSchema to be written together. A "MB:" line of the former
// gives way to the latter (config-linux.md, "IntelRdt").
std::string combined_schema(std::string_view l3, std::string_view mem_bw) {
  std::string text;
  for (std::string_view line : split(l3, '\n')) {
    if (trim(line).empty()) continue;
    if (!mem_bw.empty() && trim(line).starts_with("MB:")) continue;
    text += cat(trim(line), "\n");
  }
  if (!trim(mem_bw).empty()) text += cat(trim(mem_bw), "\n");
  return text;
}

std::string schemata_text(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    if (!trim(line).empty()) text += cat(trim(line), "\n");
  }
  return text;
}

// Resource and domain ("L3" and "0") to value. The kernel pads resources and may write leading
// zeros.
using SchemaMap = std::map<std::pair<std::string, std::string>, std::string>;

SchemaMap parse_schema(std::string_view text) {
  SchemaMap map;
  for (std::string_view raw : split(text, '\n')) {
    std::string_view line = trim(raw);
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    for (std::string_view entry : split(line.substr(colon + 1), ';')) {
      std::size_t equals = entry.find('=');
      if (equals == std::string_view::npos) continue;
      std::string_view value = trim(entry.substr(equals + 1));
      while (value.size() > 1 && value[0] == '0') value.remove_prefix(1);
      map[{std::string(trim(line.substr(0, colon))), std::string(trim(entry.substr(0, equals)))}] =
          std::string(value);
    }
  }
  return map;
}

Status check_same_schema(const std::string& group, std::string_view wanted) {
  TRY_ASSIGN(std::string text, read_file(cat(group, "/schemata"), kMaxFile));
  SchemaMap have = parse_schema(text);
  for (const auto& [key, value] : parse_schema(wanted)) {
    auto found = have.find(key);
    if (found != have.end() && found->second == value) continue;
    std::string now = found == have.end() ? "nothing" : quoted(found->second);
    return fail(Code::kFailedPrecondition,
                cat("intelRdt: group ", quoted(group), " exists with another schema: ", key.first,
                    " of ", key.second, " is ", now, ", not ", quoted(value)));
  }
  return {};
}

bool is_folder(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Status remove_group(std::string_view path) {
  if (path.empty()) return {};
  std::string name(path);
  // resctrl removes the files in it, as cgroup file systems do.
  if (::rmdir(name.c_str()) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, cat("intelRdt: remove group ", quoted(path)));
}

// Makes the folder; true when it was not there.
Result<bool> make_group(std::string_view root, const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return true;
  if (errno == EEXIST) return false;
  int error = errno;
  std::string text = cat("intelRdt: make group ", quoted(path));
  // ENOSPC is the processor's limit: there are few classes.
  if (std::string words = last_status(root); !words.empty()) text += cat(": ", words);
  return fail_errno(error, text);
}

// The group with its schemata; true when it was made here.
Result<bool> prepare_group(const oci::IntelRdt& config, std::string_view root,
                           const std::string& group) {
  std::string schema = combined_schema(config.l3_cache_schema, config.mem_bw_schema);
  std::string schemata = schemata_text(config.schemata);
  bool preset = !config.clos_id.empty() && schema.empty() && schemata.empty();
  if (preset && !is_folder(group)) {
    return fail(Code::kFailedPrecondition,
                cat("intelRdt: closID ", quoted(config.clos_id),
                    " does not exist, and there are no schemata to make it with"));
  }
  bool made = false;
  if (group != root) {
    TRY_ASSIGN(made, make_group(root, group));
  }
  Cleanup undo([&] {
    if (!made) return;
    auto removed = remove_group(group);
    if (!removed) log::warning(removed.error().message());
  });
  if (!schema.empty()) {
    if (made) {
      TRY(write_group_file(root, cat(group, "/schemata"), schema));
    } else {
      TRY(check_same_schema(group, schema));
    }
  }
  if (!schemata.empty()) TRY(write_group_file(root, cat(group, "/schemata"), schemata));
  undo.dismiss();
  return made;
}

}  // namespace

Result<RdtGroups> create_rdt_groups(std::string_view id, const oci::IntelRdt& config, pid_t pid,
                                    std::string_view root) {
  TRY(check_mounted(root));
  TRY_ASSIGN(std::string group, group_path(id, config, root));
  RdtGroups made;
  Cleanup undo([&] {
    auto removed = remove_rdt_groups(made.group, made.monitor);
    if (!removed) log::warning(removed.error().message());
  });
  TRY_ASSIGN(bool made_group, prepare_group(config, root, group));
  if (made_group) made.group = group;
  TRY(write_group_file(root, cat(group, "/tasks"), cat(pid)));
  if (config.enable_monitoring) {
    TRY(check_group_name(id));
    std::string monitor = cat(group, "/mon_groups/", id);
    TRY_ASSIGN(bool made_monitor, make_group(root, monitor));
    if (made_monitor) made.monitor = monitor;
    TRY(write_group_file(root, cat(monitor, "/tasks"), cat(pid)));
  }
  undo.dismiss();
  return made;
}

Status remove_rdt_groups(std::string_view group, std::string_view monitor) {
  auto first = remove_group(monitor);
  TRY(remove_group(group));
  return first;
}

Status update_rdt_group(std::string_view id, const oci::IntelRdt& config,
                        std::string_view l3_cache_schema, std::string_view mem_bw_schema,
                        std::string_view root) {
  std::string schema = combined_schema(l3_cache_schema, mem_bw_schema);
  if (schema.empty()) return {};
  TRY(check_mounted(root));
  TRY_ASSIGN(std::string group, group_path(id, config, root));
  if (!is_folder(group)) {
    return fail(Code::kFailedPrecondition,
                cat("intelRdt: group ", quoted(group), " does not exist"));
  }
  return write_group_file(root, cat(group, "/schemata"), schema);
}

}  // namespace dhow::runtime
