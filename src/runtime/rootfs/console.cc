// SPDX-License-Identifier: Apache-2.0
// The terminal of a container: a pair of its own devpts.
#include "runtime/rootfs/console.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/rootfs/rootfs_impl.h"

namespace dhow::rootfs {
namespace {

constexpr std::string_view kConsole = "/dev/console";
constexpr unsigned kMultiplexerMajor = 5;
constexpr unsigned kMultiplexerMinor = 2;

// The multiplexer decides which devpts the pair is in, so it must be the node of a devpts and not
// something that the image put in its place. The file system is looked at before anything in it is
// opened: to open a device of the image would already be its work.
Result<Fd> open_multiplexer(const DirFd& root) {
  constexpr std::string_view kNone = "open a terminal: no devpts is mounted on \"/dev/pts\"";
  auto folder = root.open_in_root("/dev/pts", O_PATH | O_DIRECTORY);
  if (!folder) return fail(std::move(folder).error().add_context(kNone));
  TRY_ASSIGN(long magic, file_system_magic(*folder));
  if (magic != DEVPTS_SUPER_MAGIC) return fail(Code::kFailedPrecondition, std::string(kNone));
  auto master = open_at(*folder, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW);
  if (!master) return fail(std::move(master).error().add_context("open a terminal"));
  // Something may be mounted on the node itself.
  struct stat info{};
  if (::fstat(master->get(), &info) != 0) return fail_errno(errno, "stat \"/dev/pts/ptmx\"");
  TRY_ASSIGN(magic, file_system_magic(*master));
  if (magic != DEVPTS_SUPER_MAGIC || !S_ISCHR(info.st_mode) ||
      info.st_rdev != ::makedev(kMultiplexerMajor, kMultiplexerMinor)) {
    return fail(Code::kFailedPrecondition,
                "open a terminal: \"/dev/pts/ptmx\" is not the multiplexer of a devpts");
  }
  return master;
}

}  // namespace

Result<Rootfs::Console> open_terminal(const DirFd& root) {
  Rootfs::Console console;
  TRY_ASSIGN(console.master, open_multiplexer(root));
  int unlock = 0;
  if (::ioctl(console.master.get(), TIOCSPTLCK, &unlock) != 0) {
    return fail_errno(errno, "unlock terminal");
  }
  int slave = ::ioctl(console.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return fail_errno(errno, "open terminal");
  console.slave = Fd(slave);
  return console;
}

Result<Rootfs::Console> RootfsImpl::open_console(bool bind) {
  TRY_ASSIGN(Console console, open_terminal(root_));
  if (!bind) return console;

  TRY_ASSIGN(DirFd::Parent parent, root_.open_parent_in_root(kConsole, true, 0755));
  if (::mknodat(parent.dir.fd().get(), parent.name.c_str(), S_IFREG | 0666, 0) != 0 &&
      errno != EEXIST) {
    return fail_errno(errno, cat("make file ", quoted(kConsole)));
  }
  TRY_ASSIGN(Fd target, open_at(parent.dir.fd(), parent.name, O_PATH | O_NOFOLLOW));
  struct stat info{};
  if (::fstat(target.get(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(kConsole)));
  if (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode)) {
    return fail(Code::kFailedPrecondition,
                cat("bind terminal on ", quoted(kConsole), ": not a file or device"));
  }
  TRY_ASSIGN(MountFd tree, MountFd::clone_of(console.slave, "", false, AT_EMPTY_PATH));
  TRY_CONTEXT(attach_and_verify(context(), tree, target, std::string(kConsole), O_NOFOLLOW),
              cat("bind terminal on ", quoted(kConsole)));
  return console;
}

}  // namespace dhow::rootfs
