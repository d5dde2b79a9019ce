// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/rpc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "base/protobuf.h"

namespace dhow::criu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Fields {
  std::map<std::uint32_t, std::uint64_t> numbers;
  std::map<std::uint32_t, std::vector<std::string>> texts;
};

Fields fields_of(std::string_view message) {
  Fields fields;
  ProtoReader reader(message);
  while (true) {
    auto field = reader.next();
    if (!field || !*field) break;
    if ((*field)->kind == ProtoField::Kind::kBytes) {
      fields.texts[(*field)->number].emplace_back((*field)->bytes);
    } else {
      fields.numbers[(*field)->number] = (*field)->value;
    }
  }
  return fields;
}

Fields options_of(const Options& options) {
  Fields request = fields_of(encode_request({.type = RequestType::kDump, .options = options}));
  EXPECT_EQ(request.numbers[1], 1U);
  EXPECT_EQ(request.texts[2].size(), 1U);
  return fields_of(request.texts[2].at(0));
}

TEST(CriuRpc, SendsNothingThatWasNotAskedFor) {
  Options options;
  options.images_fd = 5;
  Fields fields = options_of(options);
  EXPECT_THAT(fields.numbers, ElementsAre(testing::Pair(1, 5), testing::Pair(9, 4)));
  EXPECT_THAT(fields.texts, IsEmpty());
}

TEST(CriuRpc, SwitchesHaveTheirNumbers) {
  Options options;
  const std::pair<bool Options::*, std::uint32_t> switches[] = {
      {&Options::leave_running, 3},
      {&Options::external_unix_sockets, 4},
      {&Options::tcp_established, 5},
      {&Options::evasive_devices, 6},
      {&Options::shell_job, 7},
      {&Options::file_locks, 8},
      {&Options::notify, 12},
      {&Options::track_memory, 15},
      {&Options::auto_dedup, 16},
      {&Options::link_remap, 18},
      {&Options::restore_as_sibling, 26},
      {&Options::tcp_skip_in_flight, 46},
      {&Options::lazy_pages, 48},
      {&Options::orphan_pts_master, 50},
      {&Options::tcp_close, 52},
  };
  for (const auto& [member, number] : switches) {
    Options one;
    one.*member = true;
    Fields fields = options_of(one);
    EXPECT_EQ(fields.numbers.size(), 3U) << number;
    EXPECT_EQ(fields.numbers[number], 1U) << number;
  }
}

TEST(CriuRpc, ValuesHaveTheirNumbers) {
  Options options;
  options.images_fd = 5;
  options.work_fd = 6;
  options.pid = 77;
  options.log_file = "dump.log";
  options.root = "/root";
  options.parent_image = "../parent";
  options.freeze_cgroup = "/sys/fs/cgroup/x";
  options.config_file = "/etc/criu/runc.conf";
  options.lsm_profile = "apparmor:x";
  options.lsm_mount_context = "context";
  options.page_server = PageServer{"10.0.0.1", 1234};
  options.cgroup_mode = CgroupMode::kStrict;
  options.network_lock = NetworkLock::kNftables;
  options.status_fd = 3;
  options.empty_namespaces = 0x40000000;
  Fields fields = options_of(options);
  EXPECT_EQ(fields.numbers[2], 77U);
  EXPECT_EQ(fields.numbers[17], 6U);
  EXPECT_EQ(fields.numbers[24], 1U);
  EXPECT_EQ(fields.numbers[34], 5U);
  EXPECT_EQ(fields.numbers[38], 0x40000000U);
  EXPECT_EQ(fields.numbers[49], 3U);
  EXPECT_EQ(fields.numbers[64], 2U);
  EXPECT_THAT(fields.texts[10], ElementsAre("dump.log"));
  EXPECT_THAT(fields.texts[13], ElementsAre("/root"));
  EXPECT_THAT(fields.texts[14], ElementsAre("../parent"));
  EXPECT_THAT(fields.texts[44], ElementsAre("/sys/fs/cgroup/x"));
  EXPECT_THAT(fields.texts[51], ElementsAre("/etc/criu/runc.conf"));
  EXPECT_THAT(fields.texts[53], ElementsAre("apparmor:x"));
  EXPECT_THAT(fields.texts[63], ElementsAre("context"));
  Fields server = fields_of(fields.texts[11].at(0));
  EXPECT_THAT(server.texts[1], ElementsAre("10.0.0.1"));
  EXPECT_EQ(server.numbers[2], 1234U);
}

TEST(CriuRpc, ListsHaveTheirNumbers) {
  Options options;
  options.external_mounts = {{"/a", "/host/a"}, {"/b", "/host/b"}};
  options.external = {"net[1]:extRootNetNS"};
  options.inherited_fds = {{"pipe:[9]", 12}};
  options.cgroup_roots = {{"memory", "/m"}, {"", "/u"}};
  options.joined_namespaces = {{"ipc", "/proc/1/ns/ipc"}};
  Fields fields = options_of(options);
  ASSERT_EQ(fields.texts[23].size(), 2U);
  Fields mount = fields_of(fields.texts[23][1]);
  EXPECT_THAT(mount.texts[1], ElementsAre("/b"));
  EXPECT_THAT(mount.texts[2], ElementsAre("/host/b"));
  EXPECT_THAT(fields.texts[37], ElementsAre("net[1]:extRootNetNS"));
  Fields inherited = fields_of(fields.texts[27].at(0));
  EXPECT_THAT(inherited.texts[1], ElementsAre("pipe:[9]"));
  EXPECT_EQ(inherited.numbers[2], 12U);
  ASSERT_EQ(fields.texts[25].size(), 2U);
  Fields unified = fields_of(fields.texts[25][1]);
  EXPECT_EQ(unified.texts.count(1), 0U);
  EXPECT_THAT(unified.texts[2], ElementsAre("/u"));
  Fields joined = fields_of(fields.texts[39].at(0));
  EXPECT_THAT(joined.texts[1], ElementsAre("ipc"));
}

TEST(CriuRpc, RequestsWithoutOptions) {
  Fields version = fields_of(encode_request({.type = RequestType::kVersion, .keep_open = true}));
  EXPECT_THAT(version.numbers, ElementsAre(testing::Pair(1, 10), testing::Pair(4, 1)));
  Fields refused =
      fields_of(encode_request({.type = RequestType::kNotify, .notify_success = false}));
  EXPECT_THAT(refused.numbers, ElementsAre(testing::Pair(1, 6), testing::Pair(3, 0)));
  Fields check = fields_of(encode_request(
      {.type = RequestType::kFeatureCheck, .features = Features{.lazy_pages = true}}));
  EXPECT_THAT(fields_of(check.texts[5].at(0)).numbers, ElementsAre(testing::Pair(2, 1)));
}

std::string answer(std::uint64_t type, bool success) {
  return ProtoWriter().number(1, type).boolean(2, success).bytes();
}

TEST(CriuRpc, ReadsNoticesAndResults) {
  ProtoWriter notice;
  notice.text(1, "setup-namespaces").signed_number(2, 42);
  auto response = decode_response(answer(6, true) + ProtoWriter().message(5, notice).bytes());
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(response->type, RequestType::kNotify);
  EXPECT_EQ(response->script, "setup-namespaces");
  EXPECT_EQ(response->pid, 42);

  ProtoWriter restored;
  restored.signed_number(1, 43);
  response = decode_response(answer(2, true) + ProtoWriter().message(4, restored).bytes());
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->success);
  EXPECT_EQ(response->pid, 43);

  ProtoWriter failure;
  failure.signed_number(7, 17).text(9, "Error (criu/x.c:1): no\n");
  response = decode_response(answer(1, false) + failure.bytes());
  ASSERT_TRUE(response);
  EXPECT_FALSE(response->success);
  EXPECT_EQ(response->error_number, 17);
  EXPECT_EQ(response->error_text, "Error (criu/x.c:1): no\n");
}

TEST(CriuRpc, ReadsFeaturesAndVersions) {
  ProtoWriter features;
  features.boolean(1, true).boolean(2, false);
  auto response = decode_response(answer(9, true) + ProtoWriter().message(8, features).bytes());
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->features.memory_tracking);
  EXPECT_FALSE(response->features.lazy_pages);

  ProtoWriter version;
  version.number(1, 3).number(2, 17).number(4, 1);
  response = decode_response(answer(10, true) + ProtoWriter().message(10, version).bytes());
  ASSERT_TRUE(response);
  EXPECT_EQ(response->version, 31701);
  version.text(3, "v3.17-9-gabc");
  response = decode_response(answer(10, true) + ProtoWriter().message(10, version).bytes());
  ASSERT_TRUE(response);
  EXPECT_EQ(response->version, 31800);
  EXPECT_EQ(version_text(31701), "3.17.1");
  EXPECT_EQ(version_text(40000), "4.0");
}

TEST(CriuRpc, PassesOverWhatItDoesNotKnow) {
  ProtoWriter unknown;
  unknown.text(500, "new").number(501, 7).message(11, ProtoWriter().text(1, "x"));
  auto response = decode_response(unknown.bytes() + answer(10, true));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->type, RequestType::kVersion);
}

TEST(CriuRpc, RefusesHalfAnswers) {
  EXPECT_THAT(decode_response("").error().message(), HasSubstr("no type or no result"));
  EXPECT_FALSE(decode_response(ProtoWriter().number(1, 6).bytes()));
  EXPECT_FALSE(decode_response(ProtoWriter().boolean(2, true).bytes()));
  std::string whole =
      answer(6, true) + ProtoWriter().message(5, ProtoWriter().text(1, "x")).bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (size == 4) continue;  // the notice is not required
    EXPECT_FALSE(decode_response(whole.substr(0, size))) << size;
  }
  // Cut inside of a message that is whole outside.
  EXPECT_FALSE(decode_response(answer(6, true) + std::string("\x2a\x02\x0a\x05", 4)));
}

}  // namespace
}  // namespace dhow::criu
