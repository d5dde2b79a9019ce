// SPDX-License-Identifier: Apache-2.0
#include "engine/container_config_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ContainerConfigJson, ReadsWhatDockerSends) {
  auto config = parse_create_config(R"({
    "Image": "busybox", "Cmd": ["sh", "-c", "true"], "Entrypoint": null, "Tty": true,
    "Env": ["A=1"], "Labels": {"a": "b", "c": null}, "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/data": {}}, "StopTimeout": 3, "NoSuchField": [1, 2],
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1000000000, "Retries": 2},
    "HostConfig": {
      "Binds": null, "Memory": 67108864, "NanoCpus": 500000000, "PidsLimit": -1, "Init": true,
      "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "81/tcp": null},
      "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
      "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
      "MaskedPaths": [], "ConsoleSize": [24, 80],
      "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
      "Mounts": [{"Type": "bind", "Source": "/a", "Target": "/b",
                  "BindOptions": {"Propagation": "rslave"}}]},
    "NetworkingConfig": {"EndpointsConfig": {"none": {"Aliases": ["x"]}}}})");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_THAT(*config->config.cmd, ElementsAre("sh", "-c", "true"));
  EXPECT_FALSE(config->config.entrypoint.has_value());
  EXPECT_EQ(config->config.labels.at("c"), "");
  EXPECT_EQ(config->config.stop_timeout, 3);
  EXPECT_EQ(config->config.healthcheck->interval, 1'000'000'000);
  EXPECT_EQ(config->host.resources.memory, 67108864);
  EXPECT_EQ(config->host.resources.pids_limit, -1);
  EXPECT_EQ(config->host.init, true);
  EXPECT_EQ(config->host.port_bindings.at("80/tcp").at(0).host_port, "8080");
  EXPECT_TRUE(config->host.port_bindings.at("81/tcp").empty());
  EXPECT_TRUE(config->host.masked_paths && config->host.masked_paths->empty());
  EXPECT_FALSE(config->host.readonly_paths.has_value());
  EXPECT_EQ(config->host.mounts.at(0).bind_options->propagation, "rslave");
  EXPECT_THAT(config->networking.endpoints.at("none").aliases, ElementsAre("x"));
  auto again = parse_create_config(create_config_json(*config));
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_TRUE(*again == *config) << create_config_json(*config) << create_config_json(*again);
}

TEST(ContainerConfigJson, TakesOneTextForAList) {
  auto config = parse_create_config(R"({"Cmd": "date", "Entrypoint": ""})");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_THAT(*config->config.cmd, ElementsAre("date"));
  EXPECT_THAT(*config->config.entrypoint, ElementsAre(""));
}

TEST(ContainerConfigJson, NamesTheFieldThatIsWrong) {
  auto config = parse_create_config(R"({"HostConfig": {"Memory": "much"}})");
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(config.error().message(), HasSubstr("$.HostConfig.Memory"));
  EXPECT_FALSE(parse_create_config(R"([])").has_value());
  EXPECT_FALSE(parse_create_config(R"({"Env": "A=1"})").has_value());
}

TEST(ContainerConfigJson, UpdatesHaveResourcesAndTheRestartPolicyAlone) {
  auto changes = parse_update_config(
      R"({"Memory": 5, "Privileged": true, "RestartPolicy": {"Name": "always"}})");
  ASSERT_TRUE(changes.has_value());
  EXPECT_EQ(changes->resources.memory, 5);
  EXPECT_EQ(changes->restart_policy.name, "always");
  EXPECT_FALSE(changes->privileged);
}

}  // namespace
}  // namespace dhow::engine
