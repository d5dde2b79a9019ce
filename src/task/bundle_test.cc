// SPDX-License-Identifier: Apache-2.0
#include "task/bundle.h"

#include <sys/stat.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/bootstrap.h"
#include "sys/file_io.h"
#include "sys/testing/temp_dir.h"

namespace dhow::task {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BundleTest : public testing::TempDirTest {};

TEST(TaskKey, IsANameOfAFolder) {
  EXPECT_TRUE(check_key({"default", std::string(76, 'a')}));
  EXPECT_TRUE(check_key({"k8s.io", "a_b-c.D9"}));
  for (std::string bad : {"", ".", "..", ".a", "a.", "-a", "a/b", "a b", "\xc3\xa4"}) {
    EXPECT_EQ(check_key({"default", bad}).error().code(), Code::kInvalidArgument) << bad;
    EXPECT_EQ(check_key({bad, "a"}).error().code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(check_key({"default", std::string(77, 'a')}));
}

TEST_F(BundleTest, ComesAndGoes) {
  auto bundles = Bundles::open(path_).value();
  Key key{"default", "a"};
  ASSERT_TRUE(bundles.make(key).has_value());
  EXPECT_EQ(bundles.path(key), at("tasks/default/a"));
  EXPECT_TRUE(std::filesystem::is_directory(at("tasks/default/a/rootfs")));
  EXPECT_EQ(bundles.make(key).error().code(), Code::kAlreadyExists);
  ASSERT_TRUE(bundles.make({"other", "b"}).has_value());
  EXPECT_THAT(bundles.list().value(), ElementsAre(key, Key{"other", "b"}));
  ASSERT_TRUE(bundles.remove(key).has_value());
  EXPECT_THAT(bundles.list().value(), ElementsAre(Key{"other", "b"}));
  EXPECT_TRUE(bundles.remove(key).has_value());
  EXPECT_TRUE(bundles.remove({"never", "b"}).has_value());
  EXPECT_EQ(bundles.find(key).error().code(), Code::kNotFound);
}

TEST_F(BundleTest, ListingEndsWhatARemovalHasBegun) {
  auto bundles = Bundles::open(path_).value();
  ASSERT_TRUE(bundles.make({"default", "a"}).has_value());
  std::filesystem::rename(at("tasks/default/a"), at("tasks/default/.a.0123"));
  EXPECT_TRUE(bundles.list()->empty());
  EXPECT_FALSE(std::filesystem::exists(at("tasks/default/.a.0123")));
}

TEST(Bootstrap, IsReadInEachForm) {
  rpc::bootstrap::BootstrapResult result{3, "unix:///run/s", "ttrpc", {}, {}};
  for (std::string text :
       {rpc::encode(result),
        std::string(R"({"version":3,"address":"unix:///run/s","protocol":"ttrpc"})"),
        std::string("unix:///run/s\n")}) {
    auto read = parse_start_output(text);
    ASSERT_TRUE(read.has_value()) << read.error().message();
    EXPECT_EQ(read->address, "unix:///run/s");
    EXPECT_EQ(read->protocol, "ttrpc");
    EXPECT_EQ(read->version, text.starts_with("unix") ? 2 : 3);
  }
}

TEST(Bootstrap, IsRefusedWhenItIsNotUnderstood) {
  auto refused = [](std::string_view text) {
    auto read = parse_start_output(text);
    return read ? std::string("accepted") : read.error().message();
  };
  EXPECT_THAT(refused(R"({"version":4,"address":"unix:///s","protocol":"ttrpc"})"),
              HasSubstr("version 4"));
  EXPECT_THAT(refused(R"({"version":3,"address":"unix:///s","protocol":"grpc"})"),
              HasSubstr("only ttrpc"));
  EXPECT_THAT(refused(R"({"version":2,"address":"vsock://3:1"})"), HasSubstr("vsock"));
  EXPECT_THAT(refused("{"), HasSubstr("invalid JSON"));
  EXPECT_THAT(refused("{}"), HasSubstr("no version"));
  EXPECT_THAT(refused("level=error msg=oops"), HasSubstr("does not begin with unix"));
  EXPECT_THAT(refused(""), HasSubstr("does not begin with unix"));
}

TEST(Bootstrap, IsKept) {
  Bootstrap kept{2, "unix:///a b\"", "ttrpc", "/bin/shim", 7, 18'446'744'073'709'551'615U};
  auto read = parse_bootstrap_json(bootstrap_json(kept));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(read->version, 2);
  EXPECT_EQ(read->address, kept.address);
  EXPECT_EQ(read->program, kept.program);
  EXPECT_EQ(read->pid, 7);
  EXPECT_EQ(read->start_time, kept.start_time);
}

TEST(Bootstrap, ShimsAreFoundByName) {
  for (const char* bad : {"", "runc", "a.b", "io.containerd..v2", "io.x/y.v2"}) {
    EXPECT_EQ(find_shim(bad).error().code(), Code::kInvalidArgument) << bad;
  }
  EXPECT_THAT(find_shim("io.containerd.no-such.v1").error().message(),
              HasSubstr("containerd-shim-no-such-v1"));
  EXPECT_EQ(find_shim("/nowhere").error().code(), Code::kNotFound);
  EXPECT_EQ(find_shim("/proc/self/exe").value(), "/proc/self/exe");
}

}  // namespace
}  // namespace dhow::task
