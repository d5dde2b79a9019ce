// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/rootfs/rootfs.h"

namespace dhow::rootfs {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

MountOptions parse(const std::vector<std::string>& options) {
  auto parsed = parse_mount_options(options);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message());
  return parsed ? *parsed : MountOptions();
}

TEST(MountOptions, LaterOptionsWin) {
  EXPECT_EQ(parse({"ro", "rw"}).attributes, (AttributeChange{0, MOUNT_ATTR_RDONLY}));
  EXPECT_EQ(parse({"rw", "ro"}).attributes, (AttributeChange{MOUNT_ATTR_RDONLY, 0}));
  EXPECT_EQ(parse({"nosuid", "nodev", "dev"}).attributes,
            (AttributeChange{MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV}));
}

TEST(MountOptions, AccessTimeIsOneValue) {
  EXPECT_EQ(parse({"noatime", "strictatime"}).attributes,
            (AttributeChange{MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME}));
  EXPECT_EQ(parse({"strictatime", "relatime"}).attributes, (AttributeChange{0, MOUNT_ATTR__ATIME}));
  EXPECT_EQ(parse({"noatime", "nodiratime"}).attributes,
            (AttributeChange{MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME, MOUNT_ATTR__ATIME}));
}

TEST(MountOptions, RecursiveOnesAreApart) {
  MountOptions options = parse({"ro", "rnosuid", "rrw", "rnoatime"});
  EXPECT_EQ(options.attributes, (AttributeChange{MOUNT_ATTR_RDONLY, 0}));
  EXPECT_EQ(options.recursive_attributes, (AttributeChange{MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME,
                                                           MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME}));
  EXPECT_TRUE(options.read_only());
  EXPECT_TRUE(parse({"rro"}).read_only());
  EXPECT_FALSE(parse({"rro", "rrw"}).read_only());
}

TEST(MountOptions, Propagation) {
  EXPECT_THAT(parse({"rslave", "shared"}).propagation, ElementsAre(MS_SLAVE | MS_REC, MS_SHARED));
}

TEST(MountOptions, Flags) {
  MountOptions options = parse({"rbind", "tmpcopyup", "copy-symlink", "src-nofollow",
                                "dest-nofollow", "remount", "sync", "lazytime"});
  EXPECT_TRUE(options.bind && options.recursive_bind && options.copy_up && options.copy_symlink);
  EXPECT_TRUE(options.source_nofollow && options.destination_nofollow && options.remount);
  EXPECT_THAT(options.superblock, ElementsAre("sync", "lazytime"));
  EXPECT_FALSE(parse({"bind"}).recursive_bind);
}

TEST(MountOptions, UnknownOnesBelongToTheFileSystem) {
  MountOptions options = parse({"mode=755", "size=64k", "newinstance", "", "defaults"});
  EXPECT_THAT(options.data, ElementsAre(FsOption{"mode", "755"}, FsOption{"size", "64k"},
                                        FsOption{"newinstance", std::nullopt}));
  EXPECT_TRUE(options.attributes.empty());
}

TEST(MountOptions, CommasSeparateWhatIsForTheFileSystemAndNothingElse) {
  MountOptions options = parse({"size=1k,ro", "x,suid,", ","});
  EXPECT_THAT(options.data,
              ElementsAre(FsOption{"size", "1k"}, FsOption{"ro", std::nullopt},
                          FsOption{"x", std::nullopt}, FsOption{"suid", std::nullopt}));
  EXPECT_TRUE(options.attributes.empty());
  options = parse({R"(lowerdir=/a\,b:/c)", R"(context="u:r:t:s0:c1,c2",mode=1)"});
  EXPECT_THAT(options.data,
              ElementsAre(FsOption{"lowerdir", R"(/a\,b:/c)"},
                          FsOption{"context", R"("u:r:t:s0:c1,c2")"}, FsOption{"mode", "1"}));
  EXPECT_THAT(parse({"upperdir=/a=b"}).data, ElementsAre(FsOption{"upperdir", "/a=b"}));
}

TEST(MountOptions, Idmap) {
  EXPECT_EQ(parse({"idmap"}).idmap, IdmapMode::kSingle);
  EXPECT_EQ(parse({"ridmap"}).idmap, IdmapMode::kRecursive);
  MountOptions options = parse({"idmap=uids=0-1-10#@10-11-10;gids=0-100-10"});
  EXPECT_EQ(options.idmap, IdmapMode::kSingle);
  EXPECT_THAT(options.inline_uids,
              ElementsAre(InlineMapping{0, 1, 10, false}, InlineMapping{10, 11, 10, true}));
  EXPECT_THAT(options.inline_gids, ElementsAre(InlineMapping{0, 100, 10, false}));
}

TEST(MountOptions, MalformedOnesAreRefused) {
  for (const std::string& option :
       {std::string("idmap="), std::string("idmap=uids=1-2"), std::string("idmap=uids=1-2-0"),
        std::string("idmap=uids=1-2--3"), std::string("idmap=uids=99999999999-1-1"),
        std::string("idmap=users=1-2-3"), std::string("=x"), std::string("a\0b", 3)}) {
    auto parsed = parse_mount_options({option});
    ASSERT_FALSE(parsed) << option;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(parsed.error().message(), HasSubstr("mount option"));
  }
}

TEST(MountOptions, TakesAPartOfTheSource) {
  MountOptions options = parse({"rbind", "dhow.subpath=a,b/c"});
  EXPECT_EQ(options.source_subpath, "a,b/c");
  EXPECT_THAT(options.data, IsEmpty());
}

TEST(MountOptions, KnownNamesCoverTheSpecification) {
  std::vector<std::string> names = known_mount_options();
  EXPECT_TRUE(std::ranges::is_sorted(names));
  for (const char* name :
       {"async",        "atime",       "bind",        "defaults",       "dev",
        "diratime",     "dirsync",     "exec",        "iversion",       "lazytime",
        "loud",         "noatime",     "nodev",       "nodiratime",     "noexec",
        "noiversion",   "nolazytime",  "norelatime",  "nostrictatime",  "nosuid",
        "nosymfollow",  "private",     "ratime",      "rbind",          "rdev",
        "rdiratime",    "relatime",    "remount",     "rexec",          "rnoatime",
        "rnodiratime",  "rnoexec",     "rnorelatime", "rnostrictatime", "rnosuid",
        "rnosymfollow", "ro",          "rprivate",    "rrelatime",      "rro",
        "rrw",          "rshared",     "rslave",      "rstrictatime",   "rsuid",
        "rsymfollow",   "runbindable", "rw",          "shared",         "silent",
        "slave",        "strictatime", "suid",        "symfollow",      "sync",
        "tmpcopyup",    "unbindable",  "idmap",       "ridmap",         "mand",
        "nomand"}) {
    EXPECT_THAT(names, Contains(name));
    EXPECT_THAT(parse({name}).data, IsEmpty()) << name;
  }
}

}  // namespace
}  // namespace dhow::rootfs
