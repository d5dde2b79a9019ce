// SPDX-License-Identifier: Apache-2.0
#include "bench/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "oci/config.h"
#include "oci/config_codec.h"

namespace dhow::bench {
namespace {

using ::testing::ElementsAre;

TEST(MakeConfig, IsAConfigurationWithEverythingAskedFor) {
  const auto config = oci::parse_config(make_config({.rootfs = "/r",
                                                     .args = {"/bin/true", "wait"},
                                                     .cgroups_path = "/a/b",
                                                     .memory_limit = 4096}));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->root->path, "/r");
  EXPECT_THAT(config->process->args, ElementsAre("/bin/true", "wait"));
  EXPECT_EQ(config->linux.cgroups_path, "/a/b");
  EXPECT_EQ(config->linux.resources->memory->limit, 4096);
  EXPECT_EQ(config->linux.resources->pids_limit, 1024);
  EXPECT_NE(config->linux.find_namespace(oci::NamespaceType::kCgroup), nullptr);
  EXPECT_EQ(config->linux.find_namespace(oci::NamespaceType::kUser), nullptr);
}

TEST(MakeConfig, MapsIdsInAUserNamespaceOnly) {
  const auto config = oci::parse_config(make_config({.args = {"x"}, .user_namespace = true}));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_NE(config->linux.find_namespace(oci::NamespaceType::kUser), nullptr);
  EXPECT_EQ(config->linux.uid_mappings.size(), 1u);
  EXPECT_EQ(config->linux.gid_mappings.size(), 1u);
}

TEST(MakeConfig, LeavesTheProfileOutWhenTold) {
  const auto config = oci::parse_config(make_config({.args = {"x"}, .seccomp = false}));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_FALSE(config->linux.seccomp);
}

TEST(SeccompProfile, IsAnAllowListOfTheSizeThatEnginesUse) {
  const auto config = oci::parse_config(make_config({.args = {"x"}}));
  ASSERT_TRUE(config) << config.error().message();
  const oci::Seccomp& seccomp = *config->linux.seccomp;
  EXPECT_EQ(seccomp.default_action, oci::SeccompAction::kErrno);
  std::set<std::string> allowed;
  std::size_t with_arguments = 0;
  for (const oci::SeccompSyscall& rule : seccomp.syscalls) {
    if (rule.action == oci::SeccompAction::kAllow && rule.args.empty()) {
      for (const std::string& name : rule.names) {
        EXPECT_TRUE(allowed.insert(name).second) << name << " is there twice";
      }
    }
    with_arguments += rule.args.size();
  }
  EXPECT_GE(allowed.size(), 340u);
  EXPECT_EQ(with_arguments, 7u);
  for (const char* forbidden : {"mount", "bpf", "reboot", "init_module", "setns", "keyctl"}) {
    EXPECT_FALSE(allowed.contains(forbidden)) << forbidden;
  }
}

}  // namespace
}  // namespace dhow::bench
