// SPDX-License-Identifier: Apache-2.0
#include "snapshot/erofs_mount.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <cerrno>

#include "base/strings.h"

namespace dhow::snapshot {
namespace {

Result<MountFd> mount_source(const std::string& source) {
  TRY_ASSIGN(FsContext context, FsContext::open("erofs"));
  TRY(context.set_string("source", source));
  // Else the kernel wants to write to the device.
  TRY(context.set_flag("ro"));
  TRY(context.create());
  return context.mount(MOUNT_ATTR_RDONLY);
}

// A free loop device, bound to the image; the kernel unbinds it when nobody uses it any more.
Result<Fd> bind_loop_device(const Fd& image, std::string& name) {
  TRY_ASSIGN(Fd control, open_at(kCwd, "/dev/loop-control", O_RDWR));
  while (true) {
    int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail_errno(errno, "find a free loop device");
    name = cat("/dev/loop", number);
    TRY_ASSIGN(Fd device, open_at(kCwd, name, O_RDONLY));
    struct loop_config config{};
    config.fd = static_cast<__u32>(image.get());
    config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) return device;
    // Another was faster.
    if (errno != EBUSY) return fail_errno(errno, cat("bind ", name));
  }
}

}  // namespace

Result<MountFd> mount_erofs(const std::string& path, bool with_loop) {
  TRY_ASSIGN(Fd image, open_at(kCwd, path, O_RDONLY));
  if (!with_loop) {
    auto mounted = mount_source(path.size() <= kMaxFsOptionValue ? path : proc_fd_path(image));
    // Before Linux 6.12 the source has to be a block device.
    if (mounted || mounted.error().sys_errno() != ENOTBLK) return mounted;
  }
  std::string name;
  TRY_ASSIGN(Fd device, bind_loop_device(image, name));
  return mount_source(name);
}

}  // namespace dhow::snapshot
