// SPDX-License-Identifier: Apache-2.0
#include "logging/compress.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <span>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::logging {
namespace {

constexpr std::size_t kPiece = std::size_t{32} << 10;
constexpr int kGzip = 16;  // added to the window's bits: gzip's header and check (zlib.h)
constexpr int kMostBits = 15;
constexpr int kMemoryLevel = 8;
// RFC 1952, section 2.3.1: a fixed head of ten bytes, then with FEXTRA a length of two bytes and
// fields with a name of two bytes and a length of two.
constexpr std::size_t kHead = 10;
constexpr unsigned char kHasExtra = 4;
constexpr std::string_view kField = "dL";
constexpr std::size_t kFieldSize = 12;

std::array<unsigned char, kFieldSize> inode_field(std::uint64_t inode) {
  std::array<unsigned char, kFieldSize> field{'d', 'L', 8, 0};
  for (std::size_t i = 0; i < 8; ++i) {
    field[4 + i] = static_cast<unsigned char>((inode >> (8 * i)) & 0xFF);
  }
  return field;
}

class Packer {
 public:
  Packer() = default;
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  ~Packer() { ::deflateEnd(&stream_); }

  bool pack(FdRef from, FdRef to, std::uint64_t inode) {
    if (::deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kMostBits + kGzip, kMemoryLevel,
                       Z_DEFAULT_STRATEGY) != Z_OK) {
      return false;
    }
    auto field = inode_field(inode);
    gz_header header{};
    header.os = 3;  // Unix
    header.extra = field.data();
    header.extra_len = kFieldSize;
    if (::deflateSetHeader(&stream_, &header) != Z_OK) return false;
    std::array<char, kPiece> in;
    while (true) {
      auto got = read_some(from, in);
      if (!got) return false;
      stream_.next_in = reinterpret_cast<unsigned char*>(in.data());
      stream_.avail_in = static_cast<unsigned>(*got);
      if (!drain(to, *got == 0 ? Z_FINISH : Z_NO_FLUSH)) return false;
      if (*got == 0) return true;
    }
  }

 private:
  bool drain(FdRef to, int flush) {
    std::array<char, kPiece> out;
    do {
      stream_.next_out = reinterpret_cast<unsigned char*>(out.data());
      stream_.avail_out = kPiece;
      if (::deflate(&stream_, flush) == Z_STREAM_ERROR) return false;
      if (!write_all(to, {out.data(), kPiece - stream_.avail_out})) return false;
    } while (stream_.avail_out == 0);
    return true;
  }

  z_stream stream_{};
};

// In the child: the descriptors of its parent are closed first, as pipes and sockets among them
// would look open to others for as long as this takes.
[[noreturn]] void run_packer(int from, const std::string& path) {
  if (::dup2(from, 0) < 0 || ::close_range(1, ~0U, 0) != 0) ::_exit(1);
  std::ignore = ::setpriority(PRIO_PROCESS, 0, 10);
  struct stat info{};
  if (::fstat(0, &info) != 0) ::_exit(1);
  std::string packed = cat(path, kPacked);
  std::string unfinished = packed + ".tmp";
  std::ignore = ::unlink(unfinished.c_str());
  auto to =
      open_at(kCwd, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, info.st_mode & 0777U);
  if (!to) ::_exit(1);
  // The time of the last line: by that old files are removed.
  const struct timespec times[2] = {info.st_atim, info.st_mtim};
  bool packs = Packer().pack(FdRef(0), *to, info.st_ino) && ::futimens(to->get(), times) == 0;
  if (!packs || ::rename(unfinished.c_str(), packed.c_str()) != 0) {
    ::unlink(unfinished.c_str());
    ::_exit(1);
  }
  ::unlink(path.c_str());
  ::_exit(0);
}

Result<Fd> nameless_file(const std::string& folder) {
  Fd fd(::open(folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (fd) return fd;
  int reason = errno;
  if (reason == EOPNOTSUPP || reason == EISDIR || reason == ENOENT) {
    fd.reset(::memfd_create("log", MFD_CLOEXEC));
    if (fd) return fd;
  }
  return fail_errno(reason, cat("make a file in ", quoted(folder)));
}

class Unpacker {
 public:
  Unpacker() = default;
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;
  ~Unpacker() { ::inflateEnd(&stream_); }

  Status unpack(FdRef from, FdRef to) {
    if (::inflateInit2(&stream_, kMostBits + kGzip) != Z_OK) {
      return fail(Code::kResourceExhausted, "no memory");
    }
    std::array<char, kPiece> in, out;
    std::int64_t offset = 0;
    while (true) {
      TRY_ASSIGN(std::size_t got, read_at(from, offset, in));
      if (got == 0) return fail(Code::kDataLoss, "it is cut short");
      offset += static_cast<std::int64_t>(got);
      stream_.next_in = reinterpret_cast<unsigned char*>(in.data());
      stream_.avail_in = static_cast<unsigned>(got);
      do {
        stream_.next_out = reinterpret_cast<unsigned char*>(out.data());
        stream_.avail_out = kPiece;
        int state = ::inflate(&stream_, Z_NO_FLUSH);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
          return fail(Code::kDataLoss, "it is no gzip file");
        }
        TRY(write_all(to, {out.data(), kPiece - stream_.avail_out}));
        if (state == Z_STREAM_END) return {};
      } while (stream_.avail_out == 0);
    }
  }

 private:
  z_stream stream_{};
};

}  // namespace

Result<PidFd> start_packing(const std::string& path) {
  TRY_ASSIGN(Fd from, open_at(kCwd, path, O_RDONLY | O_NOFOLLOW));
  // fork(), for what the C library locks.
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, cat("start to pack ", quoted(path)));
  if (pid == 0) run_packer(from.get(), path);
  return PidFd::open(pid);
}

std::uint64_t packed_inode(FdRef packed) {
  std::array<char, kHead + 2 + kFieldSize> bytes;
  auto got = read_at(packed, 0, bytes);
  if (!got || *got != bytes.size()) return 0;
  auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  bool ours = byte(0) == 0x1F && byte(1) == 0x8B && (byte(3) & kHasExtra) != 0 &&
              byte(kHead) == kFieldSize && byte(kHead + 1) == 0 &&
              std::string_view(bytes.data() + kHead + 2, 2) == kField;
  if (!ours) return 0;
  std::uint64_t inode = 0;
  for (std::size_t i = 0; i < 8; ++i) inode |= std::uint64_t{byte(kHead + 6 + i)} << (8 * i);
  return inode;
}

Result<Fd> unpack_log(FdRef packed, const std::string& folder) {
  TRY_ASSIGN(Fd plain, nameless_file(folder));
  TRY(Unpacker().unpack(packed, plain));
  return plain;
}

}  // namespace dhow::logging
