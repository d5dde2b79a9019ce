// SPDX-License-Identifier: Apache-2.0
#include "runtime/self_seal.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/fd.h"
#include "sys/mount_fd.h"

namespace dhow::runtime {
namespace {

constexpr char kSelf[] = "/proc/self/exe";
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

bool unwritable(const Fd& self) {
  struct statx info{};
  if (::statx(self.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &info) != 0) return false;
  if ((info.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_VERITY)) != 0) return true;
  // An ordinary user's containers have at most this user's rights to the file.
  if (::geteuid() != 0 && info.stx_uid != ::geteuid() && (info.stx_mode & 0022) == 0) return true;
  struct statvfs mount{};
  if (::fstatvfs(self.get(), &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0) return true;
  int seals = ::fcntl(self.get(), F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;
}

[[nodiscard]] Status execute(const Fd& program, char** argv) {
  ::fexecve(program.get(), argv, ::environ);
  return fail_errno(errno, "execute a sealed copy of this program");
}

Status execute_readonly_mount(char** argv) {
  TRY_ASSIGN(MountFd mount, MountFd::clone_of(kCwd, kSelf, false));
  TRY(mount.set_attributes(MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, false));
  return execute(mount.fd(), argv);
}

Result<Fd> sealed_copy(const Fd& self) {
  Fd copy(::memfd_create("dhow-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!copy) return fail_errno(errno, "make memory file");
  struct stat info{};
  if (::fstat(self.get(), &info) != 0) return fail_errno(errno, "stat this program");
  for (off_t done = 0; done < info.st_size;) {
    ssize_t sent =
        ::sendfile(copy.get(), self.get(), &done, static_cast<std::size_t>(info.st_size - done));
    if (sent <= 0) return fail_errno(sent < 0 ? errno : EIO, "copy this program");
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, kSeals) != 0) return fail_errno(errno, "seal memory file");
  return copy;
}

}  // namespace

Status seal_self(char** argv) {
  TRY_ASSIGN(Fd self, open_at(kCwd, kSelf, O_RDONLY));
  if (unwritable(self)) return {};
  auto mounted = execute_readonly_mount(argv);  // returns only when it failed
  auto copy = sealed_copy(self);
  if (!copy) {
    return fail(std::move(copy).error().add_context(
        cat("protect this program from containers: ", mounted.error().message())));
  }
  return execute(*copy, argv);
}

}  // namespace dhow::runtime
