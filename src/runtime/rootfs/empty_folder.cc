// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/empty_folder.h"

#include <sys/mount.h>

namespace dhow::rootfs {

Result<MountFd> new_empty_folder(std::string_view source, std::string_view mode) {
  TRY_ASSIGN(FsContext context, FsContext::open("tmpfs"));
  TRY(context.set_string("source", source));
  TRY(context.set_string("size", "4k"));  // 0 would mean no limit
  TRY(context.set_string("nr_inodes", "1"));
  TRY(context.set_string("mode", mode));
  TRY(context.set_flag("ro"));
  TRY(context.create());
  return context.mount(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                       MOUNT_ATTR_NOEXEC);
}

}  // namespace dhow::rootfs
