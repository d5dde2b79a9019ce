// SPDX-License-Identifier: Apache-2.0
#include "engine/id_remap.h"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/file_io.h"
#include "sys/testing/temp_dir.h"

namespace dhow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class IdRemapTest : public testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "an engine without root has no userns-remap";
    put("passwd",
        "root:x:0:0::/root:/bin/sh\nboat:x:1000:1000::/:/bin/sh\ndockremap:x:99:98::/:\n");
    put("group", "root:x:0:\nboat:x:1000:\ncrew:x:1001:boat\ndockremap:x:98:\n");
    put("subuid", "boat:100000:65536\nboat:300000:10\ndockremap:500000:65536\n");
    put("subgid", "crew:700000:1000\nboat:200000:1000\ndockremap:600000:65536\n");
  }
  void put(const char* name, std::string_view text) {
    Fd folder = open_at(kCwd, path_, O_RDONLY | O_DIRECTORY).value();
    ASSERT_TRUE(replace_file(folder, name, text, 0600).has_value());
  }
  Result<std::optional<IdRemap>> resolve(const std::string& setting) {
    return resolve_remap(setting, {at("passwd"), at("group"), at("subuid"), at("subgid")});
  }
  std::string fault(const std::string& setting) {
    auto resolved = resolve(setting);
    if (resolved) return "none";
    EXPECT_EQ(resolved.error().code(), Code::kInvalidArgument);
    return resolved.error().message();
  }
};

TEST_F(IdRemapTest, NoneIsNone) { EXPECT_EQ(resolve("").value().has_value(), false); }

TEST_F(IdRemapTest, AllRangesOfTheUser) {
  for (const char* setting : {"boat:crew", "1000:1001", "boat:1001"}) {
    IdRemap remap = *resolve(setting).value();
    EXPECT_THAT(remap.uids,
                ElementsAre(oci::IdMapping{0, 100000, 65536}, oci::IdMapping{65536, 300000, 10}));
    EXPECT_THAT(remap.gids, ElementsAre(oci::IdMapping{0, 200000, 1000}));
    EXPECT_EQ(remap.root_uid(), 100000U);
    EXPECT_EQ(remap.root_gid(), 200000U);
    EXPECT_THAT(remap.mount_options(),
                ElementsAre("uidmap=0:100000:65536,65536:300000:10", "gidmap=0:200000:1000"));
  }
}

TEST_F(IdRemapTest, TheUserAloneWillDo) {
  EXPECT_EQ(resolve("boat").value()->root_gid(), 200000U);
  EXPECT_EQ(resolve("default").value()->root_uid(), 500000U);
  EXPECT_EQ(resolve("default").value()->root_gid(), 600000U);
}

TEST_F(IdRemapTest, FaultsNameWhatIsMissing) {
  EXPECT_THAT(fault("ghost"), HasSubstr("userns-remap: user \"ghost\" is not in"));
  EXPECT_THAT(fault("boat:ghost"), HasSubstr("group \"ghost\" is not in"));
  EXPECT_THAT(fault(":"), HasSubstr("is not \"default\", USER or USER:GROUP"));
  EXPECT_THAT(fault("root:boat"), HasSubstr("\"root\" has no line in"));
  put("subgid", "");
  EXPECT_THAT(fault("boat"), HasSubstr("usermod --add-subgids"));
  put("subuid", "boat:4294967290:10\n");
  EXPECT_THAT(fault("boat"), HasSubstr("end beyond 2^32 - 1"));
}

}  // namespace
}  // namespace dhow::engine
