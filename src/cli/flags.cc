// SPDX-License-Identifier: Apache-2.0
#include "cli/flags.h"

#include "base/strings.h"

namespace dhow::cli {
namespace {

std::optional<std::int64_t> parse_go_int(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  auto number = parse_number<std::uint64_t>(text, base);
  constexpr std::uint64_t kMost = 9'223'372'036'854'775'807U;
  if (!number || *number > kMost) return std::nullopt;
  auto result = static_cast<std::int64_t>(*number);
  return negative ? -result : result;
}

bool is_stream_name(std::string_view text) {
  std::string name = lower_text(text);
  return name == "stdin" || name == "stdout" || name == "stderr";
}

// Why the value can't be taken, in docker's words; empty: it can.
std::string fault_of(const Flag& flag, std::string_view value) {
  switch (flag.kind) {
    case FlagKind::kBool:
      return parse_bool(value)
                 ? ""
                 : cat("strconv.ParseBool: parsing ", quoted(value), ": invalid syntax");
    case FlagKind::kInt:
      return parse_go_int(value)
                 ? ""
                 : cat("strconv.ParseInt: parsing ", quoted(value), ": invalid syntax");
    case FlagKind::kUint:
      return parse_number<std::uint64_t>(value)
                 ? ""
                 : cat("strconv.ParseUint: parsing ", quoted(value), ": invalid syntax");
    case FlagKind::kBytes:
      return parse_bytes(value) ? "" : cat("invalid size: '", value, "'");
    case FlagKind::kDuration:
      return parse_go_duration(value) ? "" : cat("time: invalid duration ", quoted(value));
    case FlagKind::kCpus:
      return parse_cpus(value) ? "" : cat("failed to parse ", value, " as a rational number");
    case FlagKind::kFilter:
      return value.empty() || value.find('=') != std::string_view::npos
                 ? ""
                 : "bad format of filter (expected name=value)";
    case FlagKind::kAttach:
      return is_stream_name(value) ? "" : "valid streams are STDIN, STDOUT and STDERR";
    case FlagKind::kString:
    case FlagKind::kList:
      return "";
  }
  return "";
}

}  // namespace

const std::string_view* Arguments::find(std::string_view name) const {
  for (auto it = values_.rbegin(); it != values_.rend(); ++it) {
    if (it->first->name == name) return &it->second;
  }
  return nullptr;
}

bool Arguments::boolean(std::string_view name, bool fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? parse_bool(*value).value_or(fallback) : fallback;
}

std::string_view Arguments::string(std::string_view name, std::string_view fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? *value : fallback;
}

std::vector<std::string_view> Arguments::list(std::string_view name) const {
  std::vector<std::string_view> all;
  for (const auto& [flag, value] : values_) {
    if (flag->name == name) all.push_back(value);
  }
  return all;
}

std::int64_t Arguments::integer(std::string_view name, std::int64_t fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? parse_go_int(*value).value_or(fallback) : fallback;
}

std::uint64_t Arguments::unsigned_integer(std::string_view name, std::uint64_t fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? parse_number<std::uint64_t>(*value).value_or(fallback) : fallback;
}

std::int64_t Arguments::bytes(std::string_view name, std::int64_t fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? parse_bytes(*value).value_or(fallback) : fallback;
}

std::int64_t Arguments::duration(std::string_view name, std::int64_t fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? parse_go_duration(*value).value_or(fallback) : fallback;
}

class FlagParser {
 public:
  FlagParser(const FlagGroups& groups, std::span<const std::string_view> arguments, bool stop)
      : groups_(groups), arguments_(arguments), stop_(stop) {}

  Result<Arguments> parse() {
    while (next_ < arguments_.size()) {
      std::string_view argument = arguments_[next_++];
      if (argument == "--") break;
      if (argument.size() < 2 || argument[0] != '-') {
        result_.positionals_.push_back(argument);
        if (stop_) break;
        continue;
      }
      TRY(argument[1] == '-' ? take_long(argument.substr(2)) : take_letters(argument.substr(1)));
    }
    for (; next_ < arguments_.size(); ++next_) result_.positionals_.push_back(arguments_[next_]);
    return std::move(result_);
  }

 private:
  template <typename Matches>
  const Flag* find(Matches matches) const {
    for (std::span<const Flag> group : groups_) {
      for (const Flag& flag : group) {
        if (matches(flag)) return &flag;
      }
    }
    return nullptr;
  }

  Status take_long(std::string_view body) {
    if (body.starts_with('-') || body.starts_with('=')) {
      return fail(Code::kInvalidArgument, cat("bad flag syntax: --", body));
    }
    std::size_t equals = body.find('=');
    std::string_view name = body.substr(0, equals);
    const Flag* flag = find([name](const Flag& one) { return one.name == name; });
    if (flag == nullptr) return fail(Code::kInvalidArgument, cat("unknown flag: --", name));
    if (equals != std::string_view::npos) return store(*flag, body.substr(equals + 1));
    if (flag->kind == FlagKind::kBool) return store(*flag, "true");
    if (next_ == arguments_.size()) {
      return fail(Code::kInvalidArgument, cat("flag needs an argument: --", name));
    }
    return store(*flag, arguments_[next_++]);
  }

  Status take_letters(std::string_view letters) {
    for (std::size_t i = 0; i < letters.size(); ++i) {
      char letter = letters[i];
      const Flag* flag = find([letter](const Flag& one) { return one.short_name == letter; });
      if (flag == nullptr) {
        return fail(Code::kInvalidArgument,
                    cat("unknown shorthand flag: '", letter, "' in -", letters.substr(i)));
      }
      std::string_view rest = letters.substr(i + 1);
      if (rest.size() > 1 && rest[0] == '=') return store(*flag, rest.substr(1));
      if (flag->kind == FlagKind::kBool) {
        TRY(store(*flag, "true"));
        continue;
      }
      if (!rest.empty()) return store(*flag, rest);
      if (next_ == arguments_.size()) {
        return fail(Code::kInvalidArgument,
                    cat("flag needs an argument: '", letter, "' in -", letters.substr(i)));
      }
      return store(*flag, arguments_[next_++]);
    }
    return {};
  }

  Status store(const Flag& flag, std::string_view value) {
    std::string fault = fault_of(flag, value);
    if (fault.empty() && flag.fault != nullptr) fault = flag.fault(value);
    if (!fault.empty()) {
      std::string name = flag.short_name != 0 ? cat("-", flag.short_name, ", --", flag.name)
                                              : cat("--", flag.name);
      return fail(Code::kInvalidArgument,
                  cat("invalid argument ", quoted(value), " for ", quoted(name), " flag: ", fault));
    }
    result_.values_.emplace_back(&flag, value);
    return {};
  }

  const FlagGroups& groups_;
  std::span<const std::string_view> arguments_;
  bool stop_;
  std::size_t next_ = 0;
  Arguments result_;
};

Result<Arguments> parse_arguments(const FlagGroups& groups,
                                  std::span<const std::string_view> arguments,
                                  bool stop_at_positional) {
  return FlagParser(groups, arguments, stop_at_positional).parse();
}

}  // namespace dhow::cli
