// SPDX-License-Identifier: Apache-2.0
#include "unpack/inflate.h"

#include <zstd.h>

#include <algorithm>
#include <isa-l/igzip_lib.h>
#include <vector>

#include "base/strings.h"

namespace dhow::unpack {
namespace {

using oci::Compression;

constexpr std::size_t kInputSize = std::size_t{256} << 10;
constexpr int kMaxWindowLog = 27;

// What all three have in common: the input that is not used up, and the limit.
class Inflater : public ByteSource {
 public:
  Inflater(ByteSource& source, std::int64_t limit) : source_(source), limit_(limit) {}

 protected:
  Result<std::string_view> give(std::string_view piece) {
    given_ += static_cast<std::int64_t>(piece.size());
    if (given_ > limit_) {
      return fail(Code::kResourceExhausted, cat("more than ", limit_, " bytes when unpacked"));
    }
    return piece;
  }

  ByteSource& source_;
  std::string_view input_;
  bool ended_ = false;

 private:
  std::int64_t limit_;
  std::int64_t given_ = 0;
};

class Plain final : public Inflater {
 public:
  using Inflater::Inflater;
  Result<std::string_view> next() override {
    TRY_ASSIGN(std::string_view piece, source_.next());
    return give(piece);
  }
};

class Gzip final : public Inflater {
 public:
  Gzip(ByteSource& source, std::int64_t limit) : Inflater(source, limit), buffer_(kInputSize) {
    begin_member();
  }

  Result<std::string_view> next() override {
    while (!done_) {
      TRY(refill());
      if (state_.block_state == ISAL_BLOCK_FINISH) {
        TRY(after_member());
        continue;
      }
      TRY_ASSIGN(std::size_t count, step());
      if (count != 0) return give({reinterpret_cast<const char*>(buffer_.data()), count});
      if (ended_ && state_.block_state != ISAL_BLOCK_FINISH) {
        return fail(Code::kDataLoss, "the gzip stream ends in the middle");
      }
    }
    return std::string_view();
  }

 private:
  void begin_member() {
    isal_inflate_init(&state_);
    state_.crc_flag = IGZIP_GZIP;
  }

  // At the end of a member ISA-L gives back what it had read ahead, and that may have come with the
  // piece before: the last bytes of that stay in front of the new one.
  Status refill() {
    if (!input_.empty() || ended_) return {};
    constexpr std::size_t kReadAhead = 8;
    TRY_ASSIGN(std::string_view piece, source_.next());
    ended_ = piece.empty();
    if (held_.size() > kReadAhead) held_.erase(0, held_.size() - kReadAhead);
    std::size_t kept = held_.size();
    held_ += piece;
    input_ = std::string_view(held_).substr(kept);
    return {};
  }

  // Unpacks into the buffer what fits, and tells how much that is.
  Result<std::size_t> step() {
    // ISA-L takes no const pointer, and writes nothing to it.
    state_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(input_.data()));
    state_.avail_in = static_cast<std::uint32_t>(std::min<std::size_t>(input_.size(), 1U << 30));
    state_.next_out = buffer_.data();
    state_.avail_out = static_cast<std::uint32_t>(buffer_.size());
    int result = isal_inflate(&state_);
    input_ = {reinterpret_cast<const char*>(state_.next_in), state_.avail_in};
    if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT) {
      return fail(Code::kDataLoss, cat("the gzip stream is damaged (", fault(result), ")"));
    }
    return buffer_.size() - state_.avail_out;
  }

  static std::string_view fault(int result) {
    switch (result) {
      case ISAL_INVALID_WRAPPER:
        return "no gzip header";
      case ISAL_UNSUPPORTED_METHOD:
        return "unknown method";
      case ISAL_INCORRECT_CHECKSUM:
        return "wrong checksum";
      case ISAL_INVALID_LOOKBACK:
        return "a distance too far back";
      case ISAL_INVALID_SYMBOL:
        return "an invalid symbol";
      default:
        return "an invalid block";
    }
  }

  // Another member, padding, or the end.
  Status after_member() {
    while (true) {
      TRY(refill());
      if (input_.empty()) {
        done_ = true;
        return {};
      }
      if (!padding_ && input_.front() == '\x1f') {
        begin_member();
        return {};
      }
      std::size_t zeros = std::min(input_.find_first_not_of('\0'), input_.size());
      if (zeros == 0) return fail(Code::kDataLoss, "the gzip stream is followed by something else");
      padding_ = true;
      input_.remove_prefix(zeros);
    }
  }

  std::string held_;  // what `input_` is a part of
  inflate_state state_{};
  std::vector<std::uint8_t> buffer_;
  bool padding_ = false;
  bool done_ = false;
};

class Zstd final : public Inflater {
 public:
  Zstd(ByteSource& source, std::int64_t limit)
      : Inflater(source, limit), context_(ZSTD_createDCtx(), ZSTD_freeDCtx), buffer_(kInputSize) {
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
  }

  Result<std::string_view> next() override {
    while (true) {
      TRY(fill());
      if (input_.empty() && !flush_) {
        if (!in_frame_) return std::string_view();
        return fail(Code::kDataLoss, "the zstd stream ends in the middle");
      }
      ZSTD_inBuffer in{input_.data(), input_.size(), 0};
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      std::size_t result = ZSTD_decompressStream(context_.get(), &out, &in);
      input_.remove_prefix(in.pos);
      if (ZSTD_isError(result) != 0) {
        return fail(Code::kDataLoss,
                    cat("the zstd stream is damaged (", ZSTD_getErrorName(result), ")"));
      }
      in_frame_ = result != 0;
      flush_ = out.pos == out.size;  // more may come without more input
      if (out.pos != 0) return give({buffer_.data(), out.pos});
    }
  }

 private:
  // Makes sure that `input_` holds something, unless the source has ended.
  Status fill() {
    if (!input_.empty() || ended_) return {};
    TRY_ASSIGN(input_, source_.next());
    ended_ = input_.empty();
    return {};
  }

  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
  std::vector<char> buffer_;
  bool in_frame_ = false;
  bool flush_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> inflate(ByteSource& source, Compression compression,
                                    std::int64_t limit) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<Gzip>(source, limit);
    case Compression::kZstd:
      return std::make_unique<Zstd>(source, limit);
    case Compression::kNone:
      break;
  }
  return std::make_unique<Plain>(source, limit);
}

Compression sniff_compression(std::string_view front) {
  if (front.starts_with("\x1f\x8b")) return Compression::kGzip;
  bool frame = front.starts_with("\x28\xb5\x2f\xfd");
  bool skippable =
      front.size() >= 4 && (front[0] & '\xf0') == '\x50' && front.substr(1, 3) == "\x2a\x4d\x18";
  return frame || skippable ? Compression::kZstd : Compression::kNone;
}

}  // namespace dhow::unpack
