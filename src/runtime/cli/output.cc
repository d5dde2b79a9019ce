// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/output.h"

#include <algorithm>

#include "base/strings.h"
#include "oci/json.h"

namespace dhow::runtime::cli {
namespace {

// The version of the specification that states are written in.
constexpr std::string_view kOciVersion = "1.3.0";

void write_annotations(oci::JsonWriter& json, const ContainerInfo& container) {
  if (container.annotations.empty()) return;
  json.key("annotations").begin_object();
  for (const auto& [key, value] : container.annotations) json.member(key, value);
  json.end_object();
}

void write_state(oci::JsonWriter& json, Style style, const ContainerInfo& container,
                 std::string_view owner) {
  json.begin_object();
  json.member("ociVersion", kOciVersion)
      .member("id", container.id)
      .member_number("pid", container.pid)
      .member("status", status_name(container.status))
      .member("bundle", container.bundle)
      .member("rootfs", container.rootfs)
      .member("created", container.created);
  if (style == Style::kCrun) {
    json.member("systemd-scope", container.systemd_scope).member("owner", owner);
    write_annotations(json, container);
  } else {
    write_annotations(json, container);
    json.member("owner", owner);
  }
  json.end_object();
}

std::string pad(std::string_view text, std::size_t width) {
  std::string cell(text);
  if (cell.size() < width) cell.append(width - cell.size(), ' ');
  return cell;
}

// crun's table has fixed columns, but for the first one, which is as wide as the longest id.
std::string crun_list_row(std::size_t width, std::string_view id, std::string_view pid,
                          std::string_view status, std::string_view bundle,
                          std::string_view created, std::string_view owner) {
  return cat(pad(id, width), " ", pad(pid, 9), " ", pad(status, 8), " ", pad(bundle, 39), " ",
             pad(created, 30), " ", owner, "\n");
}

// The words of a line, split at blanks.
std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> result;
  while (true) {
    std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return result;
    line.remove_prefix(begin);
    std::size_t size = std::min(line.find_first_of(" \t"), line.size());
    result.push_back(line.substr(0, size));
    line.remove_prefix(size);
  }
}

}  // namespace

std::string align_columns(std::span<const std::vector<std::string>> rows) {
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 12);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + 3);
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i + 1 < row.size() ? pad(row[i], widths[i]) : row[i];
    }
    text += '\n';
  }
  return text;
}

std::string state_json(Style style, const ContainerInfo& container, std::string_view owner) {
  oci::JsonWriter json(style == Style::kCrun ? "    " : "  ");
  write_state(json, style, container, owner);
  return style == Style::kCrun ? cat(json.text(), "\n") : json.text();
}

std::string list_json(Style style, std::span<const ContainerInfo> containers,
                      std::span<const std::string> owners) {
  if (style == Style::kRunc && containers.empty()) return "null\n";
  oci::JsonWriter json(style == Style::kCrun ? "    " : "");
  json.begin_array();
  for (std::size_t i = 0; i < containers.size(); ++i) {
    if (style == Style::kRunc) {
      write_state(json, style, containers[i], owners[i]);
      continue;
    }
    json.begin_object()
        .member("id", containers[i].id)
        .member_number("pid", containers[i].pid)
        .member("status", status_name(containers[i].status))
        .member("bundle", containers[i].bundle)
        .member("created", containers[i].created)
        .member("owner", owners[i])
        .end_object();
  }
  json.end_array();
  return cat(json.text(), "\n");
}

std::string list_table(Style style, std::span<const ContainerInfo> containers,
                       std::span<const std::string> owners) {
  if (style == Style::kCrun) {
    std::size_t width = 4;
    for (const ContainerInfo& container : containers) width = std::max(width, container.id.size());
    std::string text =
        crun_list_row(width, "NAME", "PID", "STATUS", "BUNDLE PATH", "CREATED", "OWNER");
    for (std::size_t i = 0; i < containers.size(); ++i) {
      const ContainerInfo& container = containers[i];
      text += crun_list_row(width, container.id, cat(container.pid), status_name(container.status),
                            container.bundle, container.created, owners[i]);
    }
    return text;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (std::size_t i = 0; i < containers.size(); ++i) {
    const ContainerInfo& container = containers[i];
    rows.push_back({container.id, cat(container.pid), std::string(status_name(container.status)),
                    container.bundle, container.created, owners[i]});
  }
  return align_columns(rows);
}

std::string pids_json(Style style, std::span<const pid_t> pids) {
  if (style == Style::kRunc && pids.empty()) return "null\n";
  oci::JsonWriter json(style == Style::kCrun ? "  " : "");
  json.begin_array();
  for (pid_t pid : pids) json.number(pid);
  json.end_array();
  return cat(json.text(), "\n");
}

Result<std::string> filter_ps(std::string_view table, std::span<const pid_t> pids) {
  std::vector<std::string_view> lines = split(table, '\n');
  std::vector<std::string_view> header = words(lines.front());
  auto column = static_cast<std::size_t>(std::ranges::find(header, "PID") - header.begin());
  if (column == header.size()) {
    return fail(Code::kInvalidArgument, "couldn't find PID field in ps output");
  }
  std::string text = cat(lines.front(), "\n");
  for (std::string_view line : std::span(lines).subspan(1)) {
    std::vector<std::string_view> fields = words(line);
    if (fields.size() <= column) continue;
    std::optional<pid_t> pid = parse_number<pid_t>(fields[column]);
    if (!pid) {
      return fail(Code::kUnknown,
                  cat("unexpected pid ", quoted(fields[column]), " in the output of ps"));
    }
    if (std::ranges::find(pids, *pid) != pids.end()) text += cat(line, "\n");
  }
  return text;
}

std::string user_name(std::string_view passwd, std::uint32_t uid) {
  for (std::string_view line : split(passwd, '\n')) {
    std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() > 3 && parse_number<std::uint32_t>(fields[2]) == uid) {
      return std::string(fields[0]);
    }
  }
  return cat("#", uid);
}

}  // namespace dhow::runtime::cli
