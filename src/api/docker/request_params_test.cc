// SPDX-License-Identifier: Apache-2.0
#include "api/docker/request_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/docker/container_json.h"
#include "api/docker/event_json.h"
#include "api/docker/log_stream.h"
#include "api/docker/stats_json.h"
#include "oci/base64.h"
#include "oci/json_value.h"

namespace dhow::api::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(FiltersTest, TakesBothForms) {
  auto now = parse_filters(R"({"label":{"a":true,"b=c":true,"d":false},"status":{"exited":true}})",
                           {"label", "status"});
  ASSERT_TRUE(now.has_value()) << now.error().message();
  EXPECT_THAT(now->at("label"), ElementsAre("a", "b=c"));
  EXPECT_THAT(now->at("status"), ElementsAre("exited"));
  auto before = parse_filters(R"({"label":["a","b=c"]})", {"label"});
  ASSERT_TRUE(before.has_value());
  EXPECT_THAT(before->at("label"), ElementsAre("a", "b=c"));
  EXPECT_THAT(*parse_filters("", {}), IsEmpty());
  EXPECT_THAT(*parse_filters("{}", {}), IsEmpty());
}

TEST(FiltersTest, RefusesWhatItDoesNotKnow) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {R"({"x":["y"]})", "invalid filter 'x'"},
           {"[]", "invalid filter: not an object"},
           {R"({"label":[1]})", "invalid filter: a value that is no text"},
           {R"({"label":{"a":1}})", "invalid filter: a value that is neither true nor false"}}) {
    auto parsed = parse_filters(text, {"label"});
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(parsed.error().message(), message);
  }
  EXPECT_FALSE(parse_filters("{", {"label"}).has_value());
}

TEST(FiltersTest, ReadsFlags) {
  EXPECT_EQ(*filter_flag({{"dangling", {"true"}}}, "dangling"), true);
  EXPECT_EQ(*filter_flag({{"dangling", {"0"}}}, "dangling"), false);
  EXPECT_EQ(*filter_flag({}, "dangling"), std::nullopt);
  EXPECT_EQ(filter_flag({{"dangling", {"x"}}}, "dangling").error().message(),
            "invalid filter 'dangling=[x]'");
}

TEST(TimeTest, ReadsAllForms) {
  constexpr std::int64_t kNow = 1'000'000'000'000'000'000;
  EXPECT_EQ(*parse_time("1714564800", kNow), 1'714'564'800'000'000'000);
  EXPECT_EQ(*parse_time("1714564800.5", kNow), 1'714'564'800'500'000'000);
  EXPECT_EQ(*parse_time("1714564800.000000001", kNow), 1'714'564'800'000'000'001);
  EXPECT_EQ(*parse_time("2024-05-01T12:00:00Z", kNow), 1'714'564'800'000'000'000);
  EXPECT_EQ(*parse_time("10m", kNow), kNow - 600'000'000'000);
  for (const char* wrong : {"x", "99999999999999999999", "1.x"}) {
    EXPECT_FALSE(parse_time(wrong, kNow).has_value()) << wrong;
  }
}

TEST(RegistryAuthTest, ReadsTheHeaderAndIgnoresWhatIsNone) {
  std::string json = R"({"username":"u","password":"p?>","serveraddress":"r.io"})";
  for (bool url : {true, false}) {
    RegistryAuth auth = parse_registry_auth(oci::base64_encode(json, url));
    EXPECT_EQ(auth.credentials.username, "u");
    EXPECT_EQ(auth.credentials.password, "p?>");
    EXPECT_EQ(auth.server, "r.io");
  }
  EXPECT_EQ(parse_registry_auth(oci::base64_encode(R"({"identitytoken":"t"})"))
                .credentials.identity_token,
            "t");
  for (const char* nothing : {"", "*", "e30", "bnVsbA=="}) {
    EXPECT_TRUE(parse_registry_auth(nothing).credentials.empty()) << nothing;
  }
}

TEST(PlatformTest, ReadsTextsAndObjects) {
  EXPECT_EQ((*parse_platform_text("linux/arm64"))->architecture, "arm64");
  EXPECT_EQ(*parse_platform_text(""), std::nullopt);
  EXPECT_FALSE(parse_platform_text("a/b/c/d/e").has_value());
  EXPECT_EQ(
      (*parse_platform_json(R"({"os":"linux","architecture":"arm","variant":"v6"})"))->variant,
      "v6");
  EXPECT_FALSE(parse_platform_json("linux/arm64").has_value());
  EXPECT_FALSE(parse_platform_json(R"({"os":"linux"})").has_value());
}

TEST(FrameTest, HasDockersHeader) {
  std::string out;
  append_frame(out, FrameStream::kError, std::string(258, 'x'));
  EXPECT_EQ(out.substr(0, 8), std::string("\x02\0\0\0\0\0\x01\x02", 8));
  EXPECT_EQ(out.size(), 266U);
}

TEST(LogTimeTest, HasAllDigits) {
  EXPECT_EQ(log_time(1'714'564'800'500'000'000), "2024-05-01T12:00:00.500000000Z");
  EXPECT_EQ(log_time(1'714'564'800'000'000'001), "2024-05-01T12:00:00.000000001Z");
}

TEST(EventJsonTest, OlderClientsGetMore) {
  engine::Event event;
  event.type = "container";
  event.action = "start";
  event.actor = "abc";
  event.attributes = {{"image", "app"}, {"name", "n"}};
  event.time = 1'714'564'800'000'000'007;
  EXPECT_EQ(event_json(event, false),
            R"({"Type":"container","Action":"start","Actor":{"ID":"abc","Attributes":{)"
            R"("image":"app","name":"n"}},"scope":"local","time":1714564800,)"
            R"("timeNano":1714564800000000007})");
  EXPECT_THAT(event_json(event, true),
              ::testing::StartsWith(R"({"status":"start","id":"abc","from":"app","Type")"));
}

TEST(ContainerJsonTest, NewerVersionsDropLegacyNetworkFields) {
  engine::Inspection container;
  container.id = "abc";
  container.name = "n";
  container.config.host.network_mode = "none";
  std::string older = container_inspect_json(container, {51});
  std::string newer = container_inspect_json(container, {52});
  EXPECT_THAT(older, HasSubstr("\"HairpinMode\":false"));
  EXPECT_THAT(newer, Not(HasSubstr("HairpinMode")));
  EXPECT_THAT(newer, HasSubstr("\"Name\":\"/n\""));
  EXPECT_THAT(newer, HasSubstr("\"FinishedAt\":\"0001-01-01T00:00:00Z\""));
  EXPECT_THAT(newer, HasSubstr("\"ExecIDs\":null"));
  EXPECT_TRUE(oci::JsonDocument::parse(newer).has_value());
}

TEST(ContainerJsonTest, OlderVersionsHaveItsNamesAmongTheAliases) {
  engine::Inspection container;
  container.id = "0123456789abcdef";
  container.sandbox_key = "/proc/7/ns/net";
  container.config.config.hostname = "web";
  engine::NetworkStatus& network = container.networks.emplace_back();
  network.name = "mine";
  network.config.aliases = {"web"};
  network.dns_names = {"n", "web", "0123456789ab"};
  EXPECT_THAT(container_inspect_json(container, {44}),
              HasSubstr(R"("Aliases":["web","0123456789ab"])"));
  EXPECT_THAT(container_inspect_json(container, {45}), HasSubstr(R"("Aliases":["web"])"));
  EXPECT_THAT(container_inspect_json(container, {45}),
              HasSubstr(R"("SandboxID":"0123456789abcdef")"));
}

TEST(EventJsonTest, NobodyHasNoId) {
  engine::Event event;
  event.type = "container";
  event.action = "prune";
  EXPECT_THAT(event_json(event, true), Not(HasSubstr("\"id\"")));
}

TEST(StatsJsonTest, AStoppedContainerHasEmptyStats) {
  engine::StatsSample sample;
  sample.id = "abc";
  sample.name = "n";
  std::string text = stats_json(sample, {}, {52});
  EXPECT_THAT(text, HasSubstr("\"os_type\":\"linux\""));
  EXPECT_THAT(stats_json(sample, {}, {51}), Not(HasSubstr("os_type")));
  EXPECT_THAT(text, HasSubstr("\"memory_stats\":{}"));
  EXPECT_THAT(text, HasSubstr("\"read\":\"0001-01-01T00:00:00Z\""));
  EXPECT_TRUE(oci::JsonDocument::parse(text).has_value());
}

}  // namespace
}  // namespace dhow::api::docker
