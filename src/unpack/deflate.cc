// SPDX-License-Identifier: Apache-2.0
#include "unpack/deflate.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"

namespace dhow::unpack {
namespace {

using oci::Compression;

// What one thread packs at a time. Another size would be another stream.
constexpr std::size_t kGzipPiece = std::size_t{512} << 10;
constexpr std::size_t kGzipWindow = std::size_t{32} << 10;
constexpr int kGzipLevel = 6;
constexpr int kZstdLevel = 3;
constexpr int kZstdPiece = 4 << 20;

class Unpacked final : public Packer {
 public:
  explicit Unpacked(ByteSink& sink) : sink_(sink) {}
  Status write(std::string_view piece) override { return sink_.write(piece); }
  Status finish() override { return {}; }

 private:
  ByteSink& sink_;
};

// A part of the stream. The window is the end of the part before it, so that nothing is lost by
// packing them apart.
struct GzipPart {
  std::string window;
  std::string input;
  bool is_last = false;
  std::string packed;
  std::uint32_t checksum = 0;
  bool is_done = false;
};

void pack_part(GzipPart& part) {
  z_stream stream{};
  // It fails for lack of memory alone, which ends the process elsewhere too.
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();
  }
  auto bytes = [](std::string& text) { return reinterpret_cast<Bytef*>(text.data()); };
  if (!part.window.empty()) {
    deflateSetDictionary(&stream, bytes(part.window), static_cast<uInt>(part.window.size()));
  }
  part.checksum = static_cast<std::uint32_t>(
      crc32(crc32(0, nullptr, 0), bytes(part.input), static_cast<uInt>(part.input.size())));
  // Besides the bound of one block, the flush at the end takes some bytes.
  part.packed.resize(deflateBound(&stream, part.input.size()) + 64);
  stream.next_in = bytes(part.input);
  stream.avail_in = static_cast<uInt>(part.input.size());
  stream.next_out = bytes(part.packed);
  stream.avail_out = static_cast<uInt>(part.packed.size());
  deflate(&stream, part.is_last ? Z_FINISH : Z_SYNC_FLUSH);
  part.packed.resize(stream.total_out);
  deflateEnd(&stream);
}

class GzipPacker final : public Packer {
 public:
  GzipPacker(ByteSink& sink, unsigned threads) : sink_(sink) {
    for (unsigned i = 0; i < threads; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }
  ~GzipPacker() override {
    for (std::jthread& thread : threads_) thread.request_stop();
  }
  GzipPacker(const GzipPacker&) = delete;
  GzipPacker& operator=(const GzipPacker&) = delete;

  Status write(std::string_view piece) override {
    while (!piece.empty()) {
      // Only when more comes it is sure that a full part is not the last.
      if (input_.size() == kGzipPiece) TRY(hand_over(false));
      std::size_t taken = std::min(piece.size(), kGzipPiece - input_.size());
      input_ += piece.substr(0, taken);
      piece.remove_prefix(taken);
    }
    return {};
  }

  Status finish() override {
    TRY(hand_over(true));
    while (!parts_.empty()) TRY(write_first());
    std::string trailer;
    for (std::uint32_t number : {checksum_, static_cast<std::uint32_t>(size_)}) {
      for (int shift = 0; shift < 32; shift += 8) {
        trailer += static_cast<char>((number >> shift) & 0xFFU);
      }
    }
    return sink_.write(trailer);
  }

 private:
  Status hand_over(bool is_last) {
    auto part = std::make_shared<GzipPart>();
    part->window = std::move(window_);
    part->input = std::move(input_);
    part->is_last = is_last;
    window_ = part->input.substr(part->input.size() - std::min(part->input.size(), kGzipWindow));
    input_.clear();
    size_ += part->input.size();
    {
      std::lock_guard lock(mutex_);
      parts_.push_back(part);
      waiting_.push_back(std::move(part));
    }
    changed_.notify_all();
    while (parts_.size() > 2 * threads_.size()) TRY(write_first());
    return {};
  }

  Status write_first() {
    std::shared_ptr<GzipPart> part = parts_.front();
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return part->is_done; });
    }
    parts_.pop_front();
    if (!began_) {
      // Neither a time nor a name, of no system in particular.
      TRY(sink_.write(std::string_view("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10)));
      began_ = true;
    }
    auto size = static_cast<z_off_t>(part->input.size());
    checksum_ = static_cast<std::uint32_t>(crc32_combine(checksum_, part->checksum, size));
    return sink_.write(part->packed);
  }

  void work(const std::stop_token& stop) {
    while (true) {
      std::shared_ptr<GzipPart> part;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return !waiting_.empty(); })) return;
        part = std::move(waiting_.front());
        waiting_.pop_front();
      }
      pack_part(*part);
      {
        std::lock_guard lock(mutex_);
        part->is_done = true;
      }
      changed_.notify_all();
    }
  }

  ByteSink& sink_;
  std::string window_;
  std::string input_;
  std::uint64_t size_ = 0;
  std::uint32_t checksum_ = 0;
  bool began_ = false;
  std::deque<std::shared_ptr<GzipPart>> parts_;  // in their order; of the caller's thread
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::shared_ptr<GzipPart>> waiting_;
  std::vector<std::jthread> threads_;
};

class ZstdPacker final : public Packer {
 public:
  ZstdPacker(ByteSink& sink, unsigned threads)
      : sink_(sink),
        context_(ZSTD_createCCtx(), ZSTD_freeCCtx),
        buffer_(ZSTD_CStreamOutSize(), '\0') {
    set(ZSTD_c_compressionLevel, kZstdLevel);
    set(ZSTD_c_checksumFlag, 1);
    // One worker makes what many make; none would make another stream.
    set(ZSTD_c_nbWorkers, static_cast<int>(threads));
    set(ZSTD_c_jobSize, kZstdPiece);
  }

  Status write(std::string_view piece) override {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    while (in.pos < in.size) TRY(step(in, ZSTD_e_continue));
    return {};
  }

  Status finish() override {
    ZSTD_inBuffer in{nullptr, 0, 0};
    while (true) {
      TRY_ASSIGN(std::size_t left, step(in, ZSTD_e_end));
      if (left == 0) return {};
    }
  }

 private:
  void set(ZSTD_cParameter parameter, int value) {
    std::size_t result = ZSTD_CCtx_setParameter(context_.get(), parameter, value);
    if (ZSTD_isError(result) != 0 && !fault_) fault_ = ZSTD_getErrorName(result);
  }

  Result<std::size_t> step(ZSTD_inBuffer& in, ZSTD_EndDirective directive) {
    if (fault_) return fail(Code::kInternal, cat("zstd: ", fault_));
    ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
    std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
    if (ZSTD_isError(left) != 0) {
      return fail(Code::kInternal, cat("zstd: ", ZSTD_getErrorName(left)));
    }
    if (out.pos != 0) TRY(sink_.write(std::string_view(buffer_).substr(0, out.pos)));
    return left;
  }

  ByteSink& sink_;
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
  std::string buffer_;
  const char* fault_ = nullptr;
};

}  // namespace

std::unique_ptr<Packer> pack(ByteSink& sink, Compression compression, unsigned threads) {
  if (threads == 0) threads = std::thread::hardware_concurrency();
  threads = std::clamp(threads, 1U, 16U);
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipPacker>(sink, threads);
    case Compression::kZstd:
      return std::make_unique<ZstdPacker>(sink, threads);
    case Compression::kNone:
      break;
  }
  return std::make_unique<Unpacked>(sink);
}

}  // namespace dhow::unpack
