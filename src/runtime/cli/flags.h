// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/cli/personality.h"

// The command-line parser: constant tables of flags, and one pass over the arguments. It takes
// every spelling that callers of runc and of crun use; docs/adr/0002-command-line-parser.md says
// why it is our own.
namespace dhow::runtime::cli {

enum class FlagKind : std::uint8_t { kBool, kString, kList, kInt, kDuration };

struct Flag {
  std::string_view name;
  FlagKind kind = FlagKind::kBool;
  char short_name = 0;
  std::string_view value_name = {};  // for the help: "FILE"
  std::string_view help = {};
  bool hidden = false;  // accepted, but left out of the help
};

// The tables that are in force for one command, searched in order.
using FlagGroups = std::array<std::span<const Flag>, 3>;

// Why the arguments can't be taken, with the words of the caller.
struct ParseFailure {
  enum class Kind { kUnknownFlag, kMissingValue, kBadValue, kBadSyntax };
  Kind kind = Kind::kUnknownFlag;
  std::string flag;  // without dashes
  std::string value;
  bool short_form = false;  // given as one letter

  // The sentence that callers of runc ("flag needs an argument: -root") or of crun
  // ("option '--root' requires an argument") look for.
  std::string message(Style style) const;
};

// What was given. Views into the arguments: they must outlive this. The getters take the name of a
// flag in the tables that were parsed with; the last of several values counts.
class ParsedArguments {
 public:
  bool has(std::string_view name) const { return find(name) != nullptr; }
  bool boolean(std::string_view name) const;
  std::string_view string(std::string_view name, std::string_view fallback = {}) const;
  std::vector<std::string> list(std::string_view name) const;
  std::int64_t integer(std::string_view name, std::int64_t fallback) const;
  // Nanoseconds.
  std::int64_t duration(std::string_view name, std::int64_t fallback) const;

  const std::vector<std::string_view>& positionals() const { return positionals_; }

 private:
  friend class ArgumentParser;
  const std::string_view* find(std::string_view name) const;

  std::vector<std::pair<const Flag*, std::string_view>> values_;
  std::vector<std::string_view> positionals_;
};

struct ParseOptions {
  Style style = Style::kRunc;
  // Everything after the first argument that is no flag is an argument, whatever it looks like:
  // for the global options, exec, kill and ps.
  bool stop_at_positional = false;
};

// Takes `--name value`, `--name=value`, `-name value`, `-name=value`, `-n value`, several
// one-letter switches in one (`-dt`), `--switch=false`, and `--` as the end of the flags. As crun,
// a value may also be stuck to its letter (`-fjson`). Values of kInt and kDuration are checked
// here.
std::expected<ParsedArguments, ParseFailure> parse_arguments(
    const FlagGroups& groups, std::span<const std::string_view> arguments,
    const ParseOptions& options);

}  // namespace dhow::runtime::cli
