// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <limits>

#include "base/strings.h"
#include "runtime/cgroup/stats.h"
#include "sys/file_io.h"

namespace dhow::cgroup {

std::vector<std::uint64_t> parse_list(std::string_view text) {
  constexpr std::uint64_t kMost = 65'536;  // more than there are processors, so not a list of them
  std::vector<std::uint64_t> numbers;
  for (std::string_view part : split(trim(text), ',')) {
    std::size_t dash = part.find('-');
    auto first = parse_number<std::uint64_t>(part.substr(0, dash));
    auto last =
        dash == std::string_view::npos ? first : parse_number<std::uint64_t>(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last - *first >= kMost) continue;
    for (std::uint64_t number = *first; number <= *last; ++number) numbers.push_back(number);
  }
  return numbers;
}

std::map<std::string, std::uint64_t> parse_keyed(std::string_view text) {
  std::map<std::string, std::uint64_t> found;
  for (std::string_view line : split(text, '\n')) {
    std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    if (auto value = parse_number<std::uint64_t>(trim(line.substr(space + 1)))) {
      found.emplace(line.substr(0, space), *value);
    }
  }
  return found;
}

namespace {

// "0.00", as the kernel prints an average: digits and one point, so that it is a JSON number too.
bool is_decimal(std::string_view text) {
  std::size_t point = text.find('.');
  if (point == 0 || point == std::string_view::npos || point + 1 == text.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i != point && (text[i] < '0' || text[i] > '9')) return false;
  }
  return true;
}

// 0.00 is 0 and 1.50 is 1.5, as Go writes it.
std::string shortest(std::string_view text) {
  while (text.back() == '0') text.remove_suffix(1);
  if (text.back() == '.') text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

std::optional<Pressure> parse_pressure(std::string_view text) {
  std::optional<Pressure> pressure;
  for (std::string_view line : split(text, '\n')) {
    bool some = line.starts_with("some ");
    if (!some && !line.starts_with("full ")) continue;
    if (!pressure) pressure.emplace();
    Pressure::Line& target = some ? pressure->some : pressure->full;
    for (std::string_view field : split(line, ' ')) {
      std::size_t equals = field.find('=');
      if (equals == std::string_view::npos) continue;
      std::string_view name = field.substr(0, equals);
      std::string_view value = field.substr(equals + 1);
      if (name == "total") target.total = parse_number<std::uint64_t>(value).value_or(0);
      if (!is_decimal(value)) continue;
      if (name == "avg10") target.avg10 = shortest(value);
      if (name == "avg60") target.avg60 = shortest(value);
      if (name == "avg300") target.avg300 = shortest(value);
    }
  }
  return pressure;
}

void parse_io_stat(std::string_view text, Stats::Block& block) {
  for (std::string_view line : split(text, '\n')) {
    auto fields = split(line, ' ');
    std::size_t colon = fields[0].find(':');
    if (colon == std::string_view::npos) continue;
    auto major = parse_number<std::uint64_t>(fields[0].substr(0, colon));
    auto minor = parse_number<std::uint64_t>(fields[0].substr(colon + 1));
    if (!major || !minor) continue;
    for (std::string_view field : fields) {
      std::size_t equals = field.find('=');
      if (equals == std::string_view::npos) continue;
      auto value = parse_number<std::uint64_t>(field.substr(equals + 1));
      std::string_view name = field.substr(0, equals);
      if (!value || name.size() < 4 || (name[0] != 'r' && name[0] != 'w')) continue;
      std::string_view what = name.substr(1);
      if (what != "bytes" && what != "ios") continue;
      auto& table =
          block.tables[what == "bytes" ? "ioServiceBytesRecursive" : "ioServicedRecursive"];
      table.push_back({*major, *minor, name[0] == 'r' ? "Read" : "Write", *value});
    }
  }
}

Status add_pids(const Folder& folder, Stats& stats) {
  auto current = folder.read_number("pids.current");
  if (!current) return {};
  stats.pids_current = *current;
  TRY_ASSIGN(std::uint64_t limit, folder.read_number("pids.max"));
  stats.pids_limit = limit == std::numeric_limits<std::uint64_t>::max() ? 0 : limit;
  return {};
}

Status add_hugetlb(const Folder& folder, bool v2, Stats& stats) {
  std::string_view suffix = v2 ? ".current" : ".usage_in_bytes";
  TRY_ASSIGN(auto names, list_dir(folder.fd()));
  for (const std::string& name : names) {
    if (!name.starts_with("hugetlb.") || !name.ends_with(suffix)) continue;
    std::string size = name.substr(8, name.size() - 8 - suffix.size());
    if (size.ends_with(".rsvd")) continue;
    Stats::Hugetlb& entry = stats.hugetlb[size];
    // What is reserved counts from Linux 5.7 on; what is used says less.
    std::string base = cat("hugetlb.", size);
    if (folder.has(cat(base, ".rsvd", suffix))) base += ".rsvd";
    TRY_ASSIGN(entry.usage, folder.read_number(cat(base, suffix)));
    if (v2) {
      auto events = folder.read(cat("hugetlb.", size, ".events"));
      if (events) entry.failcnt = keyed_number(*events, "max").value_or(0);
      continue;
    }
    TRY_ASSIGN(entry.max, folder.read_number(cat(base, ".max_usage_in_bytes")));
    TRY_ASSIGN(entry.failcnt, folder.read_number(cat(base, ".failcnt")));
  }
  return {};
}

}  // namespace dhow::cgroup
