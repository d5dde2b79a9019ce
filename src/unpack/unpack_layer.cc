// SPDX-License-Identifier: Apache-2.0
#include "unpack/unpack_layer.h"

#include <optional>

#include "base/hasher.h"
#include "base/strings.h"
#include "unpack/inflate.h"
#include "unpack/prefetch.h"

namespace dhow::unpack {
namespace {

// Hashes what passes, unless the source does.
class Hashed final : public ByteSource {
 public:
  Hashed(ByteSource& source, const Digest& expected) : source_(source), expected_(expected) {
    if (!source.is_verified()) hasher_.emplace(expected.algorithm());
  }

  Result<std::string_view> next() override {
    TRY_ASSIGN(std::string_view piece, source_.next());
    if (hasher_) hasher_->update(piece);
    return piece;
  }
  // Reads what nobody has read, and compares.
  Status finish(std::string_view what) {
    while (true) {
      TRY_ASSIGN(std::string_view piece, next());
      if (piece.empty()) break;
    }
    if (!hasher_) return {};
    Digest found = hasher_->finish();
    if (found == expected_) return {};
    return fail(Code::kDataLoss,
                cat("its ", what, " is ", found.text(), ", not ", expected_.text()));
  }

 private:
  ByteSource& source_;
  const Digest& expected_;
  std::optional<Hasher> hasher_;
};

Result<Written> unpack(ByteSource& packed, const DirFd& root, const UnpackRequest& request) {
  Hashed stream(packed, request.digest);
  // What an archive adds to its files: headers, padding, and room for long names.
  constexpr std::int64_t kOverhead = std::int64_t{1} << 34;
  auto inflated = inflate(stream, request.compression, request.limits.bytes + kOverhead);
  Result<Written> written = Written();
  {
    auto ahead = prefetch(*inflated);
    Hashed archive(*ahead, request.diff_id);
    TarReader reader(archive);
    TRY_ASSIGN(DirFd folder, DirFd::open(proc_fd_path(root.fd())));
    LayerWriter writer(std::move(folder), request.whiteouts, request.limits, request.rules);
    written = writer.write(reader);
    if (!written) return written;
    TRY(archive.finish("diff id"));
  }
  TRY(stream.finish("digest"));
  return written;
}

}  // namespace

Result<Written> unpack_layer(ByteSource& packed, const DirFd& root, const UnpackRequest& request) {
  auto written = unpack(packed, root, request);
  if (!written) {
    return std::unexpected(
        std::move(written).error().add_context(cat("layer ", request.digest.text())));
  }
  return written;
}

}  // namespace dhow::unpack
