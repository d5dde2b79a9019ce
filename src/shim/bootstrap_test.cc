// SPDX-License-Identifier: Apache-2.0
#include "shim/bootstrap.h"

#include <sys/socket.h>

#include <filesystem>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "rpc/bootstrap.h"
#include "rpc/task.h"
#include "sys/testing/temp_dir.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

class ShimBootstrapTest : public dhow::testing::TempDirTest {
 protected:
  // A container of the pod "pod", of a daemon in the test's folder.
  CommandLine command(const std::string& id) {
    CommandLine line;
    line.name_space = "default";
    line.id = id;
    line.address = at("daemon.sock");
    line.bundle = at(id);
    std::filesystem::create_directories(line.bundle + "/rootfs");
    put(id + "/config.json", R"({"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}})");
    return line;
  }
  std::string socket() const { return socket_path(at("s"), at("daemon.sock"), "default", "pod"); }
  Fd listen() {
    std::filesystem::create_directories(at("s"));
    auto folder = open_at(kCwd, at("s"), O_PATH | O_DIRECTORY);
    return listen_unix(*folder, socket().substr(at("s/").size()), SOCK_STREAM, 0600).value();
  }
};

TEST_F(ShimBootstrapTest, StartFindsTheShimOfThePod) {
  Fd listener = listen();
  for (const char* id : {"one", "two"}) {
    auto answer = start_action(command(id), "");
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(*answer, "unix://" + socket());
    EXPECT_EQ(read_file(at(cat(id, "/address"))).value(), "unix://" + socket());
  }
}

TEST_F(ShimBootstrapTest, StartAnswersInTheFormOfTheQuestion) {
  Fd listener = listen();
  rpc::bootstrap::BootstrapParams params;
  params.instance_id = "one";
  params.containerd_version = "2.3.0";
  auto answer = start_action(command("one"), rpc::encode(params));
  ASSERT_TRUE(answer) << answer.error().message();
  auto result = rpc::decode<rpc::bootstrap::BootstrapResult>(*answer);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->address, "unix://" + socket());
  EXPECT_EQ(result->protocol, "ttrpc");
  EXPECT_EQ(result->version, 3);
  // Those of another container are not ours.
  params.instance_id = "two";
  EXPECT_EQ(start_action(command("one"), rpc::encode(params)).value(), "unix://" + socket());
}

TEST_F(ShimBootstrapTest, StartNeedsNamesAndAConfiguration) {
  CommandLine line = command("one");
  line.name_space.clear();
  EXPECT_EQ(start_action(line, "").error().code(), Code::kInvalidArgument);
  line = command("one");
  std::filesystem::remove(at("one/config.json"));
  EXPECT_EQ(start_action(line, "").error().code(), Code::kNotFound);
}

TEST_F(ShimBootstrapTest, SocketsDifferByDaemonNamespaceAndGroup) {
  std::string path = socket_path("/s", "/a", "n", "g");
  EXPECT_EQ(socket_path("/s", "/a", "n", "g"), path);
  EXPECT_NE(socket_path("/s", "/b", "n", "g"), path);
  EXPECT_NE(socket_path("/s", "/a", "m", "g"), path);
  EXPECT_NE(socket_path("/s", "/a", "n", "h"), path);
  EXPECT_NE(socket_path("/s", "/a", "n1", "g"), socket_path("/s", "/a", "n", "1g"));
  EXPECT_EQ(path.size(), std::string_view("/s/").size() + 32);
}

TEST_F(ShimBootstrapTest, DeleteTakesTheSocketOfADeadShimAlong) {
  {
    Fd listener = listen();
    ASSERT_TRUE(start_action(command("one"), ""));
  }
  ASSERT_TRUE(std::filesystem::exists(socket()));
  auto answer = delete_action(command("one"));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_FALSE(std::filesystem::exists(socket()));
  auto response = rpc::decode<rpc::task::DeleteResponse>(*answer);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->exit_status, 137U);
  // A second time there is nothing left to do.
  EXPECT_TRUE(delete_action(command("one")));
}

TEST_F(ShimBootstrapTest, DeleteLeavesTheSocketOfAShimThatLives) {
  Fd listener = listen();
  ASSERT_TRUE(start_action(command("one"), ""));
  ASSERT_TRUE(delete_action(command("one")));
  EXPECT_TRUE(std::filesystem::exists(socket()));
}

}  // namespace
}  // namespace dhow::shim
