// SPDX-License-Identifier: Apache-2.0
#include "unpack/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/strings.h"

namespace dhow::unpack {
namespace {

// pax has its names in UTF-8, which libarchive turns into the encoding of the locale: for the time
// of a call the thread has one that keeps them as they are.
class Utf8Locale {
 public:
  Utf8Locale() : before_(::uselocale(utf8())) {}
  ~Utf8Locale() { ::uselocale(before_); }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  static locale_t utf8() {
    static const locale_t locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return locale;
  }
  locale_t before_;
};

constexpr std::size_t kBlock = 512;

std::string text(const char* bytes) {
  return bytes == nullptr ? std::string() : std::string(bytes);
}

std::optional<EntryType> type_of(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return EntryType::kHardlink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return EntryType::kFile;
    case AE_IFDIR:
      return EntryType::kFolder;
    case AE_IFLNK:
      return EntryType::kSymlink;
    case AE_IFCHR:
      return EntryType::kCharDevice;
    case AE_IFBLK:
      return EntryType::kBlockDevice;
    case AE_IFIFO:
      return EntryType::kFifo;
    default:
      return std::nullopt;
  }
}

void read_xattrs(archive_entry* entry, Entry& out) {
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    out.xattrs[name] = std::string(static_cast<const char*>(value), size);
  }
}

}  // namespace

struct TarReader::State {
  explicit State(ByteSource& from) : source(from) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { archive_read_free(reader); }

  static la_ssize_t read_callback(archive* reader, void* data, const void** buffer) {
    auto* self = static_cast<State*>(data);
    auto piece = self->next_piece();
    if (!piece) {
      self->fault = piece.error();
      archive_set_error(reader, EIO, "source");
      return -1;
    }
    *buffer = piece->data();
    return static_cast<la_ssize_t>(piece->size());
  }

  // Some tools leave out what fills the last block, and the end of the archive: others read it.
  Result<std::string_view> next_piece() {
    TRY_ASSIGN(std::string_view piece, source.next());
    if (!piece.empty() || padded) {
      last_block = (last_block + piece.size()) % kBlock;
      return piece;
    }
    padded = true;
    static constexpr char kZeros[kBlock] = {};
    return std::string_view(kZeros, (kBlock - last_block) % kBlock);
  }

  // Whether the file that was read last is whole without those zeros.
  bool is_whole() const {
    std::size_t needed = static_cast<std::size_t>(size) % kBlock;
    return !padded || last_block == 0 || needed <= last_block;
  }

  Status open() {
    archive_read_support_format_tar(reader);
    if (archive_read_open(reader, this, nullptr, read_callback, nullptr) == ARCHIVE_OK) return {};
    return failure();
  }

  std::unexpected<Error> failure() {
    if (fault) return std::unexpected(*fault);
    return fail(Code::kDataLoss,
                cat("the archive is damaged (", text(archive_error_string(reader)), ")"));
  }

  ByteSource& source;
  archive* reader = archive_read_new();
  std::optional<Error> fault;  // of the source
  bool is_open = false;
  bool padded = false;
  std::size_t last_block = 0;  // bytes of the stream in its last block
  std::int64_t size = 0;       // of the member's content in the archive
};

TarReader::TarReader(ByteSource& source) : state_(std::make_unique<State>(source)) {}
TarReader::~TarReader() = default;

Result<std::optional<Entry>> TarReader::next() {
  Utf8Locale locale;
  if (!state_->is_open) {
    TRY(state_->open());
    state_->is_open = true;
  }
  archive_entry* raw = nullptr;
  int result = archive_read_next_header(state_->reader, &raw);
  if (result == ARCHIVE_EOF) return std::optional<Entry>();
  // A warning is of a name that is no UTF-8, among others: its bytes are there all the same.
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return state_->failure();
  Entry entry;
  entry.path = text(archive_entry_pathname(raw));
  if (entry.path.empty()) return fail(Code::kDataLoss, "a member has no name, or one in no UTF-8");
  auto type = type_of(raw);
  if (!type) {
    return fail(Code::kInvalidArgument, cat(quoted(entry.path), ": no known type of file"));
  }
  entry.type = *type;
  if (entry.type == EntryType::kHardlink) entry.target = text(archive_entry_hardlink(raw));
  if (entry.type == EntryType::kSymlink) entry.target = text(archive_entry_symlink(raw));
  entry.mode = archive_entry_perm(raw) & 07777U;
  entry.uid = archive_entry_uid(raw);
  entry.gid = archive_entry_gid(raw);
  entry.size = archive_entry_size(raw);
  state_->size = entry.size;
  entry.mtime = {.tv_sec = archive_entry_mtime(raw), .tv_nsec = archive_entry_mtime_nsec(raw)};
  entry.major = static_cast<unsigned>(archive_entry_rdevmajor(raw));
  entry.minor = static_cast<unsigned>(archive_entry_rdevminor(raw));
  read_xattrs(raw, entry);
  return std::optional<Entry>(std::move(entry));
}

Status TarReader::read(const Take& take) {
  Utf8Locale locale;
  while (true) {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    int result = archive_read_data_block(state_->reader, &data, &size, &offset);
    if (result == ARCHIVE_EOF) {
      if (state_->is_whole()) return {};
      return fail(Code::kDataLoss, "the archive is damaged (it ends inside a file)");
    }
    if (result != ARCHIVE_OK) return state_->failure();
    if (size != 0) TRY(take(offset, {static_cast<const char*>(data), size}));
  }
}

}  // namespace dhow::unpack
