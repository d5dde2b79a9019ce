// SPDX-License-Identifier: Apache-2.0
#include "logging/driver.h"

#include <limits>

#include "base/strings.h"
#include "logging/file_drivers.h"
#include "logging/socket_drivers.h"
#include "oci/json_value.h"

namespace dhow::logging {
namespace {

// A number with the letter of its unit.
struct Unit {
  char letter;
  std::int64_t factor;
};

template <std::size_t N>
std::optional<std::int64_t> parse_with_unit(std::string_view text, const Unit (&units)[N]) {
  std::int64_t factor = 1;
  for (const Unit& unit : units) {
    char upper = static_cast<char>(unit.letter - 'a' + 'A');
    if (!text.ends_with(unit.letter) && !text.ends_with(upper)) continue;
    factor = unit.factor;
    text.remove_suffix(1);
    break;
  }
  auto number = parse_number<std::int64_t>(text);
  if (!number || *number < 0 || *number > std::numeric_limits<std::int64_t>::max() / factor) {
    return std::nullopt;
  }
  return *number * factor;
}

class NoLog final : public Driver {
 public:
  void write(const Entry& entry) override { static_cast<void>(entry); }
  void flush() override {}
};

// Drops what comes while the other is full.
class NonBlocking final : public Driver {
 public:
  NonBlocking(std::unique_ptr<Driver> inner, std::size_t limit) : inner_(std::move(inner)) {
    inner_->set_limit(limit);
  }
  void write(const Entry& entry) override {
    if (inner_->is_full()) {
      ++dropped_;
    } else {
      inner_->write(entry);
    }
  }
  void flush() override { inner_->flush(); }
  int waiting_fd() const override { return inner_->waiting_fd(); }
  Status reopen() override { return inner_->reopen(); }
  std::uint64_t dropped() const override { return dropped_ + inner_->dropped(); }

 private:
  std::unique_ptr<Driver> inner_;
  std::uint64_t dropped_ = 0;
};

// Writes all down besides, for those who read it here.
class Cached final : public Driver {
 public:
  Cached(std::unique_ptr<Driver> inner, std::unique_ptr<Driver> file)
      : inner_(std::move(inner)), file_(std::move(file)) {}
  void write(const Entry& entry) override {
    file_->write(entry);
    inner_->write(entry);
  }
  void flush() override {
    file_->flush();
    inner_->flush();
  }
  bool is_full() const override { return inner_->is_full(); }
  void set_limit(std::size_t bytes) override { inner_->set_limit(bytes); }
  int waiting_fd() const override { return inner_->waiting_fd(); }
  Status reopen() override {
    TRY(file_->reopen());
    return inner_->reopen();
  }
  std::uint64_t dropped() const override { return inner_->dropped(); }

 private:
  std::unique_ptr<Driver> inner_;
  std::unique_ptr<Driver> file_;
};

struct FileSettings {
  LogFileOptions file;
  std::string attrs;
  std::optional<bool> compress;
};

std::unexpected<Error> bad_option(std::string_view name, std::string_view value) {
  return fail(Code::kInvalidArgument, cat("log opt ", name, ": invalid value ", quoted(value)));
}

Status check_attrs(std::string_view value) {
  auto document = oci::JsonDocument::parse(value);
  bool is_object = document && document->root().kind() == oci::JsonKind::kObject;
  // It becomes part of a line.
  if (!is_object || value.find('\n') != std::string_view::npos) return bad_option("attrs", value);
  return {};
}

Status set_file_option(FileSettings& settings, std::string_view name, const std::string& value) {
  if (name == "path") {
    settings.file.path = value;
  } else if (name == "max-size") {
    auto size = value == "-1" ? std::optional<std::int64_t>(-1) : parse_size(value);
    if (!size || *size == 0) return bad_option(name, value);
    settings.file.max_size = *size;
  } else if (name == "max-file") {
    auto count = parse_number<int>(value);
    if (!count || *count < 1 || *count > 1000) return bad_option(name, value);
    settings.file.max_files = *count;
  } else if (name == "max-age") {
    auto age = parse_age(value);
    if (!age) return bad_option(name, value);
    settings.file.max_age_s = *age;
  } else if (name == "compress") {
    if (value != "true" && value != "false") return bad_option(name, value);
    settings.compress = value == "true";
  } else {
    return fail(Code::kInvalidArgument, cat("unknown log opt '", name, "' for a file log driver"));
  }
  return {};
}

Result<FileSettings> parse_file_settings(const DriverOptions& options) {
  bool cri = options.driver == "cri";
  bool local = options.driver == "local";
  FileSettings settings;
  settings.file.max_files = 5;
  if (!cri) settings.file.max_size = std::int64_t{local ? 20 : 10} << 20;
  if (!cri && !local) settings.file.max_age_s = std::int64_t{30} * 24 * 3600;
  for (const auto& [name, value] : options.options) {
    if (name == "attrs" && !cri) {
      if (value.empty()) continue;
      TRY(check_attrs(value));
      settings.attrs = value;
    } else if (name == "tag" || name.starts_with("container-") || name == "image-name") {
      continue;  // what others say in each line is in the file's name here
    } else {
      TRY(set_file_option(settings, name, value));
    }
  }
  if (!settings.file.path.starts_with('/')) {
    return fail(Code::kInvalidArgument,
                cat("log opt path: not absolute: ", quoted(settings.file.path)));
  }
  bool rotates = settings.file.max_files > 1 && settings.file.max_size > 0;
  if (settings.compress == true && !rotates) {
    return fail(Code::kInvalidArgument,
                "compress cannot be true when max-file is less than 2 or max-size is not set");
  }
  settings.file.compress = settings.compress.value_or(local) && rotates;
  return settings;
}

Result<std::unique_ptr<Driver>> make_or_check(const DriverOptions& options, bool check_only) {
  const std::string& name = options.driver;
  if (name == "json-file" || name == "local" || name == "cri") {
    TRY_ASSIGN(FileSettings settings, parse_file_settings(options));
    if (check_only) return nullptr;
    if (name == "cri") return make_cri_file(settings.file);
    return make_json_file(settings.file, std::move(settings.attrs));
  }
  if (name == "journald") {
    if (!check_only) return make_journald(options);
    TRY(check_journald(options));
    return nullptr;
  }
  if (name == "syslog") {
    if (!check_only) return make_syslog(options);
    TRY(check_syslog(options));
    return nullptr;
  }
  if (name == "none") return std::make_unique<NoLog>();
  return fail(Code::kUnimplemented, cat("logging driver ", quoted(name), " is not built"));
}

// The options of the driver itself, those of how it is waited for, and those of its cache.
struct Split {
  DriverOptions own;
  std::optional<std::size_t> limit;  // of non-blocking
  DriverOptions cache{"local", {}};
  bool has_cache() const { return !cache.options.empty(); }
};

Result<Split> split_options(const DriverOptions& options) {
  static constexpr std::string_view kCache = "cache-";
  Split split{options, std::nullopt};
  std::erase_if(split.own.options, [&](const auto& option) {
    if (!option.first.starts_with(kCache)) return false;
    split.cache.options.emplace(option.first.substr(kCache.size()), option.second);
    return true;
  });
  auto take = [&](std::string_view name) -> std::optional<std::string> {
    auto found = split.own.options.find(name);
    if (found == split.own.options.end()) return std::nullopt;
    std::string value = std::move(found->second);
    split.own.options.erase(found);
    return value;
  };
  std::string mode = take("mode").value_or("");
  std::optional<std::string> buffer = take("max-buffer-size");
  bool waits = mode.empty() || mode == "blocking";
  if (!waits && mode != "non-blocking") {
    return fail(Code::kInvalidArgument, cat("logger: logging mode not supported: ", mode));
  }
  if (waits && buffer) {
    return fail(Code::kInvalidArgument,
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  if (waits) return split;
  auto size = parse_size(buffer.value_or("1m"));
  if (!size) return bad_option("max-buffer-size", *buffer);
  split.limit = static_cast<std::size_t>(*size);
  return split;
}

}  // namespace

std::optional<std::int64_t> parse_size(std::string_view text) {
  static constexpr Unit kUnits[] = {{'k', 1 << 10}, {'m', 1 << 20}, {'g', 1 << 30}};
  if (text.size() > 1 && (text.ends_with('b') || text.ends_with('B'))) text.remove_suffix(1);
  return parse_with_unit(text, kUnits);
}

std::optional<std::int64_t> parse_age(std::string_view text) {
  static constexpr Unit kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
  return parse_with_unit(text, kUnits);
}

Result<std::unique_ptr<Driver>> make_driver(const DriverOptions& options) {
  TRY_ASSIGN(Split split, split_options(options));
  TRY_ASSIGN(std::unique_ptr<Driver> driver, make_or_check(split.own, false));
  if (split.limit) driver = std::make_unique<NonBlocking>(std::move(driver), *split.limit);
  if (!split.has_cache()) return driver;
  TRY_ASSIGN(std::unique_ptr<Driver> file, make_or_check(split.cache, false));
  return std::make_unique<Cached>(std::move(driver), std::move(file));
}

Status check_driver(const DriverOptions& options) {
  TRY_ASSIGN(Split split, split_options(options));
  TRY(make_or_check(split.own, true));
  if (split.has_cache()) TRY(make_or_check(split.cache, true));
  return {};
}

}  // namespace dhow::logging
