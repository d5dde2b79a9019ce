// SPDX-License-Identifier: Apache-2.0
// What criu answers on its socket: protobuf messages.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/protobuf.h"
#include "runtime/criu/rpc.h"

namespace {

// Fields that were read and are written again are read as the same.
void check_round_trip(std::string_view bytes) {
  using dhow::ProtoField;
  dhow::ProtoReader reader(bytes);
  std::size_t taken = 0;
  while (true) {
    auto field = reader.next();
    if (!field || !*field) return;
    const ProtoField& read = **field;
    taken += read.bytes.size() + 1;
    if (taken > bytes.size()) std::abort();  // no field is read twice
    dhow::ProtoWriter writer;
    if (read.kind == ProtoField::Kind::kBytes) {
      writer.text(read.number, read.bytes);
    } else {
      writer.number(read.number, read.value);
    }
    dhow::ProtoReader again_reader(writer.bytes());
    auto again = again_reader.next();
    if (!again || !*again) std::abort();
    if ((*again)->number != read.number || (*again)->value != read.value ||
        (*again)->bytes != read.bytes) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_round_trip(bytes);
  auto response = dhow::criu::decode_response(bytes);
  if (!response) return 0;
  if (response->script.size() + response->error_text.size() > size) std::abort();
  if (response->version < 0) std::abort();
  return 0;
}
