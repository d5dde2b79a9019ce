// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/image.h"
#include "unpack/byte_sink.h"
#include "unpack/tar_reader.h"

namespace dhow::builtin {

// A member of the image's only layer.
struct Member {
  unpack::Entry entry;
  std::string content;
};

// Writes an image of one layer as an archive that is an OCI layout (image-spec, image-layout.md).
// `image` is completed with the layer; all times are 0, so that the same input is the same bytes.
// `name` is what the image is to be called, in the long form.
Status write_archive(std::string_view name, const std::vector<Member>& members, oci::Image image,
                     unpack::ByteSink& sink);

// What a program runs on, by its ELF header. kInvalidArgument when it is none, is for a processor
// that is not known here, or is not linked statically.
Result<oci::Platform> platform_of(std::string_view program);

}  // namespace dhow::builtin
