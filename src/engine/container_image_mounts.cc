// SPDX-License-Identifier: Apache-2.0
#include "base/hasher.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/image_lookup.h"
#include "engine/volume_mounts.h"

// Images that are mounted into containers: of each a view, which keeps its layers.
namespace dhow::engine {

std::string image_view(const ContainerRecord& record, const WantedMount& mount) {
  return cat(record.snapshot(), "/", digest_of(mount.destination).hex());
}

Status ContainersImpl::view_images(const ContainerRecord& record,
                                   std::vector<std::string>& made) const {
  for (const WantedMount& mount : record.mounts()) {
    if (mount.type != "image") continue;
    TRY_ASSIGN(ImageEntry image, find_image({stores_.images.content, stores_.images.images},
                                            options_.name_space, mount.source));
    auto content = stores_.reader.read(image.target, std::nullopt);
    if (!content) return fail(std::move(content).error().add_context(mount.source));
    const ImageDocuments& documents = (*content)->documents;
    snapshot::NewSnapshot wanted;
    wanted.key = image_view(record, mount);
    if (!documents.chain.empty()) wanted.parent = documents.chain.back().text();
    TRY(stores_.images.snapshots.view(wanted));
    made.push_back(wanted.key);
  }
  return {};
}

Result<VolumeSource> ContainersImpl::image_source(const ContainerRecord& record,
                                                  const WantedMount& mount) const {
  TRY_ASSIGN(snapshot::MountPlan plan, stores_.images.snapshots.mounts(image_view(record, mount)));
  TRY_ASSIGN(std::vector<snapshot::Mount> mounts, snapshot::to_mounts(plan));
  if (mounts.size() != 1) return fail(Code::kUnimplemented, cat("mount the image ", mount.source));
  snapshot::Mount& one = mounts.front();
  // What a bind of the only layer says is said of every image: nobody writes to it.
  if (one.type == "bind") return VolumeSource{.type = {}, .path = one.source, .options = {}};
  return VolumeSource{.type = one.type, .path = one.source, .options = std::move(one.options)};
}

void ContainersImpl::drop_image_views(const ContainerRecord& record) const {
  for (const WantedMount& mount : record.mounts()) {
    if (mount.type != "image") continue;
    auto gone = stores_.images.snapshots.remove(image_view(record, mount));
    if (!gone && gone.error().code() != Code::kNotFound) {
      log::warning(cat("container ", record.id, ": ", gone.error().message()));
    }
  }
}

}  // namespace dhow::engine
