// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/config_codec.h"
#include "oci/state.h"
#include "oci/validate.h"

namespace dhow::oci {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::Not;
using testing::StartsWith;

Config parsed(const std::string& text) {
  auto config = parse_config(text);
  EXPECT_TRUE(config.has_value()) << config.error().message();
  auto status = validate(*config);
  EXPECT_TRUE(status.has_value()) << status.error().message();
  return *config;
}

std::vector<NamespaceType> types(const Config& config) {
  std::vector<NamespaceType> list;
  for (const Namespace& entry : config.linux.namespaces) list.push_back(entry.type);
  return list;
}

TEST(DefaultConfig, IsIndentedWithTabs) {
  std::string text = default_config_json(false, 0, 0);
  EXPECT_THAT(text,
              StartsWith("{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\""));
  EXPECT_THAT(text, EndsWith("\n\t\t]\n\t}\n}\n"));
}

TEST(DefaultConfig, IsValidForRoot) {
  Config config = parsed(default_config_json(false, 0, 0));
  EXPECT_EQ(config.oci_version, kOciVersion);
  EXPECT_TRUE(config.process->terminal);
  EXPECT_TRUE(config.process->no_new_privileges);
  EXPECT_THAT(config.process->args, ElementsAre("sh"));
  EXPECT_THAT(config.process->capabilities->bounding,
              ElementsAre("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"));
  EXPECT_TRUE(config.process->capabilities->inheritable.empty());
  EXPECT_TRUE(config.process->capabilities->ambient.empty());
  EXPECT_EQ(config.root->path, "rootfs");
  EXPECT_TRUE(config.root->readonly);
  EXPECT_EQ(config.mounts.size(), 7U);
  EXPECT_THAT(config.mounts[2].options, Contains("gid=5"));
  EXPECT_EQ(config.mounts[5].type, "sysfs");
  EXPECT_THAT(types(config),
              ElementsAre(NamespaceType::kPid, NamespaceType::kNetwork, NamespaceType::kIpc,
                          NamespaceType::kUts, NamespaceType::kMount));
  EXPECT_FALSE(config.linux.resources->devices.at(0).allow);
  EXPECT_EQ(config.linux.masked_paths.size(), 10U);
  EXPECT_EQ(config.linux.readonly_paths.size(), 5U);
}

TEST(DefaultConfig, IsValidForAnybodyElse) {
  Config config = parsed(default_config_json(true, 1000, 100));
  EXPECT_THAT(config.linux.uid_mappings, ElementsAre(IdMapping{0, 1000, 1}));
  EXPECT_THAT(config.linux.gid_mappings, ElementsAre(IdMapping{0, 100, 1}));
  EXPECT_THAT(config.mounts[2].options, Not(Contains("gid=5")));
  EXPECT_EQ(config.mounts[5].source, "/sys");
  EXPECT_THAT(config.mounts[5].options, Contains("rbind"));
  EXPECT_FALSE(config.linux.resources.has_value());
  EXPECT_THAT(types(config),
              ElementsAre(NamespaceType::kPid, NamespaceType::kIpc, NamespaceType::kUts,
                          NamespaceType::kMount, NamespaceType::kUser));
}

TEST(DefaultConfig, HasACgroupNamespaceOnTheSecondVersionAlone) {
  EXPECT_THAT(types(parsed(default_config_json(false, 0, 0, true))),
              Contains(NamespaceType::kCgroup));
  EXPECT_THAT(types(parsed(default_config_json(false, 0, 0))),
              Not(Contains(NamespaceType::kCgroup)));
}

}  // namespace
}  // namespace dhow::oci
