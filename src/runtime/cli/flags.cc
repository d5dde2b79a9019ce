// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/flags.h"

#include <optional>

#include "base/strings.h"
#include "runtime/cli/values.h"

namespace dhow::runtime::cli {

std::string ParseFailure::message(Style style) const {
  if (style == Style::kCrun) {
    std::string dashed = short_form ? cat('-', flag) : cat("--", flag);
    switch (kind) {
      case Kind::kUnknownFlag:
        return short_form ? cat("invalid option -- '", flag, "'")
                          : cat("unrecognized option '", dashed, "'");
      case Kind::kMissingValue:
        return short_form ? cat("option requires an argument -- '", flag, "'")
                          : cat("option '", dashed, "' requires an argument");
      case Kind::kBadValue:
        return cat("invalid value ", quoted(value), " for option '", dashed, "'");
      case Kind::kBadSyntax:
        return cat("invalid option '", flag, "'");
    }
  }
  switch (kind) {
    case Kind::kUnknownFlag:
      return cat("flag provided but not defined: -", flag);
    case Kind::kMissingValue:
      return cat("flag needs an argument: -", flag);
    case Kind::kBadValue:
      return cat("invalid value ", quoted(value), " for flag -", flag, ": parse error");
    case Kind::kBadSyntax:
      return cat("bad flag syntax: ", flag);
  }
  std::unreachable();
}

const std::string_view* ParsedArguments::find(std::string_view name) const {
  for (auto it = values_.rbegin(); it != values_.rend(); ++it) {
    if (it->first->name == name) return &it->second;
  }
  return nullptr;
}

bool ParsedArguments::boolean(std::string_view name) const {
  const std::string_view* value = find(name);
  return value != nullptr && parse_bool(*value).value_or(false);
}

std::string_view ParsedArguments::string(std::string_view name, std::string_view fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? *value : fallback;
}

std::vector<std::string> ParsedArguments::list(std::string_view name) const {
  std::vector<std::string> all;
  for (const auto& [flag, value] : values_) {
    if (flag->name == name) all.emplace_back(value);
  }
  return all;
}

std::int64_t ParsedArguments::integer(std::string_view name, std::int64_t fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? parse_number<std::int64_t>(*value).value_or(fallback) : fallback;
}

std::int64_t ParsedArguments::duration(std::string_view name, std::int64_t fallback) const {
  const std::string_view* value = find(name);
  return value != nullptr ? parse_duration(*value).value_or(fallback) : fallback;
}

class ArgumentParser {
 public:
  ArgumentParser(const FlagGroups& groups, std::span<const std::string_view> arguments,
                 const ParseOptions& options)
      : groups_(groups), arguments_(arguments), options_(options) {}

  std::expected<ParsedArguments, ParseFailure> parse() {
    while (next_ < arguments_.size()) {
      std::string_view argument = arguments_[next_++];
      if (argument == "--") break;
      if (argument.size() < 2 || argument[0] != '-') {
        result_.positionals_.push_back(argument);
        if (options_.stop_at_positional) break;
        continue;
      }
      if (auto failure = take_flag(argument)) return std::unexpected(std::move(*failure));
    }
    for (; next_ < arguments_.size(); ++next_) result_.positionals_.push_back(arguments_[next_]);
    return std::move(result_);
  }

 private:
  using Failure = std::optional<ParseFailure>;

  const Flag* find_long(std::string_view name) const {
    for (std::span<const Flag> group : groups_) {
      for (const Flag& flag : group) {
        if (flag.name == name) return &flag;
      }
    }
    return nullptr;
  }

  const Flag* find_short(char letter) const {
    for (std::span<const Flag> group : groups_) {
      for (const Flag& flag : group) {
        if (flag.short_name == letter) return &flag;
      }
    }
    return nullptr;
  }

  Failure take_flag(std::string_view argument) {
    bool two_dashes = argument.starts_with("--");
    std::string_view body = argument.substr(two_dashes ? 2 : 1);
    if (body[0] == '-' || body[0] == '=') {
      return ParseFailure{ParseFailure::Kind::kBadSyntax, std::string(argument), "", false};
    }
    std::size_t equals = body.find('=');
    std::string_view name = body.substr(0, equals);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = body.substr(equals + 1);

    const Flag* flag = find_long(name);
    bool short_form = false;
    // runc's parser takes one letter after two dashes too.
    if (flag == nullptr && name.size() == 1) {
      flag = find_short(name[0]);
      short_form = flag != nullptr;
    }
    if (flag != nullptr) return store(*flag, value, name, short_form);
    if (!two_dashes) return take_letters(body, name);
    return ParseFailure{ParseFailure::Kind::kUnknownFlag, std::string(name), "", false};
  }

  // `-dt`: letters that are all switches; as crun also `-bDIR` and, with the letters before it,
  // `-dbDIR`.
  Failure take_letters(std::string_view body, std::string_view name) {
    for (std::size_t i = 0; i < body.size(); ++i) {
      const Flag* flag = find_short(body[i]);
      if (flag != nullptr && flag->kind == FlagKind::kBool) continue;
      if (flag != nullptr && options_.style == Style::kCrun) break;
      if (options_.style == Style::kCrun) {
        return ParseFailure{ParseFailure::Kind::kUnknownFlag, std::string(1, body[i]), "", true};
      }
      return ParseFailure{ParseFailure::Kind::kUnknownFlag, std::string(name), "", false};
    }
    for (std::size_t i = 0; i < body.size(); ++i) {
      const Flag* flag = find_short(body[i]);
      std::optional<std::string_view> value;
      bool last = flag->kind != FlagKind::kBool;
      if (last && i + 1 < body.size()) value = body.substr(i + 1);
      if (auto failure = store(*flag, value, body.substr(i, 1), true)) return failure;
      if (last) break;
    }
    return std::nullopt;
  }

  Failure store(const Flag& flag, std::optional<std::string_view> value, std::string_view name,
                bool short_form) {
    if (!value && flag.kind == FlagKind::kBool) value = "true";
    if (!value) {
      if (next_ >= arguments_.size()) {
        return ParseFailure{ParseFailure::Kind::kMissingValue, std::string(name), "", short_form};
      }
      value = arguments_[next_++];
    }
    bool valid = true;
    if (flag.kind == FlagKind::kBool) valid = parse_bool(*value).has_value();
    if (flag.kind == FlagKind::kInt) valid = parse_number<std::int64_t>(*value).has_value();
    if (flag.kind == FlagKind::kDuration) valid = parse_duration(*value).has_value();
    if (!valid) {
      return ParseFailure{ParseFailure::Kind::kBadValue, std::string(name), std::string(*value),
                          short_form};
    }
    result_.values_.emplace_back(&flag, *value);
    return std::nullopt;
  }

  const FlagGroups& groups_;
  std::span<const std::string_view> arguments_;
  ParseOptions options_;
  std::size_t next_ = 0;
  ParsedArguments result_;
};

std::expected<ParsedArguments, ParseFailure> parse_arguments(
    const FlagGroups& groups, std::span<const std::string_view> arguments,
    const ParseOptions& options) {
  return ArgumentParser(groups, arguments, options).parse();
}

}  // namespace dhow::runtime::cli
