// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/builtin_images.h"
#include "engine/image_import.h"
#include "engine/image_settle.h"
#include "engine/testing/content_fixture.h"
#include "metadata/collector.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"
#include "sys/spawn.h"
#include "sys/testing/forked.h"
#include "unpack/file_source.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class BuiltinImagesTest : public ContentFixture {
 protected:
  void SetUp() override {
    const char* images = ::getenv("DHOW_IMAGES");
    const char* runtime = ::getenv("DHOW_RUNTIME");
    if (images == nullptr || runtime == nullptr) {
      GTEST_SKIP() << "DHOW_IMAGES and DHOW_RUNTIME say what to test: run by ctest";
    }
    options_ = {images, "moby"};
    runtime_ = runtime;
    ContentFixture::SetUp();
    ASSERT_TRUE(metadata::LeaseStore(*database_).remove("import").has_value());
    std::string pattern = "/dev/shm/dhow-builtin.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    place_ = pattern;
    snapshots_ = snapshot::open_overlay(place_ + "/snapshots", *database_).value();
    leases_.emplace(*database_);
    images_.emplace(*database_);
  }
  void TearDown() override {
    if (!store_) return;
    images_.reset();
    leases_.reset();
    snapshots_.reset();
    fs::remove_all(place_);
    ContentFixture::TearDown();
  }
  Result<Pulled> load(std::string_view name) {
    return load_builtin_image({*leases_, *store_, *snapshots_, *images_}, name, options_);
  }
  // What a container of that snapshot says. Its mounts go with a child of the test.
  std::string run(const std::string& snapshot, const std::string& arguments) {
    return ::dhow::testing::in_child([&]() -> std::string {
      auto output = run_here(snapshot, arguments);
      return output ? *output : output.error().message();
    });
  }
  Result<std::string> run_here(const std::string& snapshot, const std::string& arguments) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return fail_errno(errno, "make a mount namespace");
    }
    std::string bundle = place_ + "/bundle";
    TRY(make_dirs(bundle + "/rootfs", 0755));
    snapshot::NewSnapshot wanted;
    wanted.key = "container";
    wanted.parent = snapshot;
    TRY_ASSIGN(snapshot::MountPlan plan, snapshots_->prepare(wanted));
    TRY_ASSIGN(MountFd root, snapshot::mount(plan));
    {
      TRY_ASSIGN(Fd target, open_at(kCwd, bundle + "/rootfs", O_PATH | O_DIRECTORY));
      TRY(root.attach(target));
    }
    std::string id = cat("dhow-builtin-", ::getpid());
    std::string config =
        cat(R"({"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"args":)", arguments,
            R"(,"cwd":"/","env":["PATH=/bin"],"user":{"uid":0,"gid":0}},"mounts":[)",
            R"({"destination":"/proc","type":"proc","source":"proc"}],"linux":{"cgroupsPath":"/)",
            id, R"(","namespaces":[{"type":"pid"},{"type":"mount"},{"type":"network"}]}})");
    TRY_ASSIGN(Fd folder, open_at(kCwd, bundle, O_RDONLY | O_DIRECTORY));
    TRY(replace_file(folder, "config.json", config, 0600));
    TRY_ASSIGN(SpawnOutput output,
               run_program({runtime_, "--root", place_ + "/state", "run", "--bundle", bundle, id}));
    TRY(snapshots_->remove("container"));
    return cat(output.output, output.error_text, output.exit_code == 0 ? "" : " (failed)");
  }

  BuiltinOptions options_;
  std::string runtime_;
  std::string place_;
  std::unique_ptr<snapshot::Snapshotter> snapshots_;
  std::optional<metadata::LeaseStore> leases_;
  std::optional<image::Store> images_;
};

TEST_F(BuiltinImagesTest, HelloSaysThatItWorks) {
  auto loaded = load("hello");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  EXPECT_EQ(loaded->image.name, "docker.io/library/hello:latest");
  EXPECT_EQ(images_->get("moby", loaded->image.name)->digest, loaded->image.digest);
  EXPECT_THAT(run(loaded->snapshot, R"(["/hello"])"),
              AllOf(StartsWith("Hello from dhow!\n"), HasSubstr("the installation works")));
  struct stat info{};
  ASSERT_EQ(::stat((options_.folder + "/hello.tar").c_str(), &info), 0);
  EXPECT_LT(info.st_size, 16'384) << "it is in every installation";
}

TEST_F(BuiltinImagesTest, BusyboxHasAShell) {
  auto loaded = load("docker.io/library/busybox");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  EXPECT_EQ(run(loaded->snapshot,
                R"(["sh","-c","id -un; echo $((6 * 7)) >/tmp/x; cat /tmp/x; ls -d /usr/bin/env"])"),
            "root\n42\n/usr/bin/env\n");
}

TEST_F(BuiltinImagesTest, UnpackingIsTold) {
  auto lease = leases_->create({});
  ASSERT_TRUE(lease.has_value()) << lease.error().message();
  auto file = open_at(kCwd, options_.folder + "/hello.tar", O_RDONLY);
  ASSERT_TRUE(file.has_value()) << file.error().message();
  unpack::FileSource archive(std::move(*file), "read the archive");
  ImportOptions importing;
  importing.lease = lease->id;
  auto images = import_images(archive, *store_, importing);
  ASSERT_TRUE(images.has_value()) << images.error().message();
  std::vector<ProgressEvent> seen;
  {
    Progress progress([&](const ProgressEvent& event) { seen.push_back(event); });
    SettleOptions options;
    options.lease = lease->id;
    options.progress = &progress;
    auto top =
        settle_image({*leases_, *store_, *snapshots_, *images_}, images->at(0).target, options);
    ASSERT_TRUE(top.has_value()) << top.error().message();
  }
  ASSERT_GE(seen.size(), 3U);
  EXPECT_EQ(seen.front().phase, ProgressPhase::kWaiting);
  const ProgressEvent& last = seen[seen.size() - 2];
  EXPECT_EQ(last.phase, ProgressPhase::kUnpacking);
  EXPECT_EQ(last.bytes, last.total);
  EXPECT_EQ(seen.back().phase, ProgressPhase::kDone);
}

TEST_F(BuiltinImagesTest, TheirNamesAreKnown) {
  EXPECT_THAT(builtin_images(options_.folder).value(), ElementsAre("busybox", "hello"));
  EXPECT_THAT(builtin_images(place_ + "/none").value(), IsEmpty());
  for (const char* name : {"other", "hello:2", "example.com/hello", "user/hello", "library/../x"}) {
    auto loaded = load(name);
    ASSERT_FALSE(loaded.has_value()) << name;
    EXPECT_TRUE(loaded.error().code() == Code::kNotFound ||
                loaded.error().code() == Code::kInvalidArgument)
        << name;
  }
  EXPECT_EQ(load("other").error().message(),
            "no image \"other\" comes with dhow; there are: busybox, hello");
}

TEST_F(BuiltinImagesTest, LoadedTwiceIsLoadedOnceAndStays) {
  auto first = load("hello");
  auto second = load("hello:latest");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->image.digest, second->image.digest);
  EXPECT_THAT(leases_->list().value(), IsEmpty());
  metadata::Collector collector(*database_, store_->remover(), snapshots_->remover());
  auto counts = collector.collect();
  ASSERT_TRUE(counts.has_value()) << counts.error().message();
  EXPECT_EQ(counts->blobs + counts->snapshots, 0U) << "the name keeps all of it";
  EXPECT_EQ(store_->list()->size(), 3U);
}

// The same programs make the same archives.
TEST_F(BuiltinImagesTest, MadeAgainTheyAreTheSame) {
  std::string tools = options_.folder + "/../../../tools/";
  std::string again = place_ + "/again.tar";
  for (const auto& [name, program] :
       {std::pair<std::string, std::string>("hello", tools + "dhow-hello"),
        std::pair<std::string, std::string>("busybox", "busybox")}) {
    std::string path = program;
    if (name == "busybox") {
      path = std::string(trim(run_program({"sh", "-c", "command -v busybox"})->output));
    }
    auto made = run_program({tools + "dhow-make-image", name, path, again});
    ASSERT_EQ(made->exit_code, 0) << made->error_text;
    EXPECT_TRUE(read_file(again).value() ==
                read_file(cat(options_.folder, "/", name, ".tar")).value())
        << name;
  }
  // A program that needs libraries would not run in the image.
  auto refused = run_program({tools + "dhow-make-image", "busybox", "/bin/ls", again});
  EXPECT_THAT(refused->error_text, HasSubstr("not linked statically"));
}

}  // namespace
}  // namespace dhow::engine
