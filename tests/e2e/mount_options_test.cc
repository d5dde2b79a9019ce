// SPDX-License-Identifier: Apache-2.0
// Mount options one by one, recursive ones, and mapped ids.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

// Before " - " the options of the mount, after it those of the file system.
struct Option {
  const char* options;
  const char* shows;      // "" for nothing
  const char* shows_not;  // "" for nothing
};

void PrintTo(const Option& option, std::ostream* out) { *out << option.options; }

class MountOption : public testing::TestWithParam<Option> {};

TEST_P(MountOption, IsInTheMountTable) {
  Bundle bundle;
  bundle.add_mount("/mnt", "tmpfs", "tmpfs", GetParam().options);
  bundle.set_script("grep ' /mnt ' /proc/self/mountinfo | tr ' \\n' ',,'");
  Container container(bundle);
  Outcome outcome = container.run();
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  if (*GetParam().shows != '\0') {
    EXPECT_THAT(outcome.out, HasSubstr("," + std::string(GetParam().shows) + ","));
  }
  if (*GetParam().shows_not != '\0') {
    EXPECT_THAT(outcome.out, Not(HasSubstr("," + std::string(GetParam().shows_not) + ",")));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Config, MountOption,
    testing::Values(
        Option{"ro", "ro", ""}, Option{"ro,rw", "rw", "ro"}, Option{"nosuid", "nosuid", ""},
        Option{"nosuid,suid", "", "nosuid"}, Option{"nodev", "nodev", ""},
        Option{"nodev,dev", "", "nodev"}, Option{"noexec", "noexec", ""},
        Option{"noexec,exec", "", "noexec"}, Option{"noatime", "noatime", "relatime"},
        Option{"noatime,atime", "", "noatime"}, Option{"nodiratime", "nodiratime", ""},
        Option{"nodiratime,diratime", "", "nodiratime"}, Option{"relatime", "relatime", ""},
        Option{"norelatime", "", "noatime"}, Option{"strictatime", "", "relatime"},
        Option{"nostrictatime", "relatime", ""}, Option{"nosymfollow", "nosymfollow", ""},
        Option{"nosymfollow,symfollow", "", "nosymfollow"}, Option{"sync", "sync", ""},
        Option{"async", "", "sync"}, Option{"dirsync", "dirsync", ""},
        Option{"lazytime", "lazytime", ""}, Option{"lazytime,nolazytime", "", "lazytime"},
        Option{"silent", "rw", ""}, Option{"loud", "rw", ""}, Option{"mand", "rw", ""},
        Option{"nomand", "rw", ""}, Option{"defaults", "rw", ""}, Option{"noiversion", "rw", ""},
        Option{"iversion", "rw", ""}),
    [](const testing::TestParamInfo<Option>& option) {
      std::string name = option.param.options;
      std::replace(name.begin(), name.end(), ',', '_');
      return name;
    });

// A folder of the host with a file system mounted below it.
class RecursiveOption : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(host_.path() + "/nested");
    ASSERT_EQ(::mount("tmpfs", host_.path().c_str(), "tmpfs", 0, nullptr), 0);
    mounted_ = true;
    std::filesystem::create_directory(host_.path() + "/nested");
    ASSERT_EQ(::mount("tmpfs", (host_.path() + "/nested").c_str(), "tmpfs", 0, nullptr), 0);
  }
  void TearDown() override {
    if (mounted_) ::umount2(host_.path().c_str(), MNT_DETACH);
  }
  std::string nested_options(const std::string& options) {
    Bundle bundle;
    bundle.add_mount("/mnt", "bind", host_.path(), options);
    bundle.set_script("awk '$5 == \"/mnt/nested\" {print \",\" $6 \",\"}' /proc/self/mountinfo");
    Container container(bundle);
    Outcome outcome = container.run();
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  }
  TempDir host_;
  bool mounted_ = false;
};

TEST_P(RecursiveOption, ReachesWhatIsMountedBelow) {
  std::string plain = GetParam();
  EXPECT_THAT(nested_options("rbind,r" + plain), HasSubstr("," + plain + ","));
  EXPECT_THAT(nested_options("rbind," + plain), Not(HasSubstr("," + plain + ",")));
  EXPECT_THAT(nested_options("bind,r" + plain), testing::StrEq("")) << "not bound at all";
}

INSTANTIATE_TEST_SUITE_P(Config, RecursiveOption,
                         testing::Values("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime",
                                         "nosymfollow"));

class MappedIds : public testing::Test {
 protected:
  void SetUp() override {
    struct utsname name{};
    ::uname(&name);
    write_text(host_.path() + "/file", "x");
    ASSERT_EQ(::chown((host_.path() + "/file").c_str(), 5, 6), 0);
    bundle_.set_args({"/bin/stat", "-c", "%u:%g", "/mnt/file"});
  }
  // The owner as the container sees it, or the error.
  std::string owner(const std::string& options, bool mappings) {
    bundle_.remove_mount("/mnt");
    bundle_.add_mount("/mnt", "bind", host_.path(), options);
    if (mappings) {
      json::object& mount = bundle_.config()["mounts"].as_array().back().as_object();
      mount["uidMappings"] =
          json::array{json::object{{"containerID", 0}, {"hostID", 1000}, {"size", 100}}};
      mount["gidMappings"] =
          json::array{json::object{{"containerID", 0}, {"hostID", 2000}, {"size", 100}}};
    }
    Container container(bundle_);
    Outcome outcome = container.run();
    return outcome.code == 0 ? outcome.out : outcome.err;
  }
  static bool lacks_support(const std::string& answer) {
    return answer.find("invalid argument") != std::string::npos;
  }
  TempDir host_;
  Bundle bundle_;
};

TEST_F(MappedIds, OfTheMountItself) {
  std::string answer = owner("bind,idmap", true);
  DHOW_NEEDS(!lacks_support(answer), "the file system has no mapped mounts: " << answer);
  EXPECT_EQ(answer, "1005:2006\n");
  EXPECT_EQ(owner("rbind,ridmap", true), "1005:2006\n");
  EXPECT_EQ(owner("bind", true), "1005:2006\n") << "mappings alone ask for it too";
}

TEST_F(MappedIds, InlineAsCrunWritesThem) {
  std::string answer = owner("bind,idmap=uids=0-3000-100;gids=0-4000-50#50-5000-50", false);
  DHOW_NEEDS(!lacks_support(answer), "the file system has no mapped mounts: " << answer);
  EXPECT_EQ(answer, "3005:4006\n");
}

TEST_F(MappedIds, OfTheContainersUserNamespace) {
  bundle_.use_user_namespace(100000);
  EXPECT_EQ(owner("bind", false), "65534:65534\n") << "unmapped ids of the host";
  std::string answer = owner("bind,idmap", false);
  DHOW_NEEDS(!lacks_support(answer), "the file system has no mapped mounts: " << answer);
  EXPECT_EQ(answer, "5:6\n");
}

TEST_F(MappedIds, MissingOrBrokenMappingsAreErrors) {
  EXPECT_THAT(owner("bind,idmap", false), HasSubstr("need a user namespace"));
  EXPECT_THAT(owner("bind,idmap=uids=1-2", false), HasSubstr("mount option"));
}

}  // namespace
}  // namespace dhow::e2e
