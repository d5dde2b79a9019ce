// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "base/strings.h"
#include "runtime/cgroup/dbus_connection.h"
#include "runtime/cgroup/systemd_client.h"
#include "runtime/cgroup/testing/fake_systemd.h"

namespace dhow::cgroup {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeSystemd;
using ::testing::HasSubstr;

std::string bytes(std::initializer_list<int> list) {
  std::string text;
  for (int byte : list) text.push_back(static_cast<char>(byte));
  return text;
}

TEST(DbusValues, MarshalAsTheSpecificationShows) {
  std::string out;
  marshal(DbusValue::string("foo"), out);
  marshal(DbusValue::string("+"), out);
  marshal(DbusValue::string("bar"), out);
  EXPECT_EQ(out, bytes({3,   0, 0, 0, 'f', 'o', 'o', 0, 1,   0,   0,   0,
                        '+', 0, 0, 0, 3,   0,   0,   0, 'b', 'a', 'r', 0}));
  out.clear();
  marshal(DbusValue::array("t", {DbusValue::uint64(5)}), out);
  EXPECT_EQ(out, bytes({8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}));
  out.clear();
  marshal(DbusValue::variant(DbusValue::boolean(true)), out);
  EXPECT_EQ(out, bytes({1, 'b', 0, 0, 1, 0, 0, 0}));
  out.clear();
  marshal(DbusValue::structure({DbusValue{"y", std::uint64_t{7}}, DbusValue::int32(-2)}), out);
  EXPECT_EQ(out, bytes({7, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff}));
  out.clear();
  marshal(DbusValue::array("(sv)", {}), out);  // padded even when empty
  EXPECT_EQ(out, bytes({0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(DbusValues, RoundTrip) {
  std::vector<DbusValue> values = {
      DbusValue::boolean(false),
      DbusValue::int32(-5),
      DbusValue{"x", std::int64_t{-6}},
      DbusValue{"n", std::int64_t{-7}},
      DbusValue::uint64(UINT64_MAX),
      DbusValue{"d", 1.25},
      DbusValue::path("/a"),
      DbusValue{"g", std::string("a(sv)")},
      DbusValue::bytes({1, 2, 255}),
      DbusValue::array(
          "as", {DbusValue::array("s", {DbusValue::string("x")}), DbusValue::array("s", {})}),
      DbusValue::array("(sv)", {DbusValue::structure({DbusValue::string("k"),
                                                      DbusValue::variant(DbusValue::uint32(3))})}),
  };
  for (const DbusValue& value : values) {
    for (std::size_t offset = 0; offset < 8; ++offset) {
      std::string text(offset, '\0');
      marshal(value, text);
      std::size_t position = offset;
      auto back = unmarshal(value.signature, text, position);
      ASSERT_TRUE(back) << value.signature << ": " << back.error().message();
      EXPECT_EQ(*back, value);
      EXPECT_EQ(position, text.size());
      // Every cut is seen.
      for (std::size_t length = offset; length < text.size(); ++length) {
        std::size_t from = offset;
        EXPECT_FALSE(unmarshal(value.signature, text.substr(0, length), from)) << value.signature;
      }
    }
  }
}

TEST(DbusValues, RefuseHostileText) {
  std::size_t position = 0;
  EXPECT_FALSE(unmarshal("as", bytes({0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}), position));
  position = 0;
  EXPECT_FALSE(unmarshal("s", bytes({0xff, 0xff, 0xff, 0x7f, 'a', 0}), position));
  position = 0;
  EXPECT_FALSE(unmarshal("v", bytes({2, 'a', '(', 0, 0, 0, 0, 0}), position));
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += bytes({1, 'v', 0});
  position = 0;
  EXPECT_FALSE(unmarshal("v", deep, position));
  EXPECT_EQ(complete_type_length("a(sv)u"), 5U);
  EXPECT_EQ(complete_type_length("(s"), 0U);
  EXPECT_EQ(complete_type_length("()"), 0U);
  EXPECT_EQ(complete_type_length("a"), 0U);
  EXPECT_EQ(complete_type_length("z"), 0U);
}

TEST(DbusMessages, HelloIsTheKnownBytes) {
  DbusMessage hello;
  hello.serial = 1;
  hello.path = "/org/freedesktop/DBus";
  hello.member = "Hello";
  std::string expected = bytes({'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0x2e, 0, 0, 0});
  expected += bytes({1, 1, 'o', 0, 21, 0, 0, 0}) + "/org/freedesktop/DBus" + bytes({0, 0, 0});
  expected += bytes({3, 1, 's', 0, 5, 0, 0, 0}) + "Hello" + bytes({0, 0, 0});
  EXPECT_EQ(encode_message(hello), expected);
  EXPECT_EQ(message_length(expected).value(), expected.size());
}

TEST(DbusMessages, RoundTrip) {
  DbusMessage message;
  message.type = DbusMessageType::kSignal;
  message.serial = 77;
  message.reply_serial = 5;
  message.path = "/x";
  message.interface = "a.b";
  message.member = "M";
  message.sender = ":1.5";
  message.destination = ":1.6";
  message.body = {DbusValue::uint32(1), DbusValue::path("/job/1"), DbusValue::string("done")};
  auto back = decode_message(encode_message(message));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->type, DbusMessageType::kSignal);
  EXPECT_EQ(back->serial, 77U);
  EXPECT_EQ(back->reply_serial, 5U);
  EXPECT_EQ(back->member, "M");
  EXPECT_EQ(back->sender, ":1.5");
  EXPECT_EQ(back->body, message.body);
  EXPECT_EQ(message_length("l").value(), 0U);
  EXPECT_FALSE(message_length("xxxxxxxxxxxxxxxxxxxx"));
  EXPECT_FALSE(message_length(bytes({'l', 1, 0, 1, -1, -1, -1, 127, 0, 0, 0, 0, 0, 0, 0, 0})));
}

TEST(DbusAddresses, AreParsed) {
  EXPECT_THAT(parse_bus_address("unix:path=/run/a%20b,guid=1;tcp:host=x;unix:abstract=/tmp/y"),
              ElementsAre("/run/a b", "@/tmp/y"));
  EXPECT_TRUE(parse_bus_address("").empty());
}

TEST(SystemdClients, StartUnitsOverABus) {
  FakeSystemd systemd(DbusConnection::Kind::kBus);
  SystemdClient client(systemd.connector());
  auto started = client.start_transient("x.scope", {{"Delegate", DbusValue::boolean(true)}});
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_THAT(systemd.calls(), ElementsAre("Hello", "AddMatch", "StartTransientUnit x.scope"));
}

TEST(SystemdClients, StartUnitsWithoutABus) {
  FakeSystemd systemd(DbusConnection::Kind::kPeer);
  SystemdClient client(systemd.connector());
  ASSERT_TRUE(client.start_transient("x.scope", {}));
  EXPECT_THAT(systemd.calls(), ElementsAre("StartTransientUnit x.scope"));
}

TEST(SystemdClients, TryAgainAfterAFailedUnit) {
  FakeSystemd systemd(DbusConnection::Kind::kPeer);
  systemd.fail_next("org.freedesktop.systemd1.UnitExists", "Unit x.scope already exists.");
  SystemdClient client(systemd.connector());
  ASSERT_TRUE(client.start_transient("x.scope", {}));
  EXPECT_THAT(systemd.calls(), ElementsAre("StartTransientUnit x.scope", "ResetFailedUnit x.scope",
                                           "StartTransientUnit x.scope"));
}

TEST(SystemdClients, TellWhyAJobFailed) {
  FakeSystemd systemd(DbusConnection::Kind::kPeer);
  systemd.job_result("failed");
  SystemdClient client(systemd.connector());
  auto failed = client.start_transient("x.scope", {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "start unit \"x.scope\": the job ended as \"failed\"");
  systemd.fail_next("org.freedesktop.DBus.Error.AccessDenied", "no");
  failed = client.set_properties("x.scope", {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::kPermissionDenied);
  EXPECT_THAT(failed.error().message(), HasSubstr("no (org.freedesktop.DBus.Error.AccessDenied)"));
}

TEST(SystemdClients, StoppingWhatIsGoneIsSuccess) {
  FakeSystemd systemd(DbusConnection::Kind::kPeer);
  SystemdClient client(systemd.connector());
  EXPECT_TRUE(client.stop("x.scope"));
  systemd.fail_next("org.freedesktop.systemd1.NoSuchUnit", "Unit x.scope not loaded.");
  EXPECT_TRUE(client.stop("x.scope"));
  systemd.fail_next("org.freedesktop.DBus.Error.Failed", "broken");
  EXPECT_FALSE(client.stop("x.scope"));
}

TEST(SystemdClients, KnowTheVersion) {
  FakeSystemd systemd(DbusConnection::Kind::kPeer);
  SystemdClient client(systemd.connector());
  auto version = client.version();
  ASSERT_TRUE(version) << version.error().message();
  EXPECT_EQ(*version, 252);
  EXPECT_EQ(client.version().value(), 252);
  EXPECT_THAT(systemd.calls(), ElementsAre("Get Version"));
  EXPECT_EQ(parse_systemd_version("v245"), 245);
  EXPECT_EQ(parse_systemd_version("systemd 239 (239-1)"), 239);
  EXPECT_EQ(parse_systemd_version("?"), 0);
}

TEST(SystemdClients, AreRefusedByName) {
  FakeSystemd systemd(DbusConnection::Kind::kPeer);
  systemd.reject();
  SystemdClient client(systemd.connector());
  auto refused = client.stop("x.scope");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("authenticate to D-Bus: rejected"));
}

TEST(SystemdClients, SeeTheOtherSideGo) {
  auto connection = [] {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    EXPECT_EQ(::write(pair[1], "OK 1\r\n", 6), 6);
    ::shutdown(pair[1], SHUT_WR);
    auto opened = DbusConnection::open(Fd(pair[0]), DbusConnection::Kind::kPeer, 0);
    EXPECT_TRUE(opened);
    ::close(pair[1]);
    return opened;
  };
  SystemdClient client(connection);
  EXPECT_FALSE(client.stop("x.scope"));
}

}  // namespace
}  // namespace dhow::cgroup
