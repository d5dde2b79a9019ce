// SPDX-License-Identifier: Apache-2.0
#include "engine/image_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ImageChangesTest, AppliesEachInstruction) {
  oci::ImageConfig config;
  config.env = {"PATH=/bin", "KEPT=1"};
  auto status = apply_changes(
      {"CMD [\"a\", \"b c\"]", "entrypoint run me", "ENV PATH=/usr/bin X=\"y z\"\nENV OLD the rest",
       "EXPOSE 80 53/udp", "LABEL k=v \"two words\"=x", "ONBUILD RUN x", "STOPSIGNAL SIGINT",
       "USER app", "VOLUME /data /more", "VOLUME [\"/json\"]", "WORKDIR /srv", "WORKDIR sub",
       "HEALTHCHECK --interval=3s --retries=2 CMD curl localhost"},
      config);
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_THAT(*config.cmd, ElementsAre("a", "b c"));
  EXPECT_THAT(*config.entrypoint, ElementsAre("/bin/sh", "-c", "run me"));
  EXPECT_THAT(config.env, ElementsAre("PATH=/usr/bin", "KEPT=1", "X=y z", "OLD=the rest"));
  EXPECT_THAT(config.exposed_ports, ElementsAre("53/udp", "80/tcp"));
  EXPECT_THAT(config.labels, ElementsAre(Pair("k", "v"), Pair("two words", "x")));
  EXPECT_THAT(config.on_build, ElementsAre("RUN x"));
  EXPECT_EQ(config.stop_signal, "SIGINT");
  EXPECT_EQ(config.user, "app");
  EXPECT_THAT(config.volumes, ElementsAre("/data", "/json", "/more"));
  EXPECT_EQ(config.working_dir, "/srv/sub");
  ASSERT_TRUE(config.healthcheck.has_value());
  EXPECT_THAT(config.healthcheck->test, ElementsAre("CMD-SHELL", "curl localhost"));
  EXPECT_EQ(config.healthcheck->interval, 3'000'000'000);
  EXPECT_EQ(config.healthcheck->retries, 2);
}

TEST(ImageChangesTest, FaultsNameTheInstruction) {
  for (const auto& [change, message] : std::vector<std::pair<std::string, std::string>>{
           {"RUN x", "RUN is not a valid change command"},
           {"USER", "USER \"\": nothing behind it"},
           {"ENV x", "ENV \"x\": a name without a value"},
           {"ENV a=b c", "ENV \"a=b c\": not KEY=VALUE"},
           {"EXPOSE x", "EXPOSE \"x\": not a port"},
           {"HEALTHCHECK x", "HEALTHCHECK \"x\": neither CMD nor NONE"},
           {"HEALTHCHECK --x=1 CMD y", "HEALTHCHECK \"--x=1 CMD y\": unknown option \"--x=1\""}}) {
    oci::ImageConfig config;
    auto status = apply_changes({change}, config);
    ASSERT_FALSE(status.has_value()) << change;
    EXPECT_EQ(status.error().message(), message);
  }
}

}  // namespace
}  // namespace dhow::engine
