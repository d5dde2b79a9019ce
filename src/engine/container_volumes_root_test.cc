// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/testing/containers_fixture.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ContainerVolumesTest : public ContainersTest {
 protected:
  std::vector<std::string> volume_names() {
    std::vector<std::string> names;
    auto volumes = volumes_->list({}, false);
    EXPECT_TRUE(volumes.has_value());
    if (!volumes) return names;
    for (const VolumeInfo& volume : *volumes) names.push_back(volume.record.name);
    return names;
  }
  std::string folder_of(const std::string& volume) {
    return cat(options_.root, "/volumes/", volume, "/_data");
  }
};

// As a container was before its volumes had rows: named after where they are, in its folder.
TEST_F(ContainerVolumesTest, OfFormerContainersAreTakenIn) {
  std::string id = create(R"({"Image": "busybox", "Cmd": ["true"], "Volumes": {"/data": {}},
      "HostConfig": {"Binds": ["/tmp:/bound:ro"]}})");
  std::string old(digest_of(cat(id, "/data")).hex());
  std::string place = cat(options_.root, "/containers/", id, "/volumes/", old);
  containers_.reset();
  run({"UPDATE container SET facts = json_remove(facts, '$.mounts')", "DELETE FROM volume_use",
       "DELETE FROM volume"});
  fs::create_directories(place);
  std::ofstream(place + "/file") << "kept";
  for (int i = 0; i < 2; ++i) {
    open();
    EXPECT_THAT(volume_names(), ElementsAre(old));
    EXPECT_EQ(read_file(folder_of(old) + "/file").value_or(""), "kept");
    EXPECT_FALSE(fs::exists(place));
  }
  std::vector<MountPoint> mounts = containers_->inspect(id)->mounts;
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[1].name, old);
  EXPECT_EQ(mounts[0].source, "/tmp");
  EXPECT_FALSE(mounts[0].writable);
  auto removed = volumes_->remove(old, false);
  ASSERT_FALSE(removed.has_value());
  EXPECT_EQ(removed.error().code(), Code::kFailedPrecondition);
  ASSERT_TRUE(containers_->remove(id, {.force = false, .volumes = true}));
  EXPECT_THAT(volume_names(), IsEmpty());
}

TEST_F(ContainerVolumesTest, OfACreateOrARemovalThatDiedGo) {
  volume::Record wanted;
  wanted.owner = "gone";
  ASSERT_TRUE(volumes_->create(wanted).has_value());
  std::string id = create(R"({"Image": "busybox", "Cmd": ["true"], "Volumes": {"/data": {}}})");
  EXPECT_EQ(volume_names().size(), 2U);
  open();
  ASSERT_EQ(volume_names().size(), 1U);
  std::string kept = volume_names().front();
  EXPECT_EQ(containers_->inspect(id)->mounts.front().name, kept);
  // The row has gone, and its volumes were to go with it.
  containers_.reset();
  run({"DELETE FROM container"});
  open();
  EXPECT_THAT(volume_names(), IsEmpty());
  EXPECT_FALSE(fs::exists(folder_of(kept)));
}

}  // namespace
}  // namespace dhow::engine
