// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "engine/storage_driver.h"
#include "metadata/testing.h"
#include "sys/testing/forked.h"

namespace dhow::engine {
namespace {

using ::testing::HasSubstr;

class StorageDriverTest : public metadata::DatabaseFixture {
 protected:
  std::string open(const std::string& driver, const std::string& root) {
    auto opened = open_snapshots(root, driver, *database_);
    return opened ? std::string((*opened)->name()) : opened.error().message();
  }
};

TEST_F(StorageDriverTest, StaysWhatItWas) {
  std::string copies = folder_ + "/copies";
  std::filesystem::create_directory(copies);
  EXPECT_EQ(open("vfs", copies), "native");
  EXPECT_EQ(open("", copies), "native");
  EXPECT_THAT(open("overlay2", copies), HasSubstr(copies + " has been used with vfs"));
  std::string layers = folder_ + "/layers";
  std::filesystem::create_directory(layers);
  EXPECT_EQ(open("overlay2", layers), "overlayfs");
  EXPECT_EQ(open("", layers), "overlayfs");
  EXPECT_THAT(open("native", layers), HasSubstr("has been used with overlay2"));
}

// What overlayfs shows can't be what another one writes to, as in containers.
TEST_F(StorageDriverTest, IsWhatWorks) {
  for (const char* name : {"lower", "upper", "work", "merged"}) {
    std::filesystem::create_directory(cat(folder_, "/", name));
  }
  std::string found = ::dhow::testing::in_child([&]() -> std::string {
    std::string options =
        cat("lowerdir=", folder_, "/lower,upperdir=", folder_, "/upper,workdir=", folder_, "/work");
    std::string merged = folder_ + "/merged";
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) {
      return "no overlay";
    }
    std::string on_overlay = open("", merged);
    if (std::filesystem::exists(merged + "/.overlay-trial")) return "the trial is left";
    return on_overlay;
  });
  if (found == "no overlay") GTEST_SKIP() << "overlayfs can't be mounted here";
  EXPECT_EQ(found, "native");
}

}  // namespace
}  // namespace dhow::engine
