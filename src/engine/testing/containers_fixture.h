// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <condition_variable>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/builtin_images.h"
#include "engine/container_config_json.h"
#include "engine/containers_impl.h"
#include "engine/testing/content_fixture.h"
#include "engine/testing/fake_tasks.h"
#include "snapshot/overlay.h"
#include "snapshot/tree.h"

namespace dhow::engine {

// The use cases on shims that are none: what happens to a container is up to the test.
class ContainersTest : public ContentFixture {
 protected:
  void SetUp() override {
    const char* images = ::getenv("DHOW_IMAGES");
    if (images == nullptr) GTEST_SKIP() << "DHOW_IMAGES says where the images are: run by ctest";
    ContentFixture::SetUp();
    std::string pattern = "/dev/shm/dhow-containers.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    options_.root = pattern;
    options_.state = pattern + "/state";
    snapshots_ = snapshot::open_overlay(options_.root + "/snapshots", *database_).value();
    leases_.emplace(*database_);
    images_.emplace(*database_);
    stores_.emplace(ImageStores{*leases_, *store_, *snapshots_, *images_});
    events_.emplace(*database_);
    reader_.emplace(*stores_, oci::host_platform());
    volume_store_ =
        volume::Store::open(options_.root + "/volumes", *database_, snapshot::remove_deep_tree)
            .value();
    volumes_.emplace(*volume_store_, *events_,
                     std::vector<std::string>{options_.root + "/plugins"});
    for (const char* name : {"busybox", "hello"}) {
      auto loaded = load_builtin_image(*stores_, name, {images, "moby"});
      ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
    }
    open();
  }
  void TearDown() override {
    if (!store_) return;
    containers_.reset();
    volumes_.reset();
    volume_store_.reset();
    reader_.reset();
    events_.reset();
    stores_.reset();
    images_.reset();
    leases_.reset();
    snapshots_.reset();
    std::filesystem::remove_all(options_.root);
    ContentFixture::TearDown();
  }
  void open() {
    containers_.reset();
    auto impl = std::make_unique<ContainersImpl>(
        options_, ContainerStores{*database_, *stores_, *events_, *reader_, *volumes_},
        [this](task::TasksOptions options) -> Result<std::unique_ptr<task::Tasks>> {
          return make_fake_tasks(shims_, options);
        });
    auto status = impl->open();
    ASSERT_TRUE(status.has_value()) << status.error().message();
    containers_ = std::make_unique<Containers>(std::move(impl));
  }
  Result<CreateAnswer> try_create(std::string_view json, const std::string& name = {}) {
    CreateRequest request;
    request.name = name;
    TRY_ASSIGN(request.config, parse_create_config(json));
    return containers_->create(request);
  }
  std::string create(std::string_view json, const std::string& name = {}) {
    auto made = try_create(json, name);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? made->id : std::string();
  }
  void start(const std::string& ref) {
    auto started = containers_->start(ref);
    ASSERT_TRUE(started.has_value()) << started.error().message();
  }
  ContainerState state(const std::string& ref) { return containers_->inspect(ref)->state; }
  // Blocks until the next end, of which the test takes care by `what`.
  int end(const std::string& ref, const std::function<void()>& what) {
    return when(ref, WaitCondition::kNextExit, what);
  }
  int when(const std::string& ref, WaitCondition condition, const std::function<void()>& what) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<int> code;
    auto watch = containers_->watch(ref, condition, [&](const WaitAnswer& answer) {
      std::lock_guard lock(mutex);
      code = answer.exit_code;
      changed.notify_all();
    });
    EXPECT_TRUE(watch.has_value());
    what();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return code.has_value(); });
    return *code;
  }
  std::vector<std::string> actions() {
    std::vector<std::string> result;
    EventQuery query;
    query.since = 0;
    query.until = metadata::now() + 1;
    EXPECT_TRUE(events_->read(query,
                              [&](const Event& event) -> Status {
                                result.push_back(event.action);
                                return {};
                              },
                              {}));
    return result;
  }
  // Waits for an event, which comes.
  void wait_event(const std::string& action, int count = 1) {
    std::stop_source stop;
    EventQuery query;
    query.since = 0;
    std::ignore = events_->read(
        query,
        [&](const Event& event) -> Status {
          if (event.action == action && --count == 0) stop.request_stop();
          return {};
        },
        stop.get_token());
  }

  EngineOptions options_;
  std::unique_ptr<snapshot::Snapshotter> snapshots_;
  std::optional<metadata::LeaseStore> leases_;
  std::optional<image::Store> images_;
  std::optional<ImageStores> stores_;
  std::optional<Events> events_;
  std::optional<ImageReader> reader_;
  std::unique_ptr<volume::Store> volume_store_;
  std::optional<Volumes> volumes_;
  FakeShims shims_;
  std::unique_ptr<Containers> containers_;
};

}  // namespace dhow::engine
