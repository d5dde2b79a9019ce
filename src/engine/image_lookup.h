// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "content/content_store.h"
#include "image/image_store.h"
#include "oci/image.h"
#include "oci/platform.h"
#include "oci/reference.h"

namespace dhow::engine {

// Where images are read from: borrowed, thread safe.
struct ImageReading {
  content::ContentStore& content;
  const image::Store& images;
};

// An image as people know it: what all names of one digest name. Its id is the digest of its
// manifest or index, as with docker on containerd's store.
struct ImageEntry {
  oci::Descriptor target;             // id, media type and size of the document
  std::vector<oci::Reference> names;  // sorted; none: dangling
  std::int64_t created = 0;           // nanoseconds since 1970, when its first name came
  std::int64_t updated = 0;           // when the last one was set

  const Digest& id() const { return target.digest; }
};

// What keeps an image that has lost its last name: a record of this name and the digest's text. It
// can't be read as a reference.
inline constexpr std::string_view kDanglingPrefix = "<none>@";
std::string dangling_name(const Digest& id);

// All images of a namespace, sorted by id. Blocks on the database.
Result<std::vector<ImageEntry>> list_images(const image::Store& images,
                                            std::string_view name_space);

// The image that a text stands for: a name as people write it ("busybox", with the tag "latest"
// when it has neither tag nor digest), a digest of it behind a repository, its id, with "sha256:"
// or without, or the beginning of one; the id of its configuration too, as classic docker has it. A
// name wins over an id. kNotFound in docker's words ("No such image: busybox:latest"), also for a
// text that is no reference at all; kInvalidArgument for the beginning of several. Blocks on the
// database, and on the disk when nothing but a configuration is left to look for.
Result<ImageEntry> find_image(const ImageReading& stores, std::string_view name_space,
                              std::string_view text);

// The documents of an image for one platform.
struct ImageDocuments {
  oci::Descriptor manifest_descriptor;
  oci::Manifest manifest;
  oci::Image config;
  std::vector<Digest> chain;  // chain ids of its layers, which are the names of their snapshots
};

// kNotFound when what is here has nothing for the platform. Blocks on the disk.
Result<ImageDocuments> read_image(content::ContentStore& content, const oci::Descriptor& target,
                                  const oci::Platform& platform);

}  // namespace dhow::engine
