// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// Command lines as docker's, which are those of Go's pflag: constant tables of flags and one pass
// over the arguments. docs/adr/0008-command-line-of-dhow.md says why it is our own.
namespace dhow::cli {

enum class FlagKind : std::uint8_t {
  kBool,
  kString,
  kList,  // each value is one item
  kInt,   // with a sign, base 0 as in Go
  kUint,
  kBytes,     // "512m": kept as text, read by parse_bytes()
  kDuration,  // "1m30s"
  kCpus,      // "1.5"
  kFilter,    // a list of NAME=VALUE
  kAttach,    // a list of stdin, stdout, stderr
};

struct Flag {
  std::string_view name;
  FlagKind kind = FlagKind::kBool;
  char short_name = 0;
  std::string_view value_name = {};  // for the help: "FILE"
  std::string_view help = {};
  std::string_view completion = {};  // what completes the value: "containers", "images", "files", …
  bool hidden = false;               // taken, but left out of help, man pages and completion
  // What is wrong with a value, beyond its kind; "": nothing.
  std::string (*fault)(std::string_view) = nullptr;
};

// The tables that are in force for one command, searched in order.
using FlagGroups = std::array<std::span<const Flag>, 3>;

// What was given. Views into the command line, which outlives everything. Of several values the
// last one counts.
class Arguments {
 public:
  bool has(std::string_view name) const { return find(name) != nullptr; }
  bool boolean(std::string_view name, bool fallback = false) const;
  std::string_view string(std::string_view name, std::string_view fallback = {}) const;
  std::vector<std::string_view> list(std::string_view name) const;
  std::int64_t integer(std::string_view name, std::int64_t fallback = 0) const;
  std::uint64_t unsigned_integer(std::string_view name, std::uint64_t fallback = 0) const;
  std::int64_t bytes(std::string_view name, std::int64_t fallback = 0) const;
  // Nanoseconds.
  std::int64_t duration(std::string_view name, std::int64_t fallback = 0) const;

  const std::vector<std::string_view>& positionals() const { return positionals_; }
  std::string_view positional(std::size_t index) const {
    return index < positionals_.size() ? positionals_[index] : std::string_view();
  }

 private:
  friend class FlagParser;
  const std::string_view* find(std::string_view name) const;

  std::vector<std::pair<const Flag*, std::string_view>> values_;
  std::vector<std::string_view> positionals_;
};

// Takes `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, letters in one (`-it`,
// `-itp80:80`), `--switch=false`, and `--` as the end of the flags. With `stop_at_positional` the
// first argument that is no flag ends them too. kInvalidArgument in pflag's words. Values are
// checked by their kind.
Result<Arguments> parse_arguments(const FlagGroups& groups,
                                  std::span<const std::string_view> arguments,
                                  bool stop_at_positional);

// "512m", "1.5g", "10MiB", "100": powers of 1024. A minus sign is taken.
std::optional<std::int64_t> parse_bytes(std::string_view text);
// "1h15m30.918s" as Go's time.ParseDuration, in nanoseconds.
std::optional<std::int64_t> parse_go_duration(std::string_view text);
// "1.5" or "3/2" in billionths.
std::optional<std::int64_t> parse_cpus(std::string_view text);

}  // namespace dhow::cli
