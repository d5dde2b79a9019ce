// SPDX-License-Identifier: Apache-2.0
// Each kind of mount and option, on real file systems.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "runtime/rootfs/mountinfo.h"
#include "runtime/rootfs/root_test_checks.h"
#include "runtime/rootfs/root_test_support.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {
namespace {

// The bundles of the tests lie on a tmpfs, the ids of which Linux 6.3 was the first to map.
bool tmpfs_maps_ids() {
  struct utsname name{};
  int major = 0, minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2) return true;
  return major > 6 || (major == 6 && minor >= 3);
}

class Mounts : public ::testing::Test {
 protected:
  void SetUp() override {
    SKIP_UNLESS_ROOT();
    bundle_ = container_.options.bundle = make_bundle();
    rootfs_ = bundle_ + "/rootfs";
    container_.config = default_config();
    container_.options.mode = SwitchMode::kOnEmptyRoot;
  }
  void add(std::string destination, std::string type, std::string source,
           std::vector<std::string> options = {}) {
    container_.config.mounts.push_back(
        mount_of(std::move(destination), std::move(type), std::move(source), std::move(options)));
  }
  void in_userns() {
    container_.userns = true;
    ASSERT_EQ(::chown(rootfs_.c_str(), 100000, 100000), 0);
  }
  std::string run_with(std::function<std::string(Rootfs&)> check) {
    container_.check = std::move(check);
    return run(container_);
  }

  Container container_;
  std::string bundle_;
  std::string rootfs_;
};

std::vector<std::string> tags_of(const std::string& mount_point) {
  auto mounts = parse_mountinfo(mountinfo());
  if (!mounts) return {"unreadable"};
  std::vector<std::string> tags = {"missing"};
  for (const MountInfo& mount : *mounts) {
    if (mount.mount_point == mount_point) tags = mount.tags;
  }
  return tags;
}

TEST_F(Mounts, BindsFilesAndFolders) {
  make_path(bundle_ + "/data/sub");
  write_text(bundle_ + "/data/file", "text");
  add("/a/b/folder", "bind", bundle_ + "/data", {"bind", "ro", "nosuid", "nodev", "noexec"});
  add("relative/file", "bind", "data/file", {"bind"});
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_text("/a/b/folder/file", "text"),
                  expect_flags("/a/b/folder", ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC),
                  expect_create_error("/a/b/folder", EROFS),
                  expect_text("/relative/file", "text"),
                  expect_flags("/relative/file", 0, ST_RDONLY | ST_NOSUID),
              });
            }),
            "");
}

TEST_F(Mounts, RecursiveOptionsReachSubmounts) {
  std::string data = bundle_ + "/data";
  make_path(data + "/sub");
  ASSERT_EQ(::mount("tmpfs", (data + "/sub").c_str(), "tmpfs", 0, nullptr), 0);
  add("/top", "bind", data, {"rbind", "ro"});
  add("/all", "bind", data, {"rbind", "rro", "rnosuid"});
  add("/single", "bind", data, {"bind", "rro"});
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_flags("/top", ST_RDONLY),
                  expect_flags("/top/sub", 0, ST_RDONLY),
                  expect_magic("/top/sub", TMPFS_MAGIC),
                  expect_flags("/all", ST_RDONLY | ST_NOSUID),
                  expect_flags("/all/sub", ST_RDONLY | ST_NOSUID),
                  expect_flags("/single", ST_RDONLY),
                  tags_of("/single/sub") == std::vector<std::string>{"missing"}
                      ? std::string()
                      : "/single took a submount along",
              });
            }),
            "");
}

TEST_F(Mounts, KeepsFlagsOfTheSourceUnlessCleared) {
  std::string data = bundle_ + "/data";
  make_path(data);
  ASSERT_EQ(::mount("tmpfs", data.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, data.c_str(), nullptr,
                    MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_RDONLY, nullptr),
            0);
  add("/kept", "bind", data, {"bind", "noexec"});
  add("/cleared", "bind", data, {"bind", "suid", "dev"});
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_flags("/kept", ST_NOSUID | ST_NODEV | ST_RDONLY | ST_NOEXEC),
                  expect_flags("/cleared", ST_RDONLY, ST_NOSUID | ST_NODEV),
              });
            }),
            "");
}

// In a user namespace the flags that the host set stay, against the configuration and against a
// container with CAP_SYS_ADMIN.
TEST_F(Mounts, UserNamespacesCannotClearTheHostsFlags) {
  std::string data = bundle_ + "/data";
  make_path(data);
  ASSERT_EQ(::mount("tmpfs", data.c_str(), "tmpfs", 0, "mode=777"), 0);
  ASSERT_EQ(::mount(nullptr, data.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_RDONLY,
                    nullptr),
            0);
  add("/volume", "bind", data, {"rbind", "rw", "suid", "noatime"});
  for (SwitchMode mode : {SwitchMode::kOnEmptyRoot, SwitchMode::kPivot}) {
    container_.options.mode = mode;
    in_userns();
    EXPECT_EQ(run_with([](Rootfs&) -> std::string {
                std::string text = expect_flags("/volume", ST_RDONLY | ST_NOSUID);
                if (!text.empty()) return text;
                auto folder = open_at(kCwd, "/volume", O_PATH | O_DIRECTORY);
                auto status = set_mount_attributes(*folder, 0, MOUNT_ATTR_RDONLY, 0, false);
                if (status) return "the container made the volume writable";
                return status.error().sys_errno() == EPERM ? "" : status.error().message();
              }),
              "");
  }
}

TEST_F(Mounts, Propagation) {
  std::string data = bundle_ + "/data";
  make_path(data);
  ASSERT_EQ(::mount("tmpfs", data.c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, data.c_str(), nullptr, MS_SHARED, nullptr), 0);
  add("/default", "bind", data, {"rbind"});
  add("/private", "bind", data, {"rbind", "rprivate"});
  add("/both", "bind", data, {"bind", "shared"});
  add("/tmp", "tmpfs", "tmpfs", {"shared"});
  add("/unbindable", "tmpfs", "tmpfs", {"unbindable"});
  EXPECT_EQ(run_with([](Rootfs&) -> std::string {
              auto count = [](const std::string& path) {
                return cat(path, "=", join(tags_of(path), ","));
              };
              if (!count("/default").starts_with("/default=master:")) return count("/default");
              if (count("/private") != "/private=") return count("/private");
              if (count("/both").find("shared:") == std::string::npos ||
                  count("/both").find("master:") == std::string::npos) {
                return count("/both");
              }
              if (!count("/tmp").starts_with("/tmp=shared:")) return count("/tmp");
              if (count("/unbindable") != "/unbindable=unbindable") return count("/unbindable");
              return {};
            }),
            "");
}

TEST_F(Mounts, RootPropagation) {
  auto tags = [](Rootfs&) { return join(tags_of("/"), ","); };
  container_.config.linux.rootfs_propagation = oci::Propagation::kShared;
  EXPECT_TRUE(run_with(tags).starts_with("shared:"));
  container_.config.linux.rootfs_propagation = oci::Propagation::kUnbindable;
  EXPECT_EQ(run_with(tags), "unbindable");
  container_.config.linux.rootfs_propagation = oci::Propagation::kPrivate;
  EXPECT_EQ(run_with(tags), "");
}

TEST_F(Mounts, TmpfsOptions) {
  make_path(rootfs_ + "/existing");
  ASSERT_EQ(::chmod((rootfs_ + "/existing").c_str(), 0711), 0);
  add("/existing", "tmpfs", "tmpfs");
  add("/new", "tmpfs", "tmpfs");
  add("/late", "tmpfs", "tmpfs", {"ro", "mode=700"});
  add("/late/inner", "tmpfs", "tmpfs", {"rro"});
  add("/links", "tmpfs", "tmpfs", {"nosymfollow"});
  EXPECT_EQ(run_with([](Rootfs&) -> std::string {
              if (::symlink("/marker", "/links/link") != 0) return "symlink";
              int fd = ::open("/links/link", O_RDONLY | O_CLOEXEC);
              if (fd >= 0 || errno != ELOOP) return "links are followed in /links";
              return first_of({
                  expect_mode("/existing", 0711),
                  expect_mode("/new", 01777),
                  expect_mode("/late", 0700),
                  expect_create_error("/late", EROFS),
                  expect_create_error("/late/inner", EROFS),
                  expect_create_error("/existing", 0),
              });
            }),
            "");
}

TEST_F(Mounts, TmpfsCopiesUp) {
  make_path(rootfs_ + "/etc/deep/er");
  write_text(rootfs_ + "/etc/deep/file", std::string(100000, 'x'));
  ASSERT_EQ(::chown((rootfs_ + "/etc/deep").c_str(), 7, 8), 0);
  ASSERT_EQ(::chmod((rootfs_ + "/etc/deep/file").c_str(), 04751), 0);
  ASSERT_EQ(::symlink("/outside", (rootfs_ + "/etc/link").c_str()), 0);
  add("/etc", "tmpfs", "tmpfs", {"tmpcopyup", "ro"});
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_magic("/etc", TMPFS_MAGIC),
                  expect_text("/etc/deep/file", std::string(100000, 'x')),
                  expect_mode("/etc/deep/file", 04751),
                  expect_owner("/etc/deep", 7, 8),
                  expect_link("/etc/link", "/outside"),
                  expect_mode("/etc/deep/er", 0755),
                  expect_create_error("/etc/deep", EROFS),
              });
            }),
            "");
}

TEST_F(Mounts, MappedIds) {
  if (!tmpfs_maps_ids()) GTEST_SKIP() << "this kernel maps no ids on tmpfs (since 6.3)";
  std::string data = bundle_ + "/data";
  make_path(data + "/sub");
  write_text(data + "/file", "text");
  ASSERT_EQ(::mount("tmpfs", (data + "/sub").c_str(), "tmpfs", 0, nullptr), 0);
  add("/inline", "bind", data, {"bind", "idmap=uids=0-1000-10;gids=0-2000-10"});
  oci::Mount own = mount_of("/own", "bind", data, {"rbind", "ridmap"});
  own.uid_mappings = own.gid_mappings = {{0, 3000, 10}};
  container_.config.mounts.push_back(own);
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_owner("/inline/file", 1000, 2000),
                  expect_owner("/own/file", 3000, 3000),
                  expect_owner("/own/sub", 3000, 3000),
              });
            }),
            "");
}

TEST_F(Mounts, MappedIdsOfTheContainer) {
  if (!tmpfs_maps_ids()) GTEST_SKIP() << "this kernel maps no ids on tmpfs (since 6.3)";
  make_path(bundle_ + "/data");
  write_text(bundle_ + "/data/file", "text");
  in_userns();
  container_.config.linux.namespaces.push_back({oci::NamespaceType::kUser, ""});
  container_.config.linux.uid_mappings = {{0, 100000, 65536}};
  container_.config.linux.gid_mappings = {{0, 100000, 65536}};
  add("/mapped", "bind", "data", {"bind", "idmap"});
  add("/plain", "bind", "data", {"bind"});
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_owner("/mapped/file", 0, 0),
                  expect_owner("/plain/file", 65534, 65534),
              });
            }),
            "");
}

TEST_F(Mounts, SymbolicLinksAsSourcesAndDestinations) {
  std::string data = bundle_ + "/data";
  make_path(data);
  write_text(data + "/real", "real");
  ASSERT_EQ(::symlink("real", (data + "/link").c_str()), 0);
  make_path(rootfs_ + "/covered");
  ASSERT_EQ(::symlink("covered", (rootfs_ + "/dest").c_str()), 0);
  add("/copied", "bind", data + "/link", {"bind", "copy-symlink"});
  add("/followed", "bind", data + "/link", {"bind"});
  add("/itself", "bind", data + "/link", {"bind", "src-nofollow"});
  add("/dest", "bind", data + "/real", {"bind", "dest-nofollow"});
  EXPECT_EQ(run_with([](Rootfs&) {
              return first_of({
                  expect_link("/copied", "real"),
                  expect_text("/followed", "real"),
                  expect_link("/itself", "real"),
                  expect_text("/dest", "real"),
                  expect_create_error("/covered", 0),
              });
            }),
            "");
}

TEST_F(Mounts, Remount) {
  add("/data", "tmpfs", "tmpfs", {"size=64k"});
  add("/data", "tmpfs", "tmpfs", {"remount", "size=128k", "nosuid"});
  add("/bound", "tmpfs", "tmpfs");
  add("/bound", "", "", {"bind", "remount", "ro"});
  EXPECT_EQ(
      run_with([](Rootfs&) -> std::string {
        struct statvfs info{};
        ::statvfs("/data", &info);
        if (info.f_blocks * info.f_frsize != 128 * 1024) return "the size is another";
        return first_of({expect_flags("/data", ST_NOSUID), expect_create_error("/bound", EROFS)});
      }),
      "");
  add("/notmounted", "tmpfs", "tmpfs", {"remount"});
  make_path(rootfs_ + "/notmounted");
  EXPECT_EQ(run_with(nullptr),
            "error: mount \"tmpfs\" on \"/notmounted\": not a mount point: invalid argument");
}

// Of a file system that is made for the container: the whole of it is nowhere to be seen. With
// names that fsconfig(2) takes, and with longer ones.
TEST_F(Mounts, PartsOfNewFileSystems) {
  // The folders are named by path, so the host's have to be in sight.
  container_.options.mode = SwitchMode::kPivot;
  for (std::size_t length : {1U, 200U}) {
    std::string lower = cat(bundle_, "/lower-", std::string(length, 'x'));
    make_path(lower + "/d/er");
    make_path(bundle_ + "/upper");
    write_text(lower + "/d/er/file", "part");
    ASSERT_EQ(::symlink("/d", (lower + "/link").c_str()), 0);
    std::string layers = cat("lowerdir=", bundle_, "/upper:", lower);
    container_.config.mounts.clear();
    add("/folder", "overlay", "overlay", {layers, "ro", "dhow.subpath=link/er"});
    add("/deep/file", "overlay", "overlay", {layers, "ro", "dhow.subpath=d/er/file"});
    EXPECT_EQ(
        run_with([](Rootfs&) -> std::string {
          std::string text = mountinfo();
          auto mounts = parse_mountinfo(text);
          if (!mounts) return "unreadable";
          auto is_part = [](const MountInfo& mount) {
            return mount.mount_point == "/folder" || mount.mount_point == "/deep/file";
          };
          if (std::ranges::count_if(*mounts, is_part) != 2) return text;
          return first_of({expect_text("/folder/file", "part"), expect_text("/deep/file", "part"),
                           expect_create_error("/folder", EROFS)});
        }),
        "");
    container_.config.mounts.clear();
    add("/folder", "overlay", "overlay", {layers, "ro", "dhow.subpath=none"});
    EXPECT_NE(run_with(nullptr).find("subpath \"none\""), std::string::npos);
  }
}

TEST_F(Mounts, LongOptionsGoThroughMount) {
  std::string layers = bundle_ + "/layers-" + std::string(200, 'x');
  std::string lower;
  for (int i = 0; i < 4; ++i) {
    std::string layer = cat(layers, "/", i);
    make_path(layer);
    write_text(cat(layer, "/file", i), cat(i));
    lower += cat(i == 0 ? "" : ":", layer);
  }
  make_path(bundle_ + "/upper");
  make_path(bundle_ + "/work");
  add("/merged", "overlay", "overlay",
      {"lowerdir=" + lower, "upperdir=" + bundle_ + "/upper", "workdir=" + bundle_ + "/work"});
  auto check = [](Rootfs&) {
    return first_of({expect_text("/merged/file0", "0"), expect_text("/merged/file3", "3")});
  };
  // The folders are named by path, so the host's have to be in sight.
  container_.options.mode = SwitchMode::kPivot;
  EXPECT_EQ(run_with(check), "");
}

TEST_F(Mounts, UnknownFileSystemsAndOptionsAreErrors) {
  add("/x", "nosuchfs", "none");
  EXPECT_EQ(run_with(nullptr),
            "error: mount \"none\" on \"/x\": open file system type \"nosuchfs\": no such device");
  container_.config.mounts.pop_back();
  add("/x", "tmpfs", "tmpfs", {"nosuchoption=1"});
  EXPECT_NE(run_with(nullptr).find("nosuchoption"), std::string::npos);
  container_.config.mounts.pop_back();
  add("/x", "tmpfs", "tmpfs", {"size=1k,suid"});  // never an option of the mount itself
  EXPECT_NE(run_with(nullptr).find("\"suid\""), std::string::npos);
  container_.config.mounts.pop_back();
  add("/x", "bind", "/nonexistent/source", {"bind"});
  EXPECT_NE(run_with(nullptr).find("no such file or directory"), std::string::npos);
}

TEST_F(Mounts, OnTheRootItself) {
  make_path(bundle_ + "/other/proc");
  write_text(bundle_ + "/other/marker", "other");
  container_.config.mounts.insert(container_.config.mounts.begin(),
                                  mount_of("/", "bind", "other", {"bind"}));
  for (SwitchMode mode : {SwitchMode::kOnEmptyRoot, SwitchMode::kPivot, SwitchMode::kMove}) {
    container_.options.mode = mode;
    EXPECT_EQ(run_with([](Rootfs&) {
                return first_of(
                    {expect_text("/marker", "other"), expect_magic("/proc", PROC_SUPER_MAGIC)});
              }),
              "");
  }
}

TEST_F(Mounts, WithoutMountSetattr) {
  make_path(bundle_ + "/data");
  add("/data", "bind", "data", {"rbind", "ro", "nosuid", "rprivate"});
  add("/tmpfs", "tmpfs", "tmpfs", {"ro", "shared"});
  container_.config.root->readonly = true;
  container_.config.linux.readonly_paths = {"/proc/sys"};
  container_.config.linux.masked_paths = {"/proc/stat", "/sys/firmware"};
  container_.options.mode = SwitchMode::kPivot;
  set_mount_setattr_enabled(false);
  std::string text = run_with([](Rootfs&) {
    return first_of({
        expect_flags("/data", ST_RDONLY | ST_NOSUID),
        expect_create_error("/tmpfs", EROFS),
        expect_create_error("/", EROFS),
        expect_flags("/proc/sys", ST_RDONLY),
        expect_device("/proc/stat", 'c', 1, 3),
        join(tags_of("/data"), ","),
    });
  });
  set_mount_setattr_enabled(true);
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace dhow::rootfs
