// SPDX-License-Identifier: Apache-2.0
// What stock tools write, we read, and the other way round.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/image_export.h"
#include "engine/image_import.h"
#include "engine/image_tree.h"
#include "engine/testing/content_fixture.h"
#include "engine/testing/stock_daemon.h"
#include "oci/image_codec.h"
#include "sys/file_io.h"
#include "unpack/file_source.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using unpack::TarBuilder;

class FdSink : public unpack::ByteSink {
 public:
  explicit FdSink(Fd file) : file_(std::move(file)) {}
  Status write(std::string_view piece) override { return write_all(file_, piece); }

 private:
  Fd file_;
};

bool has(const std::string& tool) {
  return std::system(("command -v " + tool + " >/dev/null 2>&1").c_str()) == 0;
}

#define NEEDS(tool) \
  if (!has(tool)) GTEST_SKIP() << "there is no " << (tool)

class ImageInteropTest : public ContentFixture {
 protected:
  void SetUp() override {
    ContentFixture::SetUp();
    make_image(true);
  }
  void make_image(bool removes) {
    std::string lower = TarBuilder().folder("bin").file("bin/true", "program").finish();
    TarBuilder above;
    above.folder("bin").file("etc", "x");
    if (removes) above.file("bin/.wh.true");
    std::string upper = above.finish();
    oci::Image image;
    image.created = "2026-01-02T03:04:05Z";
    image.platform = {"linux", "amd64", {}, {}, {}};
    image.config.cmd = {{"/bin/true"}};
    image.diff_ids = {digest_of(lower), digest_of(upper)};
    oci::Manifest manifest;
    manifest.media_type = oci::media_type::kOciManifest;
    manifest.config = put(oci::media_type::kOciConfig, oci::image_json(image));
    manifest.layers = {put(oci::media_type::kOciLayer, lower),
                       put(oci::media_type::kOciLayer, upper)};
    target_ = put(oci::media_type::kOciManifest, oci::manifest_json(manifest));
    config_ = manifest.config.digest;
  }
  std::string path(std::string_view name) const { return cat(folder_, "/", name); }
  void export_to(const std::string& file) {
    FdSink sink(open_at(kCwd, file, O_WRONLY | O_CREAT | O_TRUNC, 0600).value());
    auto status = export_images(*store_, {{{"docker.io/library/app:1"}, target_}},
                                {.platform = {"linux", "amd64", {}, {}, {}}}, sink);
    ASSERT_TRUE(status.has_value()) << status.error().message();
  }
  // Runs a command line of the shell in the test's folder; its output when it fails is the fault.
  void shell(const std::string& line) {
    std::string log = path("log");
    int status = std::system(cat("cd ", folder_, " && { ", line, "; } >", log, " 2>&1").c_str());
    ASSERT_EQ(status, 0) << line << "\n" << read_file(log).value_or("");
  }
  // Imports a file and finds the image that was made in the beginning in it.
  std::vector<std::string> expect_import(const std::string& file) {
    unpack::FileSource source(open_at(kCwd, file, O_RDONLY).value(), "read the archive");
    auto images = import_images(
        source, *store_, {.lease = "import", .repository = "x.example/app", .progress = nullptr});
    if (!images) return {images.error().message()};
    if (images->size() != 1) return {"not one image"};
    bool found = false;
    auto status =
        walk_tree(*store_, images->at(0).target, [&](const oci::Descriptor& node) -> Status {
          found = found || node.digest == config_;
          return {};
        });
    if (!status) return {status.error().message()};
    EXPECT_TRUE(found) << "its configuration is another one";
    return images->at(0).names;
  }

  oci::Descriptor target_;
  Digest config_;
};

constexpr std::string_view kSkopeo = "skopeo --insecure-policy copy -q ";

TEST_F(ImageInteropTest, SkopeoReadsBothKindsOfArchive) {
  NEEDS("skopeo");
  export_to(path("image.tar"));
  shell(cat(kSkopeo, "docker-archive:image.tar:app:1 dir:from-docker"));
  shell(cat(kSkopeo, "oci-archive:image.tar dir:from-oci"));
  for (std::string_view folder : {"from-docker", "from-oci"}) {
    EXPECT_TRUE(read_file(path(cat(folder, "/", config_.hex()))).has_value()) << folder;
  }
}

TEST_F(ImageInteropTest, WhatSkopeoWritesIsRead) {
  NEEDS("skopeo");
  export_to(path("image.tar"));
  shell(cat(kSkopeo, "oci-archive:image.tar docker-archive:docker.tar:library/app:2"));
  EXPECT_THAT(expect_import(path("docker.tar")), ElementsAre("docker.io/library/app:2"));
  shell(cat(kSkopeo, "oci-archive:image.tar oci-archive:oci.tar:3"));
  EXPECT_THAT(expect_import(path("oci.tar")), ElementsAre("x.example/app:3"));
  shell("gzip -k docker.tar");
  EXPECT_THAT(expect_import(path("docker.tar.gz")), ElementsAre("docker.io/library/app:2"));
}

TEST_F(ImageInteropTest, UmociUnpacksAndPacksAgain) {
  NEEDS("umoci");
  export_to(path("image.tar"));
  shell("mkdir layout && tar -C layout -xf image.tar");
  shell(
      "umoci unpack --rootless --image layout:1 bundle && test -e bundle/rootfs/etc"
      " && test ! -e bundle/rootfs/bin/true");
  shell(
      "umoci tag --image layout:1 again && tar -C layout -cf again.tar . && umoci ls --layout "
      "layout");
  auto names = expect_import(path("again.tar"));
  EXPECT_THAT(names, ElementsAre("docker.io/library/app:1", "docker.io/library/app:again"));
}

TEST_F(ImageInteropTest, PodmanLoadsAndSaves) {
  NEEDS("podman");
  if (::geteuid() != 0) GTEST_SKIP() << "podman would need subordinate ids";
  make_image(
      false);  // podman's storage without overlayfs cannot save a layer that removes something
  export_to(path("image.tar"));
  std::string podman = "podman --root " + path("p") + " --runroot " + path("r") +
                       " --storage-driver vfs --events-backend none ";
  shell(podman + "load -i image.tar && " + podman + "image inspect docker.io/library/app:1");
  for (std::string_view format : {"docker-archive", "oci-archive"}) {
    std::string file = cat(format, ".tar");
    shell(cat(podman, "save --format ", format, " -o ", file, " docker.io/library/app:1"));
    EXPECT_THAT(expect_import(path(file)), ::testing::Contains(HasSubstr("app:1"))) << format;
  }
}

TEST_F(ImageInteropTest, BuildahReadsAndWrites) {
  NEEDS("buildah");
  if (::geteuid() != 0) GTEST_SKIP() << "buildah would need subordinate ids";
  make_image(false);  // its storage is podman's
  export_to(path("image.tar"));
  std::string buildah =
      "buildah --root " + path("p") + " --runroot " + path("r") + " --storage-driver vfs ";
  for (std::string_view format : {"docker-archive", "oci-archive"}) {
    std::string_view name = format == "docker-archive" ? ":app:1" : "";
    shell(cat(buildah, "pull -q ", format, ":image.tar", name, " >id && ", buildah,
              "inspect --type image $(cat id) | grep -q /bin/true"));
    std::string file = cat(format, ".out.tar");
    shell(cat(buildah, "push -q $(cat id) ", format, ":", file, ":app:2"));
    EXPECT_THAT(expect_import(path(file)), ::testing::Contains(HasSubstr("app:2"))) << format;
  }
  // A container of it is committed on top of our layers.
  shell(cat(buildah, "from -q --pull-never --name work $(cat id) && ", buildah,
            "config --cmd /bin/other work && ", buildah,
            "commit -q work oci-archive:made.tar:x.example/made:3"));
  unpack::FileSource source(open_at(kCwd, path("made.tar"), O_RDONLY).value(), "read the archive");
  auto images =
      import_images(source, *store_, {.lease = "import", .repository = "app", .progress = nullptr});
  ASSERT_TRUE(images.has_value()) << images.error().message();
  EXPECT_THAT(images->at(0).names, ElementsAre(HasSubstr("made:3")));
}

// Both without a network, in folders of their own.
TEST_F(ImageInteropTest, DockerLoadsAndSaves) {
  NEEDS("dockerd");
  NEEDS("/usr/bin/docker");
  export_to(path("image.tar"));
  std::string host = cat("unix://", path("socket"));
  std::ofstream(path("none.json")) << "{}";
  auto daemon = StockDaemon::start(
      {"dockerd", "--host", host, "--data-root", path("data"), "--exec-root", path("exec"),
       "--pidfile", path("pid"), "--config-file", path("none.json"), "--storage-driver", "vfs",
       "--iptables=false", "--ip6tables=false", "--bridge=none"},
      folder_);
  ASSERT_TRUE(daemon.has_value()) << daemon.error().message();
  std::string docker = cat("/usr/bin/docker -H ", host, " ");
  shell(docker + "load -i image.tar && " + docker + "image inspect app:1 >inspected");
  EXPECT_THAT(read_file(path("inspected")).value(), HasSubstr("/bin/true"));
  // The tree that docker makes of it.
  shell(docker + "create --name app app:1 && " + docker +
        "export app >tree.tar && tar -tf tree.tar");
  EXPECT_THAT(read_file(path("log")).value(),
              ::testing::AllOf(HasSubstr("bin/\n"), ::testing::Not(HasSubstr("bin/true"))));
  make_image(false);  // of layers that remove something this storage can't save, as podman's
  export_to(path("image.tar"));
  shell(docker + "load -i image.tar && " + docker + "tag app:1 x.example/other:2 && " + docker +
        "save -o saved.tar app:1 x.example/other:2");
  EXPECT_THAT(expect_import(path("saved.tar")),
              ::testing::UnorderedElementsAre("docker.io/library/app:1", "x.example/other:2"));
}

TEST_F(ImageInteropTest, ContainerdImportsAndExports) {
  NEEDS("containerd");
  NEEDS("ctr");
  export_to(path("image.tar"));
  std::ofstream(path("config.toml")) << "version = 2\ndisabled_plugins = "
                                        "[\"io.containerd.grpc.v1.cri\"]\n";
  auto daemon =
      StockDaemon::start({"containerd", "--config", path("config.toml"), "--root", path("data"),
                          "--state", path("state"), "--address", path("socket")},
                         folder_);
  ASSERT_TRUE(daemon.has_value()) << daemon.error().message();
  std::string ctr = cat("ctr -a ", path("socket"), " images ");
  std::string name = "docker.io/library/app:1";
  shell(ctr + "import --all-platforms --snapshotter native image.tar && " + ctr + "ls -q");
  EXPECT_THAT(read_file(path("log")).value(), HasSubstr(name));
  shell(ctr + "export --all-platforms exported.tar " + name);
  EXPECT_THAT(expect_import(path("exported.tar")), ElementsAre(name));
}

}  // namespace
}  // namespace dhow::engine
