// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/image_pull.h"

namespace dhow::engine {

// The names of the images that come with dhow, sorted: "busybox", "hello". They are archives
// NAME.tar of the folder share/dhow/images beside the programs. No such folder: none.
Result<std::vector<std::string>> builtin_images(const std::string& folder);

struct BuiltinOptions {
  std::string folder;
  std::string name_space;
};

// Brings one of them into the stores, unpacks and names it, without any registry. `name` is as
// people write it: "hello", "hello:latest", "docker.io/library/hello"; the image gets the long form
// of it, over what had that name before. kNotFound for every other name. What is there already is
// neither written nor unpacked again. Faults as of import_images and settle_image. Blocks.
Result<Pulled> load_builtin_image(const ImageStores& stores, std::string_view name,
                                  const BuiltinOptions& options);

}  // namespace dhow::engine
