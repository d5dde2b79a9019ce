// SPDX-License-Identifier: Apache-2.0
#include "shim/bundle.h"

#include <gtest/gtest.h>

#include "sys/testing/temp_dir.h"

namespace dhow::shim {
namespace {

class ShimBundleTest : public dhow::testing::TempDirTest {
 protected:
  std::string group(std::string_view config) {
    put("config.json", config);
    return group_of(path_).value();
  }
  bool wants(std::string_view config) {
    put("config.json", config);
    return wants_host_mounts(path_).value();
  }
};

TEST_F(ShimBundleTest, TheGroupIsThatOfThePod) {
  EXPECT_EQ(group("{}"), "");
  EXPECT_EQ(group(R"({"annotations":{"io.kubernetes.cri.container-name":"c"}})"), "");
  EXPECT_EQ(group(R"({"annotations":{"io.kubernetes.cri.sandbox-id":""}})"), "");
  EXPECT_EQ(group(R"({"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}})"), "pod");
  EXPECT_EQ(group(R"({"annotations":{"io.kubernetes.cri.sandbox-id":"pod",
                                     "io.containerd.runc.v2.group":"g"}})"),
            "g");
}

TEST_F(ShimBundleTest, ABrokenConfigurationIsNamed) {
  EXPECT_EQ(group_of(path_).error().code(), Code::kNotFound);
  put("config.json", "{\"annotations\":");
  auto broken = group_of(path_);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message().find(path_ + "/config.json"), std::string::npos);
}

TEST_F(ShimBundleTest, SharedMountsNeedThoseOfTheHost) {
  EXPECT_FALSE(wants("{}"));
  EXPECT_FALSE(wants(R"({"mounts":[{"options":["rbind","rslave"]},{"destination":"/shared"}]})"));
  EXPECT_TRUE(wants(R"({"mounts":[{"options":["ro"]},{"options":["rbind","rshared"]}]})"));
  EXPECT_TRUE(wants(R"({"mounts":[{"options":["shared"]}]})"));
  EXPECT_TRUE(wants(R"({"linux":{"rootfsPropagation":"rshared"}})"));
  EXPECT_TRUE(wants(R"({"linux":{"rootfsPropagation":"rshar\u0065d"}})"));
  EXPECT_FALSE(wants(R"({"linux":{"rootfsPropagation":"private"}})"));
}

TEST_F(ShimBundleTest, OptionsAreKept) {
  EXPECT_EQ(rpc::encode(load_options(path_)), "");
  rpc::runc::Options options;
  options.binary_name = "crun";
  options.systemd_cgroup = true;
  ASSERT_TRUE(save_options(path_, options));
  EXPECT_EQ(rpc::encode(load_options(path_)), rpc::encode(options));
  put("dhow-options", "\xff\xff");
  EXPECT_EQ(rpc::encode(load_options(path_)), "");
}

TEST_F(ShimBundleTest, TheOptionsChooseTheRuntime) {
  RuntimeChoice own = choose_runtime({}, "/bundle", "/run/x/runtime", "moby");
  EXPECT_EQ(own.program, "");
  EXPECT_EQ(own.root, "/run/x/runtime/moby");
  EXPECT_FALSE(own.systemd_cgroup);
  rpc::runc::Options options;
  options.binary_name = "runc";
  options.root = "/run/runc";
  options.systemd_cgroup = true;
  RuntimeChoice other = choose_runtime(options, "/bundle", "/run/x/runtime", "moby");
  EXPECT_EQ(other.program, "runc");
  EXPECT_EQ(other.root, "/run/runc/moby");
  EXPECT_EQ(other.folder, "/bundle");
  EXPECT_TRUE(other.systemd_cgroup);
}

}  // namespace
}  // namespace dhow::shim
