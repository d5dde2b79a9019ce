// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/values.h"

#include <algorithm>
#include <csignal>
#include <limits>
#include <utility>

#include "base/size.h"
#include "base/strings.h"

namespace dhow::runtime::cli {
namespace {

struct SignalName {
  std::string_view name;
  int number;
};

constexpr SignalName kSignals[] = {
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"BUS", SIGBUS},       {"CHLD", SIGCHLD},
    {"CLD", SIGCHLD},  {"CONT", SIGCONT}, {"FPE", SIGFPE},       {"HUP", SIGHUP},
    {"ILL", SIGILL},   {"INT", SIGINT},   {"IO", SIGIO},         {"IOT", SIGIOT},
    {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGPOLL},     {"PROF", SIGPROF},
    {"PWR", SIGPWR},   {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV},     {"STKFLT", SIGSTKFLT},
    {"STOP", SIGSTOP}, {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},
    {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
};

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr Unit kDurationUnits[] = {
    {"ns", 1},         {"us", 1000},         {"\u00b5s", 1000},     {"\u03bcs", 1000},
    {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000},
};

// SIGRTMIN as programs see it: glibc keeps the first two real-time signals for itself.
constexpr int kRealTimeMin = 34;
constexpr int kRealTimeMax = 64;

std::optional<int> real_time_signal(std::string_view name) {
  bool from_min = name.starts_with("RTMIN");
  if (!from_min && !name.starts_with("RTMAX")) return std::nullopt;
  int base = from_min ? kRealTimeMin : kRealTimeMax;
  std::string_view offset = name.substr(5);
  if (offset.empty()) return base;
  if (offset[0] != (from_min ? '+' : '-')) return std::nullopt;
  std::optional<unsigned> distance = parse_number<unsigned>(offset.substr(1));
  if (!distance || *distance > kRealTimeMax - kRealTimeMin) return std::nullopt;
  return from_min ? base + static_cast<int>(*distance) : base - static_cast<int>(*distance);
}

}  // namespace

std::optional<std::int64_t> parse_duration(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  while (!text.empty()) {
    std::size_t size = std::min(text.find_first_not_of("0123456789."), text.size());
    std::string_view digits = text.substr(0, size);
    text.remove_prefix(size);
    size = std::min(text.find_first_of("0123456789."), text.size());
    std::string_view name = text.substr(0, size);
    text.remove_prefix(size);
    auto unit = std::ranges::find(kDurationUnits, name, &Unit::name);
    if (unit == std::end(kDurationUnits)) return std::nullopt;
    std::optional<std::int64_t> part = scale_decimal(digits, unit->factor);
    if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
  }
  return negative ? -total : total;
}

Result<int> parse_signal(std::string_view text) {
  if (text.empty()) return SIGTERM;
  if (std::optional<int> number = parse_number<int>(text)) return *number;
  std::string name = upper_text(text);
  std::string_view bare = name;
  if (bare.starts_with("SIG")) bare.remove_prefix(3);
  for (const SignalName& signal : kSignals) {
    if (signal.name == bare) return signal.number;
  }
  if (std::optional<int> number = real_time_signal(bare)) return *number;
  return fail(Code::kInvalidArgument, cat("unknown signal ", quoted(text)));
}

Result<std::uint32_t> parse_id(std::string_view text, std::string_view what) {
  std::optional<std::uint32_t> id = parse_number<std::uint32_t>(text);
  if (!id) {
    return fail(Code::kInvalidArgument,
                cat("parse ", what, " ", quoted(text), ": not a number (names are not looked up)"));
  }
  // (uid_t)-1 means "leave it as it is" to setresuid(2).
  if (*id == std::numeric_limits<std::uint32_t>::max()) {
    return fail(Code::kInvalidArgument, cat("parse ", what, " ", quoted(text), ": out of range"));
  }
  return *id;
}

Result<UserIds> parse_user(std::string_view text) {
  UserIds ids;
  std::size_t colon = text.find(':');
  TRY_ASSIGN(ids.uid, parse_id(text.substr(0, colon), "uid"));
  if (colon != std::string_view::npos) {
    TRY_ASSIGN(ids.gid, parse_id(text.substr(colon + 1), "gid"));
  }
  return ids;
}

Result<std::map<std::string, std::string>> parse_cgroups(const std::vector<std::string>& values) {
  std::map<std::string, std::string> paths;
  for (const std::string& value : values) {
    std::size_t colon = value.find(':');
    if (colon == std::string::npos) {
      if (values.size() != 1) {
        return fail(Code::kInvalidArgument, cat("invalid --cgroup argument ", quoted(value),
                                                ": missing <controller>: prefix"));
      }
      paths.emplace("", value);
      continue;
    }
    std::string path = value.substr(colon + 1);
    for (std::string_view controller : split(std::string_view(value).substr(0, colon), ',')) {
      if (controller.empty()) {
        return fail(Code::kInvalidArgument,
                    cat("invalid --cgroup argument ", quoted(value), ": empty controller name"));
      }
      if (!paths.emplace(controller, path).second) {
        return fail(Code::kInvalidArgument,
                    cat("invalid --cgroup argument ", quoted(value), ": controller given twice"));
      }
    }
  }
  return paths;
}

}  // namespace dhow::runtime::cli
