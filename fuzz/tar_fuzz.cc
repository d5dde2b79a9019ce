// SPDX-License-Identifier: Apache-2.0
// Layers as they come from a registry: packed or not, written below a folder, one layer or a whole
// tree. Whatever they hold, nothing beside the folder changes. Needs a user who may make devices to
// get far.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sys/file_io.h"
#include "unpack/inflate.h"
#include "unpack/layer_writer.h"

namespace {

using namespace dhow;

constexpr std::int64_t kLimit = std::int64_t{4} << 20;

class Bytes : public unpack::ByteSource {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  Result<std::string_view> next() override {
    std::string_view piece = bytes_.substr(0, 700);
    bytes_.remove_prefix(piece.size());
    return piece;
  }

 private:
  std::string_view bytes_;
};

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string pattern = "/dev/shm/dhow-tar-fuzz.XXXXXX";
  require(::mkdtemp(pattern.data()) != nullptr);
  Fd folder = open_at(kCwd, pattern, O_RDONLY | O_DIRECTORY).value();
  require(::mkdirat(folder.get(), "root", 0700) == 0);

  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  Bytes bytes(text);
  auto plain = unpack::inflate(bytes, unpack::sniff_compression(text), kLimit);
  unpack::TarReader reader(*plain);
  auto whiteouts = data[0] % 2 == 0 ? unpack::Whiteouts::kOverlay : unpack::Whiteouts::kRemove;
  auto root = DirFd::open(pattern + "/root").value();
  auto written = unpack::LayerWriter(std::move(root), whiteouts, {.bytes = kLimit, .entries = 1000})
                     .write(reader);
  if (written) require(written->bytes <= kLimit && written->entries <= 1000);

  require(list_dir(folder).value().size() == 1);
  require(remove_tree(folder, "root").has_value());
  require(::rmdir(pattern.c_str()) == 0);
  return 0;
}
