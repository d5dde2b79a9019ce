// SPDX-License-Identifier: Apache-2.0
// Images, by docker's command line.
#include <fstream>

#include "base/hasher.h"
#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "registry/testing/docker_registry.h"
#include "registry/testing/http_server.h"
#include "sys/file_io.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::daemon_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class DaemonImagesTest : public BusyboxTest {
 protected:
  // A root file system of one file, as an archive.
  void fs_tar() {
    std::ofstream((folder_ / "root.tar").string()) << unpack::TarBuilder().file("x", "y").finish();
  }
  // An archive for `docker load` of an image of that layer.
  std::string archive_of(const std::string& layer, const std::string& name) {
    std::string config =
        cat(R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[")",
            digest_of(layer).text(), R"("]}})");
    std::string list =
        cat(R"([{"Config":"config.json","RepoTags":[")", name, R"("],"Layers":["layer.tar"]}])");
    unpack::TarBuilder whole;
    whole.file("config.json", config).file("layer.tar", layer).file("manifest.json", list);
    std::string path = (folder_ / "image.tar").string();
    std::ofstream(path) << whole.finish();
    return path;
  }
  std::size_t snapshots() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_ / "root/snapshots/snapshots"),
                      std::filesystem::directory_iterator()));
  }
  std::string names() { return docker_output({"images", "--format", "{{.Repository}}:{{.Tag}}"}); }
};

TEST_F(DaemonImagesTest, TagsListsAndRemoves) {
  docker_output({"tag", "busybox", "r.io/team/app:1"});
  EXPECT_THAT(names(), AllOf(HasSubstr("busybox:latest"), HasSubstr("r.io/team/app:1")));
  std::string id = docker_output({"inspect", "--format", "{{.Id}}", "busybox"});
  EXPECT_EQ(docker_output({"rmi", "r.io/team/app:1"}), "Untagged: r.io/team/app:1");
  EXPECT_EQ(docker_output({"rmi", "busybox"}), cat("Untagged: busybox:latest\nDeleted: ", id));
  EXPECT_EQ(names(), "");
  SpawnOutput gone = docker({"rmi", "busybox"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_THAT(gone.error_text, HasSubstr("No such image: busybox:latest"));
}

TEST_F(DaemonImagesTest, InspectsAndTellsTheHistory) {
  EXPECT_THAT(docker_output({"image", "inspect", "busybox"}),
              AllOf(HasSubstr("\"RepoTags\""), HasSubstr("\"busybox:latest\""),
                    HasSubstr("\"RootFS\""), HasSubstr("\"Os\": \"linux\"")));
  EXPECT_THAT(docker_output({"history", "--format", "{{.ID}} {{.Size}}", "busybox"}),
              MatchesRegex("[0-9a-f]{12} .*"));
  SpawnOutput missing = docker({"image", "inspect", "nothing"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.error_text, HasSubstr("No such image: nothing"));
}

TEST_F(DaemonImagesTest, FiltersTheList) {
  docker_output({"tag", "busybox", "team/app:1"});
  EXPECT_EQ(
      docker_output({"images", "--format", "{{.Repository}}", "--filter", "reference=team/*"}),
      "team/app");
  EXPECT_EQ(docker_output({"images", "-q", "--filter", "dangling=true"}), "");
  EXPECT_EQ(docker_output({"images", "-q", "--filter", "label=nothing"}), "");
  SpawnOutput wrong = docker({"images", "--filter", "x=y"});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.error_text, HasSubstr("invalid filter 'x'"));
}

TEST_F(DaemonImagesTest, SavesAndLoads) {
  std::string archive = (folder_ / "busybox.tar").string();
  std::string id = docker_output({"inspect", "--format", "{{.Id}}", "busybox"});
  docker_output({"save", "-o", archive, "busybox"});
  docker_output({"rmi", "busybox"});
  EXPECT_EQ(docker_output({"load", "-i", archive}), "Loaded image: busybox:latest");
  EXPECT_EQ(docker_output({"inspect", "--format", "{{.Id}}", "busybox"}), id);
  SpawnOutput missing = docker({"save", "-o", archive, "nothing"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.error_text, HasSubstr("No such image: nothing:latest"));
  SpawnOutput garbage = docker({"load"}, "this is no archive");
  EXPECT_EQ(garbage.exit_code, 1);
}

TEST_F(DaemonImagesTest, ImportsARootFileSystem) {
  fs_tar();
  std::string id = docker_output(
      {"import", "-c", "CMD [\"/x\"]", "-m", "hello", (folder_ / "root.tar").string(), "made:1"});
  EXPECT_THAT(id, StartsWith("sha256:"));
  EXPECT_EQ(
      docker_output({"inspect", "--format", "{{.Id}} {{.Config.Cmd}} {{.Comment}}", "made:1"}),
      cat(id, " [/x] hello"));
  SpawnOutput wrong = docker({"import", "-c", "RUN x", (folder_ / "root.tar").string()});
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.error_text, HasSubstr("RUN is not a valid change command"));
}

TEST_F(DaemonImagesTest, AnImageThatLosesItsNameDangles) {
  fs_tar();
  std::string old = docker_output({"import", (folder_ / "root.tar").string(), "made:1"});
  docker_output({"tag", "busybox", "made:1"});
  EXPECT_EQ(docker_output({"images", "-q", "--no-trunc", "--filter", "dangling=true"}), old);
  EXPECT_THAT(docker_output({"image", "prune", "-f"}), HasSubstr(cat("deleted: ", old)));
  EXPECT_EQ(docker_output({"images", "-q", "--filter", "dangling=true"}), "");
  EXPECT_THAT(names(), HasSubstr("made:1"));
}

TEST_F(DaemonImagesTest, PushesAndPulls) {
  std::string missing = registry::testing::DockerRegistry::missing();
  if (!missing.empty()) GTEST_SKIP() << missing;
  std::filesystem::create_directory(folder_ / "registry");
  auto registry = registry::testing::DockerRegistry::start({.folder = folder_ / "registry"});
  ASSERT_TRUE(registry.has_value()) << registry.error().message();
  std::string name = (*registry)->domain() + "/team/app:1";
  docker_output({"tag", "busybox", name});
  std::string pushed = docker_output({"push", name});
  EXPECT_THAT(pushed, AllOf(HasSubstr("The push refers to repository ["), HasSubstr("Pushed"),
                            HasSubstr("1: digest: sha256:")));
  EXPECT_THAT(docker_output({"push", name}), HasSubstr("Layer already exists"));
  docker_output({"rmi", name, "busybox"});
  std::string pulled = docker_output({"pull", name});
  EXPECT_THAT(pulled, AllOf(HasSubstr("1: Pulling from team/app"), HasSubstr("Pull complete"),
                            HasSubstr("Digest: sha256:"),
                            HasSubstr(cat("Status: Downloaded newer image for ", name))));
  EXPECT_THAT(docker_output({"pull", name}),
              HasSubstr(cat("Status: Image is up to date for ", name)));
  SpawnOutput unknown = docker({"pull", (*registry)->domain() + "/team/nothing"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.error_text, HasSubstr("Error response from daemon"));
}

// Where overlayfs does not work: the same, by copies.
TEST_F(DaemonImagesTest, CopiesWhereLayersCannotLieOverEachOther) {
  ASSERT_EQ(stop_daemon(SIGTERM), 0);
  std::filesystem::remove_all(folder_ / "root");
  std::ofstream(folder_ / "dhowd.toml", std::ios::app) << "storage-driver = \"vfs\"\n";
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  load_busybox();
  EXPECT_EQ(docker_output({"info", "--format", "{{.Driver}}"}), "native");
  EXPECT_EQ(run({"--name", "one", "busybox", "sh", "-c", "echo new > /new; rm /bin/sh"}).exit_code,
            0);
  EXPECT_THAT(docker_output({"diff", "one"}), AllOf(HasSubstr("A /new"), HasSubstr("D /bin/sh")));
  docker_output({"cp", "one:/new", (folder_ / "out").string()});
  EXPECT_EQ(read_file((folder_ / "out").string()).value_or(""), "new\n");
  docker_output({"commit", "one", "made:1"});
  ASSERT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(run({"--rm", "made:1", "ash", "-c", "cat /new; ls /bin/sh || echo gone"}).output,
            "new\ngone\n");
  SpawnOutput limited = run({"--rm", "--storage-opt", "size=1m", "busybox", "true"});
  EXPECT_THAT(limited.error_text,
              HasSubstr("--storage-opt is supported only for overlay over xfs"));
  docker_output({"rm", "one"});
  docker_output({"rmi", "made:1", "busybox"});
  EXPECT_EQ(
      std::distance(std::filesystem::directory_iterator(folder_ / "root/snapshots-vfs/snapshots"),
                    std::filesystem::directory_iterator()),
      0);
}

// Both kinds of manifests, with each kind of packed layers, as another program puts them there.
TEST_F(DaemonImagesTest, PullsEachFormByTagAndDigest) {
  std::string missing = registry::testing::DockerRegistry::missing();
  if (!missing.empty()) GTEST_SKIP() << missing;
  if (std::system("command -v skopeo >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no skopeo";
  std::filesystem::create_directory(folder_ / "registry");
  auto registry = registry::testing::DockerRegistry::start({.folder = folder_ / "registry"});
  ASSERT_TRUE(registry.has_value()) << registry.error().message();
  std::string archive = (folder_ / "busybox.tar").string();
  docker_output({"save", "-o", archive, "busybox"});
  docker_output({"rmi", "busybox"});
  for (std::string_view form : {"--format v2s2", "--format oci", "--dest-decompress --format oci",
                                "--format oci --dest-compress --dest-compress-format zstd"}) {
    SCOPED_TRACE(form);
    std::string name = (*registry)->domain() + "/team/form";
    std::string copy = cat(
        "skopeo --insecure-policy copy -q ", form, " --digestfile ", (folder_ / "digest").string(),
        " --dest-tls-verify=false oci-archive:", archive, " docker://", name, ":1");
    ASSERT_EQ(std::system(copy.c_str()), 0);
    std::string digest = read_file((folder_ / "digest").string()).value();
    for (const std::string& asked :
         {cat(name, ":1"), cat(name, "@", digest), cat(name, ":1@", digest)}) {
      EXPECT_THAT(docker_output({"pull", asked}), HasSubstr(digest));
      EXPECT_EQ(run({"--rm", asked, "echo", "works"}).output, "works\n");
      docker_output({"rmi", "-f", docker_output({"images", "-q", "--no-trunc"})});
      EXPECT_EQ(snapshots(), 0U);
    }
  }
}

// What ko and others make: taken, unless the configuration says otherwise.
TEST_F(DaemonImagesTest, RefusesOddLayersWhenStrict) {
  std::string missing = registry::testing::DockerRegistry::missing();
  if (!missing.empty()) GTEST_SKIP() << missing;
  std::filesystem::create_directory(folder_ / "registry");
  auto registry = registry::testing::DockerRegistry::start({.folder = folder_ / "registry"});
  ASSERT_TRUE(registry.has_value()) << registry.error().message();
  std::string layer = unpack::TarBuilder().folder("/").file("/ko-app", "x").finish();
  std::string name = (*registry)->domain() + "/team/ko:1";
  std::string archive = archive_of(layer, name);
  std::ofstream((folder_ / "root.tar").string()) << layer;
  EXPECT_EQ(docker_output({"load", "-i", archive}), "Loaded image: " + name);
  docker_output({"push", name});
  docker_output({"rmi", name});

  configure("strict-layers = true\n");
  std::size_t before = snapshots();
  std::string why = cat("layer ", digest_of(layer).text(),
                        ": \"/\": an absolute path, which strict rules refuse");
  SpawnOutput loaded = docker({"load", "-i", archive});
  EXPECT_NE(loaded.exit_code, 0);
  EXPECT_THAT(loaded.error_text + loaded.output, HasSubstr(why));
  SpawnOutput imported = docker({"import", (folder_ / "root.tar").string(), "made:1"});
  EXPECT_NE(imported.exit_code, 0);
  EXPECT_THAT(imported.error_text + imported.output, HasSubstr(why));
  SpawnOutput pulled = docker({"pull", name});
  EXPECT_NE(pulled.exit_code, 0);
  EXPECT_THAT(pulled.error_text, AllOf(HasSubstr("layer sha256:"),
                                       HasSubstr("\"/\": an absolute path, which strict rules")));
  EXPECT_EQ(names(), "busybox:latest");
  EXPECT_EQ(snapshots(), before);
  EXPECT_EQ(run({"busybox", "true"}).exit_code, 0);
}

TEST_F(DaemonImagesTest, TellsOfWhatHappens) {
  docker_output({"tag", "busybox", "app:1"});
  docker_output({"rmi", "app:1"});
  std::string events = docker_output(
      {"events", "--since", "0", "--until", "-1s", "--format", "{{.Type}} {{.Action}}"});
  EXPECT_THAT(events, AllOf(HasSubstr("image load"), HasSubstr("image tag"),
                            HasSubstr("image untag"), Not(HasSubstr("image delete"))));
}

TEST_F(DaemonImagesTest, ImportsFromAUrl) {
  std::string archive(unpack::TarBuilder().file("x", "y").finish());
  registry::testing::HttpServer server([&](const registry::testing::ServerRequest& request) {
    registry::testing::ServerReply reply;
    if (request.path() == "/cut.tar") reply.cut_after = archive.size() / 2;
    if (request.path() == "/gone.tar") reply.status = 404;
    reply.body = reply.status == 404 ? "nothing there" : archive;
    return reply;
  });
  std::string url = cat("http://", server.authority(), "/root.tar");
  std::string said = docker_output({"import", url, "from-url:1"});
  EXPECT_THAT(said, HasSubstr("Downloading from " + url));
  std::string id = docker_output({"inspect", "-f", "{{.Id}}", "from-url:1"});
  EXPECT_THAT(said, HasSubstr(id));
  EXPECT_THAT(docker_output({"history", "--format", "{{.Comment}}", "from-url:1"}),
              HasSubstr("Imported from " + url));
  SpawnOutput gone = docker({"import", cat("http://", server.authority(), "/gone.tar"), "gone:1"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_THAT(gone.error_text, AllOf(HasSubstr("with status 404"), HasSubstr("nothing there")));
  SpawnOutput cut = docker({"import", cat("http://", server.authority(), "/cut.tar"), "cut:1"});
  EXPECT_EQ(cut.exit_code, 1);
  EXPECT_THAT(names(),
              AllOf(HasSubstr("from-url:1"), Not(HasSubstr("gone:1")), Not(HasSubstr("cut:1"))));
}

}  // namespace
}  // namespace dhow::daemon_test
