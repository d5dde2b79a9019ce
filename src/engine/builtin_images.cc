// SPDX-License-Identifier: Apache-2.0
#include "engine/builtin_images.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/image_import.h"
#include "engine/image_settle.h"
#include "oci/reference.h"
#include "sys/file_io.h"
#include "unpack/file_source.h"

namespace dhow::engine {
namespace {

constexpr std::string_view kArchive = ".tar";
constexpr std::string_view kLibrary = "library/";
// When a load dies, what it held may be collected this much later. Nanoseconds.
constexpr std::int64_t kHeld = std::int64_t{3600} * 1'000'000'000;

// "hello" of each form of that name; "" of what can't be the name of a built-in image.
std::string short_name(const oci::Reference& name) {
  bool plain = name.domain == "docker.io" && name.path.starts_with(kLibrary) &&
               name.tag == "latest" && name.digest.empty();
  return plain ? name.path.substr(kLibrary.size()) : std::string();
}

Result<Pulled> load(const ImageStores& stores, const oci::Reference& name, const std::string& path,
                    const std::string& name_space) {
  TRY_ASSIGN(Fd file, open_at(kCwd, path, O_RDONLY));
  metadata::Lease wanted;
  wanted.expires = metadata::now() + kHeld;
  TRY_ASSIGN(metadata::Lease lease, stores.leases.create(std::move(wanted)));
  Cleanup release([&] { std::ignore = stores.leases.remove(lease.id); });
  unpack::FileSource archive(std::move(file), "read the archive");
  ImportOptions importing;
  importing.lease = lease.id;
  TRY_ASSIGN(std::vector<Imported> images, import_images(archive, stores.content, importing));
  if (images.size() != 1) {
    return fail(Code::kInvalidArgument, cat(quoted(path), ": not one image"));
  }
  const oci::Descriptor& target = images.front().target;
  SettleOptions settling;
  settling.lease = lease.id;
  TRY_ASSIGN(std::string top, settle_image(stores, target, settling));
  return name_image(stores, name_space, name.text(), target, std::move(top));
}

}  // namespace

Result<std::vector<std::string>> builtin_images(const std::string& folder) {
  auto opened = open_at(kCwd, folder, O_RDONLY | O_DIRECTORY);
  if (!opened && opened.error().sys_errno() == ENOENT) return std::vector<std::string>();
  TRY_ASSIGN(std::vector<std::string> names, list_dir(*opened));
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(kArchive); });
  for (std::string& name : names) name.resize(name.size() - kArchive.size());
  std::ranges::sort(names);
  return names;
}

Result<Pulled> load_builtin_image(const ImageStores& stores, std::string_view name,
                                  const BuiltinOptions& options) {
  TRY_ASSIGN(oci::Reference reference, oci::parse_image_name(name));
  TRY_ASSIGN(std::vector<std::string> known, builtin_images(options.folder));
  std::string plain = short_name(reference);
  if (!std::ranges::binary_search(known, plain)) {
    return fail(Code::kNotFound,
                cat("no image ", quoted(name), " comes with dhow; there are: ", join(known, ", ")));
  }
  auto loaded =
      load(stores, reference, cat(options.folder, "/", plain, kArchive), options.name_space);
  if (!loaded) {
    return std::unexpected(std::move(loaded).error().add_context(cat("load the image ", plain)));
  }
  return loaded;
}

}  // namespace dhow::engine
