// SPDX-License-Identifier: Apache-2.0
// The protocol is that of fuse(4), <linux/fuse.h>.
#include "crash/silent_mount.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <vector>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::crash_test {
namespace {

constexpr std::size_t kMaxRequest = std::size_t{1} << 17;

template <typename Body>
std::string_view bytes_of(const Body& body) {
  return {reinterpret_cast<const char*>(&body), sizeof body};
}

fuse_attr root_attributes() {
  fuse_attr attributes{};
  attributes.ino = FUSE_ROOT_ID;
  attributes.mode = S_IFDIR | 0755;
  attributes.nlink = 2;
  return attributes;
}

}  // namespace

SilentMount::SilentMount(const std::string& folder) : folder_(folder) {
  EXPECT_TRUE(make_dirs(folder, 0755).has_value());
  device_.reset(::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  stop_.reset(::eventfd(0, EFD_CLOEXEC));
  std::string options =
      cat("fd=", device_.get(), ",rootmode=40000,user_id=0,group_id=0,allow_other");
  int failed = ::mount("silent", folder.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str());
  EXPECT_EQ(failed, 0) << std::strerror(errno);
  server_ = std::thread([this] { serve(); });
}

SilentMount::~SilentMount() {
  EXPECT_EQ(::eventfd_write(stop_.get(), 1), 0);
  server_.join();
  EXPECT_EQ(::umount2(folder_.c_str(), MNT_DETACH), 0);
  // The last descriptor: who waits is told that nobody is there.
  device_.reset();
}

void SilentMount::serve() {
  std::vector<char> buffer(kMaxRequest);
  while (true) {
    struct pollfd entries[2] = {{device_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(entries, 2, -1) < 0 && errno != EINTR) return;
    if (entries[1].revents != 0) return;
    if (is_silent_) {
      // Not read: who waits for what the server has read is not even ended by SIGKILL.
      asked_.release();
      ::poll(entries + 1, 1, -1);
      return;
    }
    ssize_t size = ::read(device_.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOENT)) continue;
    if (size < static_cast<ssize_t>(sizeof(fuse_in_header))) return;
    answer({buffer.data(), static_cast<std::size_t>(size)});
  }
}

void SilentMount::reply(std::uint64_t unique, int error, std::string_view body) {
  fuse_out_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.error = -error;
  header.unique = unique;
  std::string message = cat(bytes_of(header), body);
  // Who has asked may have been killed meanwhile.
  std::ignore = ::write(device_.get(), message.data(), message.size());
}

void SilentMount::answer(std::string_view request) {
  fuse_in_header header{};
  std::memcpy(&header, request.data(), sizeof header);
  if (header.opcode == FUSE_FORGET || header.opcode == FUSE_BATCH_FORGET ||
      header.opcode == FUSE_INTERRUPT) {
    return;
  }
  if (header.opcode == FUSE_INIT) {
    fuse_init_out init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    init.max_write = 4096;
    // Else only one looks at a time, and the others wait so that not even SIGKILL ends them.
    init.flags = FUSE_PARALLEL_DIROPS;
    return reply(header.unique, 0, bytes_of(init));
  }
  switch (header.opcode) {
    case FUSE_GETATTR: {
      // Valid for no time: each look is asked for.
      fuse_attr_out attributes{};
      attributes.attr = root_attributes();
      return reply(header.unique, 0, bytes_of(attributes));
    }
    case FUSE_OPENDIR:
      return reply(header.unique, 0, bytes_of(fuse_open_out{}));
    case FUSE_READDIR:
    case FUSE_RELEASEDIR:
      return reply(header.unique, 0, {});
    case FUSE_STATFS:
      return reply(header.unique, 0, bytes_of(fuse_statfs_out{}));
    case FUSE_LOOKUP:
      return reply(header.unique, ENOENT, {});
    default:
      return reply(header.unique, ENOSYS, {});
  }
}

}  // namespace dhow::crash_test
