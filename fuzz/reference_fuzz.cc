// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "oci/reference.h"

// Names of images: what is accepted means the same in its long and in its short form, and holds
// nothing that leads out of a folder or of a URL.
namespace {

using dhow::oci::parse_reference;
using dhow::oci::Reference;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Reference& reference) {
  require(!reference.domain.empty() && reference.domain.find('/') == std::string::npos);
  require(reference.domain.find("..") == std::string::npos);
  require(dhow::oci::is_repository_path(reference.path));
  require(reference.tag.empty() || dhow::oci::is_tag(reference.tag));
  for (char c : reference.text()) require(c > ' ' && c < 0x7f && c != '?' && c != '#' && c != '\\');
  require(("/" + reference.path + "/").find("/../") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto reference = parse_reference(text);
  if (!reference.has_value()) {
    require(!reference.error().message().empty());
    return 0;
  }
  check(*reference);
  for (const std::string& form : {reference->text(), reference->familiar()}) {
    auto again = parse_reference(form);
    require(again.has_value() && *again == *reference);
  }
  auto named = dhow::oci::parse_image_name(text);
  require(named.has_value() && !(named->tag.empty() && named->digest.empty()));
  return 0;
}
