// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/strings.h"
#include "logging/socket_drivers.h"
#include "logging/time_text.h"

namespace dhow::logging {
namespace {

constexpr std::string_view kFieldPrefix = "field.";

// Letters, digits and underscores, as journald wants them of names.
bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name[0] != '_' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

std::string option_of(const DriverOptions& options, std::string_view name) {
  auto found = options.options.find(name);
  return found == options.options.end() ? std::string() : found->second;
}

class Journald final : public Driver {
 public:
  Journald(LogSocket socket, std::string fields, std::string id)
      : socket_(std::move(socket)), fields_(std::move(fields)), id_(std::move(id)) {}

  void write(const Entry& entry) override {
    std::string message = fields_;
    append_journal_field(message, "MESSAGE", entry.line);
    // LOG_INFO, LOG_ERR.
    append_journal_field(message, "PRIORITY", entry.stream == Stream::kStderr ? "3" : "6");
    std::string time;
    time_.append(time, entry.time_ns, Fraction::kShort);
    append_journal_field(message, "SYSLOG_TIMESTAMP", time);
    append_journal_field(message, "CONTAINER_LOG_ORDINAL", cat(++ordinal_));
    if (entry.piece >= 0) {
      if (!entry.ends_line) append_journal_field(message, "CONTAINER_PARTIAL_MESSAGE", "true");
      append_journal_field(message, "CONTAINER_PARTIAL_ID",
                           cat(id_, "-", stream_name(entry.stream), "-", entry.line_number));
      append_journal_field(message, "CONTAINER_PARTIAL_ORDINAL", cat(entry.piece + 1));
      append_journal_field(message, "CONTAINER_PARTIAL_LAST", entry.ends_line ? "true" : "false");
    }
    socket_.send(std::move(message));
    if (socket_.is_full()) socket_.flush();
  }

  void flush() override { socket_.flush(); }
  bool is_full() const override { return socket_.is_full(); }
  void set_limit(std::size_t bytes) override { socket_.set_limit(bytes); }
  int waiting_fd() const override { return socket_.waiting_fd(); }
  std::uint64_t dropped() const override { return socket_.dropped(); }

 private:
  LogSocket socket_;
  std::string fields_;
  std::string id_;
  TimeWriter time_;
  std::uint64_t ordinal_ = 0;
};

}  // namespace

void append_journal_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out += '=';
  } else {
    out += '\n';
    // Little-endian, 64 bits.
    for (unsigned shift = 0; shift < 64; shift += 8) {
      out += static_cast<char>((std::uint64_t{value.size()} >> shift) & 0xFF);
    }
  }
  out += value;
  out += '\n';
}

Status check_journald(const DriverOptions& options) {
  static constexpr std::string_view kKnown[] = {"tag", "container-id", "container-name",
                                                "image-name", "socket"};
  for (const auto& [name, value] : options.options) {
    if (std::ranges::find(kKnown, name) != std::end(kKnown)) continue;
    bool is_field = name.starts_with(kFieldPrefix) &&
                    is_field_name(std::string_view(name).substr(kFieldPrefix.size()));
    if (!is_field) {
      return fail(Code::kInvalidArgument,
                  cat("unknown log opt '", name, "' for journald log driver"));
    }
  }
  return {};
}

Result<std::unique_ptr<Driver>> make_journald(const DriverOptions& options) {
  TRY(check_journald(options));
  std::string id = option_of(options, "container-id");
  std::string tag = option_of(options, "tag");
  if (tag.empty()) tag = id.substr(0, 12);
  std::string fields;
  append_journal_field(fields, "CONTAINER_ID", id.substr(0, 12));
  append_journal_field(fields, "CONTAINER_ID_FULL", id);
  append_journal_field(fields, "CONTAINER_NAME", option_of(options, "container-name"));
  append_journal_field(fields, "CONTAINER_TAG", tag);
  append_journal_field(fields, "IMAGE_NAME", option_of(options, "image-name"));
  append_journal_field(fields, "SYSLOG_IDENTIFIER", tag);
  // Sets the lines of one writer apart from those of another for the same container.
  append_journal_field(fields, "CONTAINER_LOG_EPOCH", cat(id, "-", now_ns()));
  for (const auto& [name, value] : options.options) {
    if (!name.starts_with(kFieldPrefix)) continue;
    append_journal_field(fields, std::string_view(name).substr(kFieldPrefix.size()), value);
  }
  std::string path = option_of(options, "socket");
  if (path.empty()) path = "/run/systemd/journal/socket";
  LogSocket socket({LogSocket::Kind::kUnixDatagram, std::move(path), {}}, true);
  return std::make_unique<Journald>(std::move(socket), std::move(fields), std::move(id));
}

}  // namespace dhow::logging
