// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "base/strings.h"
#include "engine/testing/containers_fixture.h"
#include "oci/config_codec.h"
#include "oci/json_value.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A driver of docker's kind: a thread that answers on a socket, one connection after the other.
class FakePlugin {
 public:
  explicit FakePlugin(const std::string& folder, const std::string& place) : place_(place) {
    fs::create_directories(folder);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    cat(folder, "/fake.sock").copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakePlugin() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  std::vector<std::string> take_calls() {
    std::lock_guard lock(mutex_);
    return std::exchange(calls_, {});
  }
  void refuse(const std::string& method) {
    std::lock_guard lock(mutex_);
    refused_ = method;
  }

 private:
  void serve() {
    while (true) {
      Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (client.get() < 0) return;
      std::string request;
      char buffer[4096];
      for (ssize_t got = 1; got > 0 && !is_whole(request);) {
        got = ::recv(client.get(), buffer, sizeof buffer, 0);
        if (got > 0) request.append(buffer, static_cast<std::size_t>(got));
      }
      std::string body = answer(request);
      std::string text =
          cat("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n\r\n",
              body);
      std::ignore = ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }
  }
  static bool is_whole(const std::string& request) {
    std::size_t end = request.find("\r\n\r\n");
    std::size_t length = request.find("Content-Length: ");
    if (end == std::string::npos || length == std::string::npos) return false;
    return request.size() >= end + 4 + std::stoul(request.substr(length + 16));
  }
  std::string answer(const std::string& request) {
    std::lock_guard lock(mutex_);
    std::string method = request.substr(6, request.find(' ', 6) - 6);
    if (method == "Plugin.Activate") return R"({"Implements":["VolumeDriver"]})";
    method = method.substr(method.find('.') + 1);
    calls_.push_back(cat(method, " ", request.substr(request.find("\r\n\r\n") + 4)));
    if (method == refused_) return R"({"Err":"not today"})";
    return cat(R"({"Err":"","Mountpoint":")", place_, "\"}");
  }

  std::string place_;
  Fd listener_;
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::string refused_;
  std::thread thread_;
};

class VolumePluginTest : public ContainersTest {};

TEST_F(VolumePluginTest, AskedForWhatContainersDo) {
  std::string place = options_.root + "/elsewhere";
  fs::create_directories(place);
  FakePlugin plugin(options_.root + "/plugins", place);
  auto made = volumes_->create({.name = "data",
                                .driver = "fake",
                                .options = {{"size", "big"}},
                                .labels = {},
                                .created = 0,
                                .owner = {}});
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_EQ(made->mountpoint, place);
  EXPECT_THAT(plugin.take_calls(),
              ElementsAre(R"(Create {"Name":"data","Opts":{"size":"big"}})", HasSubstr("Path")));
  // Whoever doesn't say which driver gets what is there; any other is in the way.
  std::string id = create(R"({"Image": "busybox", "Cmd": ["true"], "HostConfig": {
      "Binds": ["data:/x"]}})");
  auto other = volumes_->create(
      {.name = "data", .driver = "local", .options = {}, .labels = {}, .created = 0, .owner = {}});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code(), Code::kAlreadyExists);
  plugin.take_calls();
  start(id);
  EXPECT_THAT(plugin.take_calls(), ElementsAre(cat(R"(Mount {"Name":"data","ID":")", id, "\"}")));
  auto config = oci::parse_config(shims_.get(id).config);
  ASSERT_TRUE(config.has_value());
  EXPECT_TRUE(std::ranges::any_of(config->mounts, [&](const oci::Mount& mount) {
    return mount.destination == "/x" && mount.source == place;
  }));
  end(id, [&] { shims_.end(id, 0); });
  // Its answer to the end is awaited by what comes next.
  ASSERT_TRUE(containers_->remove(id));
  EXPECT_THAT(plugin.take_calls(), ElementsAre(cat(R"(Unmount {"Name":"data","ID":")", id, "\"}")));
  plugin.refuse("Remove");
  auto refused = volumes_->remove("data", false);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("not today"));
  EXPECT_TRUE(volumes_->inspect("data").has_value());
  plugin.refuse("");
  EXPECT_TRUE(volumes_->remove("data", false));
  EXPECT_FALSE(volumes_->inspect("data").has_value());
}

TEST_F(VolumePluginTest, RefusalsAreTold) {
  volume::Record wanted;
  wanted.name = "data";
  wanted.driver = "fake";
  auto missing = volumes_->create(wanted);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_EQ(missing.error().message(),
            "create data: error looking up volume plugin fake: plugin \"fake\" not found");
  FakePlugin plugin(options_.root + "/plugins", "/nowhere");
  plugin.refuse("Create");
  auto refused = volumes_->create(wanted);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message(), "create data: VolumeDriver.Create: not today");
  EXPECT_FALSE(volumes_->inspect("data").has_value());
  plugin.refuse("Mount");
  ASSERT_TRUE(volumes_->create(wanted).has_value());
  std::string id = create(R"({"Image": "busybox", "Cmd": ["true"], "HostConfig": {
      "Mounts": [{"Type": "volume", "Source": "data", "Target": "/x",
                  "VolumeOptions": {"DriverConfig": {"Name": "fake"}}}]}})");
  auto started = containers_->start(id);
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message(), HasSubstr("VolumeDriver.Mount: not today"));
}

}  // namespace
}  // namespace dhow::engine
