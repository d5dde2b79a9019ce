// SPDX-License-Identifier: Apache-2.0
// What binds, parts of images and file systems of volumes look like from inside.
#include <sys/mount.h>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DaemonVolumeMountsTest : public BusyboxTest {
 protected:
  void TearDown() override {
    for (auto place = mounted_.rbegin(); place != mounted_.rend(); ++place) {
      EXPECT_EQ(::umount2(place->c_str(), MNT_DETACH), 0) << *place;
    }
    BusyboxTest::TearDown();
  }
  std::string path(const std::string& name) { return (folder_ / name).string(); }
  // A file system with a file in it, on a folder that is made.
  void mount_at(const std::string& name) {
    fs::create_directories(folder_ / name);
    ASSERT_EQ(::mount("tmpfs", path(name).c_str(), "tmpfs", 0, "size=64k"), 0);
    mounted_.push_back(path(name));
    write(name + "/file", "below");
  }
  // What a shell says in a container with these mounts, and the end of its errors.
  std::string shell(const std::vector<std::string>& flags, const std::string& command) {
    std::vector<std::string> arguments = {"--rm"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    arguments.insert(arguments.end(), {"busybox", "sh", "-c", command});
    SpawnOutput ran = run(arguments);
    return ran.output + ran.error_text;
  }

 private:
  std::vector<std::string> mounted_;
};

// What is mounted below a bind's source, in each form of --mount's bind-recursive and of -v.
TEST_F(DaemonVolumeMountsTest, ReadOnlyGoesAsDeepAsAsked) {
  fs::create_directories(folder_ / "top");
  ASSERT_NO_FATAL_FAILURE(mount_at("top/sub"));
  std::string bind = cat("type=bind,source=", path("top"), ",target=/x");
  const char* probe =
      "cat /x/sub/file 2>/dev/null || echo -n none; for f in /x/n /x/sub/n; do touch $f "
      "2>/dev/null "
      "&& echo -n +rw || echo -n +ro; rm -f $f; done";
  EXPECT_EQ(shell({"--mount", bind}, probe), "below+rw+rw");
  EXPECT_EQ(shell({"--mount", bind + ",readonly"}, probe), "below+ro+ro");
  EXPECT_EQ(shell({"-v", path("top") + ":/x:ro"}, probe), "below+ro+ro");
  EXPECT_EQ(shell({"--mount", bind + ",readonly,bind-recursive=writable"}, probe), "below+ro+rw");
  EXPECT_EQ(shell({"--mount", bind + ",bind-recursive=disabled"}, probe), "none+rw+rw");
  EXPECT_EQ(shell({"--mount", bind + ",readonly,bind-recursive=readonly,bind-propagation=rprivate"},
                  probe),
            "below+ro+ro");
  auto refused = [&](const char* more, const char* options) {
    std::string body =
        cat(R"({"Image":"busybox","HostConfig":{"Mounts":[{"Type":"bind","Target":"/x","Source":")",
            path("top"), "\"", more, R"(,"BindOptions":{)", options, "}}]}}");
    return http(
        cat("POST /v1.50/containers/create HTTP/1.0\r\nHost: x\r\nContent-Type: "
            "application/json\r\nContent-Length: ",
            body.size(), "\r\n\r\n", body));
  };
  EXPECT_THAT(refused("", R"("ReadOnlyNonRecursive":true)"),
              AllOf(HasSubstr(" 400 "), HasSubstr("!ReadOnly && BindOptions.")));
  EXPECT_THAT(refused("", R"("ReadOnlyForceRecursive":true)"), HasSubstr(" 400 "));
  EXPECT_THAT(refused(R"(,"ReadOnly":true)",
                      R"("ReadOnlyForceRecursive":true,"ReadOnlyNonRecursive":true)"),
              AllOf(HasSubstr(" 400 "), HasSubstr("ReadOnlyForceRecursive")));
}

// Mounts that appear at the source, and in the container, later.
TEST_F(DaemonVolumeMountsTest, MountsTravelAsFarAsTheyMay) {
  ASSERT_NO_FATAL_FAILURE(mount_at("top"));
  ASSERT_EQ(::mount(nullptr, path("top").c_str(), nullptr, MS_SHARED, nullptr), 0);
  for (const char* mode : {"rprivate", "rslave", "rshared"}) {
    start_sleeper(mode,
                  {"--privileged", "--mount",
                   cat("type=bind,source=", path("top"), ",target=/x,bind-propagation=", mode)});
  }
  ASSERT_NO_FATAL_FAILURE(mount_at("top/late"));
  auto sees = [&](const char* name) {
    return docker({"exec", name, "cat", "/x/late/file"}).output == "below";
  };
  EXPECT_FALSE(sees("rprivate"));
  EXPECT_TRUE(sees("rslave"));
  EXPECT_TRUE(sees("rshared"));
  fs::create_directory(folder_ / "top/up");
  auto goes_up = [&](const char* name) {
    docker_output({"exec", name, "mount", "-t", "tmpfs", "tmpfs", "/x/up"});
    docker_output({"exec", name, "touch", "/x/up/made"});
    bool here = fs::exists(folder_ / "top/up/made");
    docker_output({"exec", name, "umount", "/x/up"});
    return here;
  };
  EXPECT_FALSE(goes_up("rprivate"));
  EXPECT_FALSE(goes_up("rslave"));
  EXPECT_TRUE(goes_up("rshared"));
}

TEST_F(DaemonVolumeMountsTest, GivesPartsOfImages) {
  run({"--name", "one", "busybox", "sh", "-c",
       "mkdir -p /d/er && echo part > /d/er/file && ln -s / /d/out"});
  docker_output({"commit", "one", "layers:2"});
  std::string layer = path("layer.tar");
  docker_output({"export", "-o", layer, "one"});
  docker_output({"import", layer, "layers:1"});
  // Of that many layers the names are longer than the kernel takes one by one.
  docker_output({"tag", "layers:2", "layers:many"});
  for (int i = 0; i < 6; ++i) {
    run({"--name", "more", "layers:many", "touch", cat("/more", i)});
    docker_output({"commit", "more", "layers:many"});
    docker_output({"rm", "more"});
  }
  EXPECT_EQ(shell({"--mount", "type=image,source=layers:many,target=/i"}, "cat /i/d/er/file"),
            "part\n");
  for (const char* image : {"layers:1", "layers:2", "layers:many"}) {
    SCOPED_TRACE(image);
    auto part = [&](const std::string& of, const std::string& command) {
      return shell({"--mount", cat("type=image,source=", image, ",target=/p,image-subpath=", of)},
                   command);
    };
    EXPECT_EQ(part("d/er",
                   "cat /p/file; touch /p/n 2>/dev/null || echo fixed; grep -c ' /p ' "
                   "/proc/mounts"),
              "part\nfixed\n1\n");
    EXPECT_EQ(part("d/er/file", "cat /p"), "part\n");
    EXPECT_EQ(part("d/out/d/er", "cat /p/file"), "part\n");
    EXPECT_THAT(part("d/none", "true"), HasSubstr("subpath \"d/none\""));
    EXPECT_THAT(part("../x", "true"),
                HasSubstr("subpath must be a relative path within the image"));
    docker_output({"create", "--name", "two", "--network", "none", "--mount",
                   cat("type=image,source=", image, ",target=/p,image-subpath=d/er"), "busybox"});
    docker_output({"cp", "two:/p/file", path("out")});
    EXPECT_EQ(read_file(path("out")).value_or(""), "part\n");
    docker_output({"rm", "two"});
  }
}

TEST_F(DaemonVolumeMountsTest, MountsFileSystemsOnceForAll) {
  docker_output(
      {"volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=64k", "memory"});
  start_sleeper("one", {"-v", "memory:/m"});
  docker_output({"exec", "one", "sh", "-c", "mkdir /m/d && echo part > /m/d/file"});
  EXPECT_EQ(shell({"--mount", "type=volume,source=memory,target=/p,volume-subpath=d"},
                  "cat /p/file; ls /p"),
            "part\nfile\n");
  // Over what is mounted, too, and out of it.
  EXPECT_EQ(shell({"-v", "memory:/o:O"}, "echo above > /o/d/file; cat /o/d/file"), "above\n");
  EXPECT_EQ(docker_output({"exec", "one", "cat", "/m/d/file"}), "part");
  EXPECT_THAT(http("GET /volumes/memory/archive HTTP/1.0\r\nHost: x\r\n\r\n"),
              AllOf(HasSubstr("200 OK"), HasSubstr("d/file"), HasSubstr("part\n")));
  docker_output({"rm", "-f", "one"});
  EXPECT_FALSE(fs::exists(folder_ / "state/volumes/memory"));
  EXPECT_THAT(http("GET /volumes/memory/archive HTTP/1.0\r\nHost: x\r\n\r\n"),
              AllOf(HasSubstr("200 OK"), Not(HasSubstr("d/file"))));
}

// As far as a machine without a server gets; tests/vm has one.
TEST_F(DaemonVolumeMountsTest, SaysWhatANetworkVolumeLacks) {
  auto refused = [&](const std::string& type, const std::string& device, const std::string& o) {
    docker_output({"volume", "create", "-o", "type=" + type, "-o", "device=" + device, "-o",
                   "o=" + o, "net"});
    SpawnOutput ran = run({"--rm", "-v", "net:/n", "busybox", "true"});
    EXPECT_NE(ran.exit_code, 0);
    EXPECT_FALSE(fs::exists(folder_ / "state/volumes/net"));
    EXPECT_EQ(docker_output({"ps", "-aq"}), "");
    docker_output({"volume", "rm", "net"});
    return ran.error_text;
  };
  std::string place = path("state/volumes/net");
  EXPECT_THAT(refused("nfs", ":/export", "addr=no-such-host.invalid,vers=4"),
              HasSubstr(cat("error while mounting volume '", place,
                            "': error resolving passed in "
                            "network volume address: lookup no-such-host.invalid: ")));
  // Names become addresses before the kernel sees them.
  EXPECT_THAT(refused("nfs", ":/export", "addr=localhost,vers=4,port=1"),
              HasSubstr(cat("error while mounting volume '", place,
                            "': failed to mount local volume: mount :/export:", place,
                            ", data: addr=127.0.0.1,vers=4,port=1: ")));
  EXPECT_THAT(refused("cifs", "//no-such-host.invalid/share", "username=a"),
              HasSubstr("error resolving passed in network volume address"));
  EXPECT_THAT(refused("cifs", "//localhost/share", "username=a,password=secret,vers=3.0,port=1"),
              AllOf(HasSubstr("mount //127.0.0.1/share:"), HasSubstr("password=********,vers=3.0"),
                    Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace dhow::daemon_test
