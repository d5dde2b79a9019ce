// SPDX-License-Identifier: Apache-2.0
#include "engine/image_changes.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/strings.h"
#include "oci/json_reader.h"
#include "registry/hosts.h"

namespace dhow::engine {
namespace {

using oci::ImageConfig;
using Texts = std::vector<std::string>;

struct Instruction {
  std::string name;  // in capitals
  std::string_view rest;
};

std::unexpected<Error> bad_change(const Instruction& in, std::string_view why) {
  return fail(Code::kInvalidArgument, cat(in.name, " ", quoted(in.rest), ": ", why));
}

// ["a","b"], if it is that.
std::optional<Texts> json_words(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  auto words = oci::parse_as<Texts>(text);
  if (!words) return std::nullopt;
  return std::move(*words);
}

Texts command(std::string_view text) {
  if (auto words = json_words(text)) return std::move(*words);
  return {"/bin/sh", "-c", std::string(text)};
}

void insert_sorted(Texts& texts, std::string text) {
  auto at = std::ranges::lower_bound(texts, text);
  if (at == texts.end() || *at != text) texts.insert(at, std::move(text));
}

void set_env(Texts& env, std::string entry) {
  std::string name = entry.substr(0, entry.find('=') + 1);
  auto same =
      std::ranges::find_if(env, [&](const std::string& other) { return other.starts_with(name); });
  if (same != env.end()) {
    *same = std::move(entry);
  } else {
    env.push_back(std::move(entry));
  }
}

// KEY=VALUE ..., or KEY and the rest of the line.
Result<std::vector<std::pair<std::string, std::string>>> pairs(const Instruction& in) {
  std::vector<std::pair<std::string, std::string>> result;
  std::size_t blank = in.rest.find_first_of(" \t");
  if (in.rest.substr(0, blank).find('=') == std::string_view::npos) {
    if (blank == std::string_view::npos) return bad_change(in, "a name without a value");
    result.emplace_back(in.rest.substr(0, blank), trim(in.rest.substr(blank)));
    return result;
  }
  TRY_ASSIGN(Texts words, split_words(in.rest));
  for (const std::string& word : words) {
    std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return bad_change(in, "not KEY=VALUE");
    result.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return result;
}

Status change_env(const Instruction& in, ImageConfig& config) {
  TRY_ASSIGN(auto entries, pairs(in));
  for (const auto& [key, value] : entries) set_env(config.env, cat(key, "=", value));
  return {};
}

Status change_label(const Instruction& in, ImageConfig& config) {
  TRY_ASSIGN(auto entries, pairs(in));
  for (auto& [key, value] : entries) config.labels[std::move(key)] = std::move(value);
  return {};
}

Status change_expose(const Instruction& in, ImageConfig& config) {
  TRY_ASSIGN(Texts words, split_words(in.rest));
  for (const std::string& word : words) {
    std::size_t slash = word.find('/');
    std::string_view protocol = slash == std::string::npos
                                    ? std::string_view("tcp")
                                    : std::string_view(word).substr(slash + 1);
    auto port = parse_number<std::uint16_t>(std::string_view(word).substr(0, slash));
    if (!port || (protocol != "tcp" && protocol != "udp" && protocol != "sctp")) {
      return bad_change(in, "not a port");
    }
    insert_sorted(config.exposed_ports, cat(*port, "/", protocol));
  }
  return {};
}

Status change_volume(const Instruction& in, ImageConfig& config) {
  Texts paths;
  if (auto words = json_words(in.rest)) {
    paths = std::move(*words);
  } else {
    TRY_ASSIGN(paths, split_words(in.rest));
  }
  for (std::string& path : paths) insert_sorted(config.volumes, std::move(path));
  return {};
}

Status change_workdir(const Instruction& in, ImageConfig& config) {
  if (in.rest.starts_with('/')) {
    config.working_dir = in.rest;
  } else {
    std::string front = config.working_dir.empty() ? "/" : config.working_dir;
    if (!front.ends_with('/')) front += '/';
    config.working_dir = front + std::string(in.rest);
  }
  return {};
}

Status check_option(const Instruction& in, std::string_view option, oci::Healthcheck& check) {
  std::size_t equals = option.find('=');
  if (equals == std::string_view::npos) return bad_change(in, "an option without a value");
  std::string_view name = option.substr(2, equals - 2);
  std::string_view value = option.substr(equals + 1);
  if (name == "retries") {
    auto number = parse_number<std::int64_t>(value);
    if (!number || *number < 0) return bad_change(in, "--retries: not a number");
    check.retries = *number;
    return {};
  }
  static const std::map<std::string_view, std::int64_t oci::Healthcheck::*> kDurations = {
      {"interval", &oci::Healthcheck::interval},
      {"timeout", &oci::Healthcheck::timeout},
      {"start-period", &oci::Healthcheck::start_period},
      {"start-interval", &oci::Healthcheck::start_interval}};
  auto known = kDurations.find(name);
  auto duration = registry::parse_duration(value);
  if (known == kDurations.end()) return bad_change(in, cat("unknown option ", quoted(option)));
  if (!duration) return bad_change(in, cat(quoted(option), ": not a duration"));
  check.*known->second = duration->count() * 1'000'000;
  return {};
}

Status change_healthcheck(const Instruction& in, ImageConfig& config) {
  oci::Healthcheck check;
  std::string_view rest = in.rest;
  while (rest.starts_with("--")) {
    std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    TRY(check_option(in, rest.substr(0, end), check));
    rest = trim(rest.substr(end));
  }
  if (lower_text(rest) == "none") {
    check.test = {"NONE"};
  } else if (lower_text(rest.substr(0, 4)) == "cmd ") {
    rest = trim(rest.substr(4));
    if (auto words = json_words(rest)) {
      check.test = std::move(*words);
      check.test.insert(check.test.begin(), "CMD");
    } else {
      check.test = {"CMD-SHELL", std::string(rest)};
    }
  } else {
    return bad_change(in, "neither CMD nor NONE");
  }
  config.healthcheck = std::move(check);
  return {};
}

using Applier = Status (*)(const Instruction&, ImageConfig&);

const std::map<std::string, Applier>& changes_by_name() {
  static const std::map<std::string, Applier> kChanges = {
      {"CMD",
       [](const Instruction& in, ImageConfig& config) -> Status {
         config.cmd = command(in.rest);
         return {};
       }},
      {"ENTRYPOINT",
       [](const Instruction& in, ImageConfig& config) -> Status {
         config.entrypoint = command(in.rest);
         return {};
       }},
      {"ENV", change_env},
      {"EXPOSE", change_expose},
      {"HEALTHCHECK", change_healthcheck},
      {"LABEL", change_label},
      {"ONBUILD",
       [](const Instruction& in, ImageConfig& config) -> Status {
         config.on_build.emplace_back(in.rest);
         return {};
       }},
      {"STOPSIGNAL",
       [](const Instruction& in, ImageConfig& config) -> Status {
         config.stop_signal = in.rest;
         return {};
       }},
      {"USER",
       [](const Instruction& in, ImageConfig& config) -> Status {
         config.user = in.rest;
         return {};
       }},
      {"VOLUME", change_volume},
      {"WORKDIR", change_workdir}};
  return kChanges;
}

Status apply_line(std::string_view line, ImageConfig& config) {
  std::size_t blank = std::min(line.find_first_of(" \t"), line.size());
  Instruction in;
  in.name = upper_text(line.substr(0, blank));
  in.rest = trim(line.substr(blank));
  auto change = changes_by_name().find(in.name);
  if (change == changes_by_name().end()) {
    return fail(Code::kInvalidArgument, cat(in.name, " is not a valid change command"));
  }
  if (in.rest.empty()) return bad_change(in, "nothing behind it");
  return change->second(in, config);
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view text) {
  Texts words;
  std::string word;
  bool inside = false;  // a word, which may be empty: ""
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
      inside = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      inside = true;
    } else if (c == ' ' || c == '\t') {
      if (inside) words.push_back(std::exchange(word, {}));
      inside = false;
    } else {
      word += c;
      inside = true;
    }
  }
  if (quote != 0) return fail(Code::kInvalidArgument, cat(quoted(text), ": a quote without end"));
  if (inside) words.push_back(std::move(word));
  return words;
}

Status apply_changes(const std::vector<std::string>& changes, ImageConfig& config) {
  for (const std::string& change : changes) {
    for (std::string_view line : split(change, '\n')) {
      line = trim(line);
      if (!line.empty() && !line.starts_with('#')) TRY(apply_line(line, config));
    }
  }
  return {};
}

}  // namespace dhow::engine
