// SPDX-License-Identifier: Apache-2.0
#include "unpack/tar_writer.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/strings.h"

namespace dhow::unpack {
namespace {

constexpr std::size_t kRecord = 512;
constexpr std::size_t kMaxName = 100;
constexpr std::int64_t kMaxId = 07777777;             // seven octal digits
constexpr std::int64_t kMaxNumber = 077777777777;     // eleven
constexpr std::string_view kXattr = "SCHILY.xattr.";  // as star, GNU tar and docker write them

using Records = std::map<std::string, std::string>;

void put(std::string& header, std::size_t at, std::string_view text) {
  std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
}

// An octal number of `size` bytes with the NUL at its end; 0 where it does not fit.
void put_number(std::string& header, std::size_t at, std::size_t size, std::int64_t number) {
  std::string digits(size - 1, '0');
  std::int64_t limit = std::int64_t{1} << (3 * digits.size());
  if (number < 0 || number >= limit) number = 0;
  for (std::size_t i = digits.size(); number != 0; number >>= 3) {
    digits[--i] = static_cast<char>('0' + (number & 7));
  }
  put(header, at, digits);
}

char type_flag(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return '0';
    case EntryType::kHardlink:
      return '1';
    case EntryType::kSymlink:
      return '2';
    case EntryType::kCharDevice:
      return '3';
    case EntryType::kBlockDevice:
      return '4';
    case EntryType::kFolder:
      return '5';
    case EntryType::kFifo:
      return '6';
  }
  return '0';
}

std::string header_block(char type, const Entry& entry, std::int64_t size) {
  std::string header(kRecord, '\0');
  put(header, 0, std::string_view(entry.path).substr(0, kMaxName));
  put_number(header, 100, 8, entry.mode);
  put_number(header, 108, 8, entry.uid);
  put_number(header, 116, 8, entry.gid);
  put_number(header, 124, 12, size);
  put_number(header, 136, 12, entry.mtime.tv_sec);
  header[156] = type;
  put(header, 157, std::string_view(entry.target).substr(0, kMaxName));
  put(header, 257, std::string_view("ustar\00000", 8));
  put_number(header, 329, 8, entry.major);
  put_number(header, 337, 8, entry.minor);
  put(header, 148, "        ");
  unsigned sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  put_number(header, 148, 7, sum);
  header[154] = '\0';
  header[155] = ' ';
  return header;
}

// "<length> <key>=<value>\n", where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) ++length;
  return cat(length, " ", key, "=", value, "\n");
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0; });
}

bool fits(std::string_view name) { return name.size() <= kMaxName && is_ascii(name); }

std::string time_text(const struct timespec& time) {
  std::string text = std::to_string(time.tv_sec);
  // Readers disagree on the fraction of a time before 1970: it is left out.
  if (time.tv_nsec == 0 || time.tv_sec < 0) return text;
  std::string digits = std::to_string(time.tv_nsec);
  std::string fraction = std::string(9 - digits.size(), '0') + digits;
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return cat(text, ".", fraction);
}

Records pax_records(const Entry& entry, std::int64_t size) {
  Records records;
  if (!fits(entry.path)) records["path"] = entry.path;
  if (!fits(entry.target)) records["linkpath"] = entry.target;
  if (entry.uid > kMaxId) records["uid"] = std::to_string(entry.uid);
  if (entry.gid > kMaxId) records["gid"] = std::to_string(entry.gid);
  if (size > kMaxNumber) records["size"] = std::to_string(size);
  bool whole =
      entry.mtime.tv_nsec == 0 && entry.mtime.tv_sec >= 0 && entry.mtime.tv_sec <= kMaxNumber;
  if (!whole) records["mtime"] = time_text(entry.mtime);
  for (const auto& [name, value] : entry.xattrs) records[cat(kXattr, name)] = value;
  return records;
}

std::string padded(std::string text) {
  text.resize((text.size() + kRecord - 1) / kRecord * kRecord, '\0');
  return text;
}

}  // namespace

Status TarWriter::begin(const Entry& entry) {
  TRY(pad());
  for (const std::string& name : {entry.path, entry.target}) {
    if (name.find('\0') != std::string::npos) {
      return fail(Code::kInvalidArgument, cat(quoted(name), ": a name with a NUL"));
    }
  }
  std::int64_t size = entry.type == EntryType::kFile ? entry.size : 0;
  if (Records records = pax_records(entry, size); !records.empty()) {
    std::string text;
    for (const auto& [key, value] : records) text += pax_record(key, value);
    Entry head;
    head.path = cat("PaxHeaders/", std::string_view(entry.path).substr(0, 80));
    head.mode = 0644;
    if (!is_ascii(head.path)) head.path = "PaxHeaders/x";
    auto length = static_cast<std::int64_t>(text.size());
    TRY(sink_.write(header_block('x', head, length)));
    TRY(sink_.write(padded(std::move(text))));
  }
  missing_ = size;
  padding_ = (static_cast<std::int64_t>(kRecord) - size % static_cast<std::int64_t>(kRecord)) %
             static_cast<std::int64_t>(kRecord);
  return sink_.write(header_block(type_flag(entry.type), entry, size));
}

Status TarWriter::write(std::string_view piece) {
  auto size = static_cast<std::int64_t>(piece.size());
  if (size > missing_) return fail(Code::kInternal, "more content than the member's size");
  missing_ -= size;
  return sink_.write(piece);
}

Status TarWriter::pad() {
  if (missing_ != 0) return fail(Code::kInternal, "less content than the member's size");
  std::string zeros(static_cast<std::size_t>(padding_), '\0');
  padding_ = 0;
  return zeros.empty() ? Status() : sink_.write(zeros);
}

Status TarWriter::file(std::string path, std::string_view content) {
  Entry entry;
  entry.path = std::move(path);
  entry.mode = 0644;
  entry.size = static_cast<std::int64_t>(content.size());
  TRY(begin(entry));
  return write(content);
}

Status TarWriter::finish() {
  TRY(pad());
  return sink_.write(std::string(2 * kRecord, '\0'));
}

}  // namespace dhow::unpack
