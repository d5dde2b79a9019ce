// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "unpack/byte_sink.h"
#include "unpack/byte_source.h"

namespace dhow::unpack {

// Puts a tar stream together byte by byte, wrong ones too: POSIX ustar headers with pax ones before
// them for what does not fit.
class TarBuilder {
 public:
  struct Member {
    std::string path;
    char type = '0';  // '0' file, '1' hard link, '2' link, '3' '4' devices, '5' folder, '6' FIFO
    std::string content{};
    std::string target{};
    unsigned mode = 0644;
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::int64_t mtime = 1'700'000'000;
    unsigned major = 0;
    unsigned minor = 0;
    std::map<std::string, std::string> pax{};  // "SCHILY.xattr.user.x": attributes and others
  };
  TarBuilder& add(const Member& member);
  TarBuilder& file(std::string path, std::string content = "x");
  TarBuilder& folder(std::string path, unsigned mode = 0755);
  TarBuilder& link(std::string path, std::string target);
  TarBuilder& hardlink(std::string path, std::string target);
  TarBuilder& raw(std::string_view bytes);
  // With the two empty blocks of the end.
  std::string finish() const;
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// A text as a source, in pieces of at most `piece` bytes.
class TextSource : public ByteSource {
 public:
  explicit TextSource(std::string text, std::size_t piece = 4096)
      : text_(std::move(text)), piece_(piece) {}
  Result<std::string_view> next() override {
    std::string_view result = std::string_view(text_).substr(offset_, piece_);
    offset_ += result.size();
    return result;
  }

 private:
  std::string text_;
  std::size_t piece_;
  std::size_t offset_ = 0;
};

// A sink that keeps a text.
class TextSink : public ByteSink {
 public:
  Status write(std::string_view piece) override {
    text += piece;
    return {};
  }
  std::string text;
};

}  // namespace dhow::unpack
