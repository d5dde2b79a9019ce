// SPDX-License-Identifier: Apache-2.0
#include "unpack/testing/tar_builder.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/strings.h"

namespace dhow::unpack {
namespace {

constexpr std::size_t kBlock = 512;

void put(std::string& header, std::size_t at, std::size_t size, std::string_view text) {
  std::copy_n(text.begin(), std::min(size, text.size()), header.begin() + static_cast<long>(at));
}

// `digits` octal digits and a NUL.
std::string octal(std::uint64_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*lo", digits, static_cast<unsigned long>(value));
  return text;
}

std::string padded(std::string_view content) {
  std::string result(content);
  result.resize((content.size() + kBlock - 1) / kBlock * kBlock, '\0');
  return result;
}

std::string header_of(const TarBuilder::Member& member) {
  std::string header(kBlock, '\0');
  put(header, 0, 100, member.path);
  put(header, 100, 8, octal(member.mode, 7));
  put(header, 108, 8, octal(member.uid & 07777777, 7));
  put(header, 116, 8, octal(member.gid & 07777777, 7));
  put(header, 124, 12, octal(member.content.size(), 11));
  put(header, 136, 12,
      octal(static_cast<std::uint64_t>(std::max<std::int64_t>(0, member.mtime)), 11));
  put(header, 148, 8, "        ");
  header[156] = member.type;
  put(header, 157, 100, member.target);
  put(header, 257, 8, std::string_view("ustar\00000", 8));
  put(header, 329, 8, octal(member.major, 7));
  put(header, 337, 8, octal(member.minor, 7));
  unsigned sum = 0;
  for (char c : header) sum += static_cast<unsigned char>(c);
  put(header, 148, 8, cat(octal(sum, 6), std::string_view("\0 ", 2)));
  return header;
}

// "<length> <key>=<value>\n", where the length counts itself.
std::string pax_record(std::string_view key, std::string_view value) {
  std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) ++length;
  return cat(length, " ", key, "=", value, "\n");
}

}  // namespace

TarBuilder& TarBuilder::add(const Member& member) {
  std::map<std::string, std::string> pax = member.pax;
  if (member.path.size() > 100) pax["path"] = member.path;
  if (member.target.size() > 100) pax["linkpath"] = member.target;
  if (!pax.empty()) {
    std::string records;
    for (const auto& [key, value] : pax) records += pax_record(key, value);
    Member head;
    head.path = "pax";
    head.type = 'x';
    head.content = records;
    bytes_ += header_of(head) + padded(records);
  }
  bytes_ += header_of(member) + padded(member.content);
  return *this;
}

TarBuilder& TarBuilder::file(std::string path, std::string content) {
  return add({.path = std::move(path), .content = std::move(content)});
}

TarBuilder& TarBuilder::folder(std::string path, unsigned mode) {
  return add({.path = std::move(path), .type = '5', .mode = mode});
}

TarBuilder& TarBuilder::link(std::string path, std::string target) {
  return add({.path = std::move(path), .type = '2', .target = std::move(target)});
}

TarBuilder& TarBuilder::hardlink(std::string path, std::string target) {
  return add({.path = std::move(path), .type = '1', .target = std::move(target)});
}

TarBuilder& TarBuilder::raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

std::string TarBuilder::finish() const { return bytes_ + std::string(2 * kBlock, '\0'); }

}  // namespace dhow::unpack
