// SPDX-License-Identifier: Apache-2.0
// What our command line has on storage that docker's has not.
#include <filesystem>

#include "base/strings.h"
#include "cli/client_fixture.h"
#include "sys/file_io.h"

namespace dhow::cli_test {
namespace {

using ::testing::HasSubstr;

class OwnVerbsTest : public ClientTest {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
};

TEST_P(OwnVerbsTest, VolumesGoOutInAndAcross) {
  run({"--rm", "-v", "data:/d", "busybox", "sh", "-c",
       "mkdir /d/deep && echo one > /d/deep/file && chown 7:8 /d/deep"});
  auto look = [&](const char* volume) {
    return run({"--rm", "-v", cat(volume, ":/d"), "busybox", "sh", "-c",
                "cat /d/deep/file; stat -c %u:%g /d/deep"})
        .output;
  };
  output({"volume", "export", "-o", path("data.tar"), "data"});
  output({"volume", "import", "back", path("data.tar")});
  EXPECT_EQ(look("back"), "one\n7:8\n");
  std::string archive = read_file(path("data.tar")).value();
  output({"volume", "import", "again"}, archive);
  EXPECT_EQ(look("again"), "one\n7:8\n");
  output({"volume", "cp", "data", "copy"});
  EXPECT_EQ(look("copy"), "one\n7:8\n");
  SpawnOutput none = call({"volume", "cp", "none", "copy"});
  EXPECT_NE(none.exit_code, 0);
  EXPECT_THAT(none.error_text, HasSubstr("get none: no such volume"));
  SpawnOutput broken = call({"volume", "import", "copy"}, "no archive");
  EXPECT_NE(broken.exit_code, 0);
  EXPECT_EQ(look("copy"), "one\n7:8\n");
}

TEST_P(OwnVerbsTest, MountsMapOwners) {
  std::filesystem::create_directory(folder_ / "owned");
  write("owned/file", "x");
  EXPECT_EQ(output({"run", "--rm", "--network", "none", "--mount",
                    cat("type=bind,source=", path("owned"),
                        ",target=/x,idmap=uids=0-1000-10;gids=0-2000-10"),
                    "busybox", "stat", "-c", "%u:%g", "/x/file"}),
            "1000:2000");
}

TEST_P(OwnVerbsTest, FoldersOfLayoutsAreLoaded) {
  std::string id = output({"images", "-q", "--no-trunc"});
  output({"save", "-o", path("image.tar"), "busybox"});
  std::filesystem::create_directory(folder_ / "layout");
  ASSERT_EQ(std::system(cat("tar -C ", path("layout"), " -xf ", path("image.tar")).c_str()), 0);
  output({"rmi", "busybox"});
  EXPECT_EQ(output({"load", "-i", path("layout")}), "Loaded image: busybox:latest");
  EXPECT_EQ(output({"images", "-q", "--no-trunc"}), id);
  std::filesystem::remove(folder_ / "layout/oci-layout");
  std::filesystem::remove(folder_ / "layout/manifest.json");
  EXPECT_NE(call({"load", "-i", path("layout")}).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Clients, OwnVerbsTest, ::testing::Values("dhow"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace dhow::cli_test
