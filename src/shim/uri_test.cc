// SPDX-License-Identifier: Apache-2.0
#include "shim/uri.h"

#include <gtest/gtest.h>

#include "shim/bootstrap.h"

namespace dhow::shim {
namespace {

TEST(Uri, APlainPathIsAFifo) {
  auto uri = parse_uri("/run/a%20b?c");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->scheme, "fifo");
  EXPECT_EQ(uri->path, "/run/a%20b?c");
}

TEST(Uri, ValuesAreDecodedAndTheLastOneCounts) {
  auto uri = parse_uri("dhow-io:///run/x%20y.sock?driver=json-file&path=%2Fa%26b&driver=none&k");
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->path, "/run/x y.sock");
  EXPECT_EQ(uri->value("path"), "/a&b");
  EXPECT_EQ(uri->value("driver"), "none");
  EXPECT_EQ(uri->value("k"), "");
  EXPECT_EQ(uri->query.size(), 4U);
}

TEST(Uri, RefusesWhatIsNone) {
  for (const char* text :
       {"", "relative", "file://relative", "file:///a%2", "file:///a%zz", "file:///a%00b"}) {
    EXPECT_FALSE(parse_uri(text)) << text;
  }
}

TEST(CommandLine, TakesGosFlags) {
  auto parsed = parse_command_line({"shim", "-namespace", "ns", "--id=x", "-debug", "io", "-uri"});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->name_space, "ns");
  EXPECT_EQ(parsed->id, "x");
  EXPECT_TRUE(parsed->debug);
  EXPECT_EQ(parsed->action, "io");
  ASSERT_EQ(parsed->rest.size(), 1U);
  EXPECT_FALSE(parse_command_line({"shim", "-nonsense"}));
  EXPECT_FALSE(parse_command_line({"shim", "-id"}));
}

TEST(SocketPath, IsTheSameForAGroupOnly) {
  EXPECT_EQ(socket_path("/s", "d", "n", "g"), socket_path("/s", "d", "n", "g"));
  EXPECT_NE(socket_path("/s", "d", "n", "g"), socket_path("/s", "d", "n", "h"));
  EXPECT_NE(socket_path("/s", "d", "n", "g"), socket_path("/s", "d", "ng", ""));
}

}  // namespace
}  // namespace dhow::shim
