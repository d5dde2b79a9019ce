// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "sys/file_io.h"
#include "unpack/byte_source.h"

namespace dhow::unpack {

// The bytes of an open file, from where it stands on. `what` says in faults what was tried.
class FileSource final : public ByteSource {
 public:
  FileSource(Fd file, std::string what)
      : file_(std::move(file)), what_(std::move(what)), buffer_(std::size_t{256} << 10, '\0') {}
  Result<std::string_view> next() override {
    auto count = read_some(file_, buffer_);
    if (!count) return std::unexpected(std::move(count).error().add_context(what_));
    return std::string_view(buffer_).substr(0, *count);
  }

 private:
  Fd file_;
  std::string what_;
  std::string buffer_;
};

}  // namespace dhow::unpack
