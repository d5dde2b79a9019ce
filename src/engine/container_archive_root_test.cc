// SPDX-License-Identifier: Apache-2.0
// Copying into and out of containers that don't run, as hostile as their users may be.
#include <fcntl.h>
#include <stdio.h>

#include <fstream>
#include <thread>

#include "base/strings.h"
#include "engine/testing/containers_fixture.h"
#include "sys/file_io.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using unpack::TarBuilder;

class ContainerArchiveTest : public ContainersTest {
 protected:
  // The fault's text; "": none.
  std::string put(const std::string& id, const std::string& folder, std::string archive,
                  const ArchivePutOptions& options = {}) {
    unpack::TextSource source(std::move(archive));
    auto status = containers_->put_archive(id, folder, source, options);
    return status ? std::string() : status.error().message();
  }
  // The archive; "": there is none.
  std::string get(const std::string& id, const std::string& path) {
    unpack::TextSink sink;
    auto status = containers_->get_archive(id, path, sink, {});
    return status ? sink.text : std::string();
  }
  static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
      names.push_back(entry.path().filename());
    return names;
  }
};

// What an archive, or a container's own links, say of other places stays below its root.
TEST_F(ContainerArchiveTest, NeverCopyOutsideTheirRoots) {
  std::string secret = options_.root + "/secret";
  fs::create_directory(secret);
  std::ofstream(secret + "/file") << "hidden!";
  std::string up = "/../../../../../../../.." + secret;
  std::string id = create(R"({"Image": "busybox", "HostConfig": {"Binds": [")" + options_.root +
                          R"(/bound:/link/deep"]}})");
  EXPECT_EQ(put(id, "/", TarBuilder().link("abs", secret).link("up", up).finish()), "");
  for (const char* link : {"/abs", "/up"}) {
    EXPECT_FALSE(containers_->stat_path(id, cat(link, "/file")).has_value());
    EXPECT_EQ(get(id, cat(link, "/file")), "");
    EXPECT_NE(put(id, link, TarBuilder().file("new", "x").finish()), "");
  }
  // Through a link that the archive brings itself.
  EXPECT_NE(put(id, "/", TarBuilder().link("own", secret).file("own/new", "x").finish()), "");
  EXPECT_NE(put(id, "/", TarBuilder().file("../../new", "x").finish()), "");
  EXPECT_EQ(put(id, "/abs/..", TarBuilder().file("new", "x").finish()), "");
  EXPECT_THAT(names_in(secret), ElementsAre("file"));
}

TEST_F(ContainerArchiveTest, NeverCopyOutsideTheirRootsWhileLinksAreSwapped) {
  std::string secret = options_.root + "/secret";
  fs::create_directory(secret);
  std::ofstream(secret + "/file") << "hidden!";
  std::string tree = options_.root + "/bound";
  fs::create_directories(tree + "/a/b");
  std::ofstream(tree + "/a/b/file") << "plain";
  fs::create_directory_symlink(secret, tree + "/a/other");
  std::string id =
      create(R"({"Image": "busybox", "HostConfig": {"Binds": [")" + tree + R"(:/bound"]}})");
  std::jthread swapper([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ::renameat2(AT_FDCWD, (tree + "/a/b").c_str(), AT_FDCWD, (tree + "/a/other").c_str(),
                  RENAME_EXCHANGE);
    }
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(get(id, "/bound/a/b/file"), ::testing::Not(HasSubstr("hidden!")));
    EXPECT_THAT(get(id, "/bound/a/"), ::testing::Not(HasSubstr("hidden!")));
    static_cast<void>(put(id, "/bound/a/b", TarBuilder().file("new", "x").finish()));
    static_cast<void>(put(id, "/bound", TarBuilder().file("a/b/new", "x").finish()));
  }
  swapper.request_stop();
  swapper.join();
  EXPECT_THAT(names_in(secret), ElementsAre("file"));
  EXPECT_EQ(read_file(secret + "/file").value(), "hidden!");
}

TEST_F(ContainerArchiveTest, TakeArchivesAsTheyAre) {
  std::string id = create(R"({"Image": "busybox", "User": "7:8"})");
  EXPECT_EQ(put(id, "/tmp", TarBuilder().file("kept", "x").folder("folder").finish()), "");
  // No layer: nothing is hidden.
  EXPECT_EQ(put(id, "/tmp", TarBuilder().file(".wh.kept", "y").file(".wh..wh..opq").finish()), "");
  EXPECT_THAT(get(id, "/tmp/.wh.kept"), HasSubstr("y"));
  EXPECT_TRUE(containers_->stat_path(id, "/tmp/kept").has_value());
  std::string over = TarBuilder().file("folder", "x").finish();
  ArchivePutOptions keep{.no_overwrite_dir_non_dir = true};
  EXPECT_THAT(put(id, "/tmp", over, keep), HasSubstr("cannot overwrite directory"));
  EXPECT_THAT(put(id, "/tmp", TarBuilder().folder("kept").finish(), keep),
              HasSubstr("cannot overwrite non-directory"));
  EXPECT_EQ(put(id, "/tmp", over), "");
}

}  // namespace
}  // namespace dhow::engine
