// SPDX-License-Identifier: Apache-2.0
// Volumes, as docker's users know them.
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DaemonVolumeTest : public BusyboxTest {
 protected:
  fs::path volumes() const { return folder_ / "root/volumes"; }
  std::string text(const std::string& volume, const std::string& file) {
    return read_file((volumes() / volume / "_data" / file).string()).value_or("none");
  }
  std::string error_of(std::vector<std::string> arguments) {
    SpawnOutput ran = docker(std::move(arguments));
    EXPECT_NE(ran.exit_code, 0) << ran.output;
    return ran.error_text;
  }
  // An image with files of an owner, a mode and a link at /data.
  void make_image(const std::string& name) {
    run({"--name", "maker", "busybox", "sh", "-c",
         "mkdir -p /data/deep && echo image > /data/deep/file && chown -R 7:8 /data && chmod 2750 "
         "/data && ln -s deep/file /data/link"});
    docker_output({"commit", "maker", name});
    docker_output({"rm", "maker"});
  }
};

TEST_F(DaemonVolumeTest, LivesOnItsOwn) {
  EXPECT_EQ(docker_output({"volume", "create", "--label", "a=b", "data"}), "data");
  EXPECT_EQ(docker_output({"volume", "create", "data"}), "data");
  EXPECT_EQ(
      docker_output({"volume", "inspect", "-f",
                     "{{.Name}} {{.Driver}} {{.Scope}} {{.Mountpoint}} {{.Labels.a}}", "data"}),
      cat("data local local ", (volumes() / "data/_data").string(), " b"));
  run({"--rm", "-v", "data:/x", "busybox", "sh", "-c", "echo kept > /x/file"});
  EXPECT_EQ(text("data", "file"), "kept\n");
  EXPECT_EQ(run({"--rm", "-v", "data:/y:ro", "busybox", "cat", "/y/file"}).output, "kept\n");
  EXPECT_NE(run({"--rm", "-v", "data:/y:ro", "busybox", "touch", "/y/new"}).exit_code, 0);
  // Its container's end does not take it along, nor does its engine's.
  ASSERT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(docker_output({"volume", "ls", "-q"}), "data");
  EXPECT_EQ(text("data", "file"), "kept\n");
  EXPECT_EQ(docker_output({"volume", "rm", "data"}), "data");
  EXPECT_FALSE(fs::exists(volumes() / "data"));
}

TEST_F(DaemonVolumeTest, RefusesInDockersWords) {
  EXPECT_THAT(error_of({"volume", "inspect", "none"}), HasSubstr("get none: no such volume"));
  EXPECT_THAT(error_of({"volume", "rm", "none"}), HasSubstr("get none: no such volume"));
  docker_output({"volume", "rm", "-f", "none"});
  EXPECT_THAT(error_of({"volume", "create", "-d", "foo", "x1"}),
              HasSubstr("create x1: error looking up volume plugin foo: plugin \"foo\" not found"));
  EXPECT_THAT(error_of({"volume", "create", "a"}), HasSubstr("volume name is too short"));
  EXPECT_THAT(error_of({"volume", "create", "-o", "foo=1", "x1"}),
              HasSubstr("create x1: invalid option: \"foo\""));
  // The file systems of machines that test have no quotas of projects; tests/vm has some.
  EXPECT_THAT(error_of({"volume", "create", "-o", "size=1m", "x1"}),
              HasSubstr("create x1: quota size requested but no quota support"));
  EXPECT_FALSE(fs::exists(volumes() / "x1"));
  EXPECT_THAT(error_of({"create", "-v", "a b:/x", "busybox"}),
              HasSubstr("includes invalid characters for a local volume name"));
  EXPECT_THAT(error_of({"create", "-v", "data:x", "busybox"}),
              HasSubstr("mount path must be absolute"));
  std::string id =
      docker_output({"create", "--name", "one", "--network", "none", "-v", "data:/x", "busybox"});
  EXPECT_THAT(error_of({"volume", "rm", "data"}),
              HasSubstr(cat("remove data: volume is in use - [", id, "]")));
  EXPECT_THAT(error_of({"volume", "ls", "--filter", "foo=1"}), HasSubstr("invalid filter"));
  docker_output({"rm", "one"});
  docker_output({"volume", "rm", "data"});
}

TEST_F(DaemonVolumeTest, BeginsWithWhatTheImageHas) {
  make_image("image");
  auto look = [&](const std::string& spec) {
    return run({"--rm", "-v", spec, "image", "sh", "-c",
                "stat -c '%u:%g %a' /x /data 2>/dev/null | tail -n 1; cat /data/link"})
        .output;
  };
  EXPECT_EQ(look("data:/data"), "7:8 2750\nimage\n");
  EXPECT_EQ(text("data", "deep/file"), "image\n");
  // Once it holds something it stays as it is.
  std::ofstream(volumes() / "data/_data/deep/file") << "mine\n";
  EXPECT_EQ(look("data:/data"), "7:8 2750\nmine\n");
  EXPECT_EQ(look("empty:/data:nocopy"), "0:0 755\n");
  // One that somebody has mounted is filled in its place.
  start_sleeper("sleeper", {"-v", "shared:/s"});
  EXPECT_EQ(look("shared:/data"), "7:8 2750\nimage\n");
  EXPECT_EQ(docker_output({"exec", "sleeper", "cat", "/s/deep/file"}), "image");
  EXPECT_EQ(
      run({"--rm", "--mount", "type=volume,target=/data", "image", "cat", "/data/link"}).output,
      "image\n");
}

TEST_F(DaemonVolumeTest, AnonymousOnesGoWithTheirContainer) {
  auto count = [&] {
    std::string names = docker_output({"volume", "ls", "-q"});
    return names.empty() ? 0 : 1 + std::ranges::count(names, '\n');
  };
  run({"--rm", "-v", "/a", "-v", "named:/n", "busybox", "true"});
  EXPECT_EQ(docker_output({"volume", "ls", "-q"}), "named");
  docker_output(
      {"create", "--name", "one", "--network", "none", "-v", "/a", "-v", "/b", "busybox"});
  EXPECT_EQ(count(), 3);
  std::string name = docker_output({"inspect", "-f", "{{(index .Mounts 0).Name}}", "one"});
  EXPECT_EQ(name.size(), 64U);
  EXPECT_EQ(docker_output({"volume", "inspect", "-f", "{{json .Labels}}", name}),
            "{\"com.docker.volume.anonymous\":\"\"}");
  docker_output(
      {"create", "--name", "heir", "--network", "none", "--volumes-from", "one", "busybox"});
  // Others have them.
  docker_output({"rm", "-v", "one"});
  EXPECT_EQ(count(), 3);
  docker_output({"rm", "-v", "heir"});
  EXPECT_EQ(count(), 3);
  // Of a create that fails nothing stays.
  error_of({"create", "--pull", "never", "--network", "none", "-v", "/c", "-v", "other:/d",
            "--volumes-from", "nobody", "busybox"});
  EXPECT_EQ(count(), 3);
  EXPECT_THAT(docker_output({"volume", "prune", "-f"}), HasSubstr("Total reclaimed space"));
  EXPECT_EQ(docker_output({"volume", "ls", "-q"}), "named");
  EXPECT_THAT(docker_output({"volume", "prune", "-f", "-a"}), HasSubstr("named"));
  EXPECT_EQ(count(), 0);
}

TEST_F(DaemonVolumeTest, ListsAndCounts) {
  for (const char* name : {"free", "used"}) {
    docker_output({"volume", "create", "--label", cat("kind=", name), name});
  }
  run({"--name", "one", "-v", "used:/x", "busybox", "dd", "if=/dev/zero", "of=/x/file", "bs=1024",
       "count=2048"});
  auto list = [&](const std::string& filter) {
    return docker_output({"volume", "ls", "-q", "--filter", filter});
  };
  EXPECT_EQ(list("dangling=true"), "free");
  EXPECT_EQ(list("dangling=false"), "used");
  EXPECT_EQ(list("label=kind=used"), "used");
  EXPECT_EQ(list("name=fre"), "free");
  EXPECT_EQ(list("driver=other"), "");
  EXPECT_EQ(docker_output({"ps", "-a", "--filter", "volume=used", "--format", "{{.Names}}"}),
            "one");
  EXPECT_EQ(docker_output({"system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"}),
            "Images 1 1\nContainers 1 0\nLocal Volumes 2 1\nBuild Cache 0 0");
  EXPECT_THAT(docker_output({"system", "df", "-v", "--format", "{{json .Volumes}}"}),
              AllOf(HasSubstr("\"Links\":\"1\""), HasSubstr("\"Size\":\"2.097MB\""),
                    HasSubstr("\"Size\":\"0B\"")));
  EXPECT_EQ(
      docker_output({"inspect", "-f", "{{json .Mounts}}", "one"}),
      cat(R"([{"Type":"volume","Name":"used","Source":")", (volumes() / "used/_data").string(),
          R"(","Destination":"/x","Driver":"local","Mode":"z","RW":true,"Propagation":""}])"));
}

TEST_F(DaemonVolumeTest, TellsWhatHappens) {
  std::string begin = docker_output({"info", "--format", "{{.SystemTime}}"});
  run({"--rm", "-v", "data:/x", "busybox", "true"});
  docker_output({"volume", "rm", "data"});
  std::string end = docker_output({"info", "--format", "{{.SystemTime}}"});
  std::string events = docker_output(
      {"events", "--since", begin, "--until", end, "--filter", "type=volume", "--format",
       "{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.driver}} {{.Actor.Attributes.destination}}"});
  EXPECT_EQ(events,
            "create data local <no value>\nmount data local /x\nunmount data local <no value>\n"
            "destroy data local <no value>");
}

TEST_F(DaemonVolumeTest, GivesAPartOfItself) {
  run({"--rm", "-v", "data:/d", "busybox", "sh", "-c",
       "mkdir -p /d/deep/er && echo part > /d/deep/er/file && ln -s / /d/out && ln -s deep/er "
       "/d/in"});
  auto part = [&](const std::string& path, std::vector<std::string> command) {
    command.insert(command.begin(),
                   {"--rm", "--mount",
                    cat("type=volume,source=data,target=/p,volume-subpath=", path), "busybox"});
    return run(command);
  };
  EXPECT_EQ(part("deep/er", {"cat", "/p/file"}).output, "part\n");
  EXPECT_EQ(part("in", {"cat", "/p/file"}).output, "part\n");
  // A link to the root leads to the volume's.
  EXPECT_EQ(part("out", {"ls", "/p"}).output, "deep\nin\nout\n");
  SpawnOutput none = part("none", {"true"});
  EXPECT_NE(none.exit_code, 0);
  EXPECT_THAT(none.error_text, HasSubstr("subpath \"none\""));
  EXPECT_THAT(part("../x", {"true"}).error_text, HasSubstr("subpath must be a relative path"));
  docker_output({"create", "--name", "one", "--network", "none", "--mount",
                 "type=volume,source=data,target=/p,volume-subpath=deep", "busybox"});
  docker_output({"cp", "one:/p/er/file", (folder_ / "out").string()});
  EXPECT_EQ(read_file((folder_ / "out").string()).value_or(""), "part\n");
}

TEST_F(DaemonVolumeTest, DriverOptionsPutItElsewhere) {
  write("bound/file", "bound");
  std::string bound = (folder_ / "bound").string();
  docker_output(
      {"volume", "create", "-o", "type=none", "-o", "o=bind", "-o", cat("device=", bound), "bind"});
  EXPECT_EQ(
      run({"--rm", "-v", "bind:/x", "busybox", "sh", "-c", "cat /x/file; echo n > /x/new"}).output,
      "bound");
  EXPECT_TRUE(fs::exists(folder_ / "bound/new"));
  // One in memory is the same for all that have it, while one of them runs.
  docker_output({"volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o",
                 "o=size=1m,mode=0700", "memory"});
  start_sleeper("one", {"-v", "memory:/m"});
  docker_output({"exec", "one", "sh", "-c", "echo shared > /m/file"});
  EXPECT_EQ(run({"--rm", "-v", "memory:/n", "busybox", "sh", "-c",
                 "cat /n/file; stat -c %a /n; df -k /n | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2"})
                .output,
            "shared\n700\n1024\n");
  ASSERT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(run({"--rm", "-v", "memory:/n", "busybox", "cat", "/n/file"}).output, "shared\n");
  docker_output({"rm", "-f", "one"});
  EXPECT_EQ(run({"--rm", "-v", "memory:/n", "busybox", "ls", "/n"}).output, "");
  EXPECT_FALSE(fs::exists(folder_ / "state/volumes/memory"));
  // As far as a machine without a server gets.
  docker_output({"volume", "create", "-o", "type=nfs", "-o", "device=:/export", "-o",
                 "o=addr=127.0.0.1,nosuchoption=1", "net"});
  SpawnOutput refused = run({"--rm", "-v", "net:/n", "busybox", "true"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.error_text, HasSubstr("nfs"));
}

TEST_F(DaemonVolumeTest, OverlaysGoWithTheContainer) {
  write("below/file", "below");
  docker_output({"create", "--name", "one", "--network", "none", "-v",
                 (folder_ / "below").string() + ":/x:O", "-v", "data:/y:O", "busybox", "sh", "-c",
                 "cat /x/file; echo above > /x/file; ls /y; echo y > /y/new"});
  EXPECT_EQ(docker_output({"start", "-a", "one"}), "below");
  // It is kept from one start to the next, and seen by cp.
  EXPECT_EQ(docker_output({"start", "-a", "one"}), "above\nnew");
  docker_output({"cp", "one:/x/file", (folder_ / "out").string()});
  EXPECT_EQ(read_file((folder_ / "out").string()).value_or(""), "above\n");
  EXPECT_EQ(read_file((folder_ / "below/file").string()).value_or(""), "below");
  EXPECT_EQ(text("data", "new"), "none");
  docker_output({"rm", "one"});
}

TEST_F(DaemonVolumeTest, MountsImages) {
  make_image("image");
  auto inside = [&](const std::string& options, const char* command) {
    return run({"--rm", "--mount", cat("type=image,source=image,target=/i", options), "busybox",
                "sh", "-c", command});
  };
  EXPECT_EQ(inside("", "cat /i/data/deep/file; touch /i/new 2>/dev/null || echo fixed").output,
            "image\nfixed\n");
  // The layers stay for as long as somebody has them mounted.
  docker_output({"create", "--name", "one", "--network", "none", "--mount",
                 "type=image,source=image,target=/i", "busybox", "cat", "/i/data/link"});
  docker_output({"rmi", "-f", "image"});
  ASSERT_EQ(stop_daemon(SIGKILL), 137);
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_THAT(docker_output({"inspect", "-f", "{{json .Mounts}}", "one"}),
              HasSubstr("\"Type\":\"image\""));
  docker_output({"cp", "one:/i/data/deep/file", (folder_ / "out").string()});
  EXPECT_EQ(read_file((folder_ / "out").string()).value_or(""), "image\n");
  docker_output({"rm", "one"});
  EXPECT_THAT(error_of({"create", "--pull", "never", "--mount", "type=image,source=none,target=/i",
                        "busybox"}),
              HasSubstr("No such image: none"));
}

TEST_F(DaemonVolumeTest, ComesAndGoesAsAWhole) {
  run({"--rm", "-v", "data:/d", "busybox", "sh", "-c",
       "mkdir /d/deep && echo one > /d/deep/file && chown 7:8 /d/deep && ln -s deep /d/link"});
  auto request = [&](const std::string& line, const std::string& body = {}) {
    return http(cat(line, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ",
                    body.size(), "\r\n\r\n", body));
  };
  EXPECT_THAT(request("POST /volumes/copy/copy?from=data"), HasSubstr("200 OK"));
  auto look = [&](const char* volume) {
    return run({"--rm", "-v", cat(volume, ":/d"), "busybox", "sh", "-c",
                "ls /d; cat /d/link/file; stat -c %u:%g /d/deep"})
        .output;
  };
  EXPECT_EQ(look("copy"), "deep\nlink\none\n7:8\n");
  // An archive that breaks off leaves what was there.
  EXPECT_THAT(request("PUT /volumes/copy/archive", "no archive"), Not(HasSubstr("200 OK")));
  EXPECT_EQ(look("copy"), "deep\nlink\none\n7:8\n");
  // The end of an archive alone: one without members.
  EXPECT_THAT(request("PUT /volumes/copy/archive", std::string(1024, '\0')), HasSubstr("200 OK"));
  EXPECT_EQ(run({"--rm", "-v", "copy:/d", "busybox", "ls", "/d"}).output, "");
  EXPECT_THAT(request("GET /volumes/data/archive"),
              AllOf(HasSubstr("application/x-tar"), HasSubstr("deep/file"), HasSubstr("one\n")));
  // There and back, with the owner and the mode of the volume's own folder.
  run({"--rm", "-v", "data:/d", "busybox", "sh", "-c", "chown 9:10 /d && chmod 2750 /d"});
  std::string answer = http("GET /volumes/data/archive HTTP/1.0\r\nHost: x\r\n\r\n");
  std::string archive = answer.substr(std::min(answer.find("\r\n\r\n"), answer.size() - 4) + 4);
  EXPECT_THAT(request("PUT /volumes/back/archive", archive), HasSubstr("200 OK"));
  EXPECT_EQ(look("back"), "deep\nlink\none\n7:8\n");
  EXPECT_EQ(run({"--rm", "-v", "back:/d", "busybox", "stat", "-c", "%u:%g %a", "/d"}).output,
            "9:10 2750\n");
  EXPECT_THAT(request("GET /volumes/none/archive"), HasSubstr("get none: no such volume"));
  start_sleeper("sleeper", {"-v", "copy:/d"});
  EXPECT_THAT(request("POST /volumes/copy/copy?from=data"),
              HasSubstr("volume copy is in use by the running container"));
  docker_output({"rm", "-f", "sleeper"});
  EXPECT_THAT(request("POST /volumes/copy/copy?from=data"), HasSubstr("200 OK"));
  EXPECT_EQ(look("copy"), "deep\nlink\none\n7:8\n");
}

TEST_F(DaemonVolumeTest, AnImportThatIsKilledLeavesWhatWasThere) {
  run({"--rm", "-v", "data:/d", "busybox", "sh", "-c", "echo before > /d/file"});
  {
    Fd client = connect();
    // The head of a member, and not all of what it is to hold.
    std::string part(512, '\0');
    part.replace(0, 4, "file");
    part.replace(100, 7, "0000644");
    part.replace(124, 11, "00000100000");
    part[156] = '0';
    part.replace(257, 5, "ustar");
    unsigned sum = 8 * ' ';
    for (char c : part) sum += static_cast<unsigned char>(c);
    std::string digits;
    for (int shift = 15; shift >= 0; shift -= 3) {
      digits.push_back(static_cast<char>('0' + ((sum >> shift) & 7)));
    }
    part.replace(148, 6, digits);
    part[155] = ' ';
    part += std::string(1024, 'x');
    ASSERT_TRUE(write_all(client, cat("PUT /volumes/data/archive HTTP/1.1\r\nHost: x\r\n"
                                      "Content-Length: 100000\r\n\r\n",
                                      part)));
    // It is written beside the volume.
    auto drafts = [&] {
      int count = 0;
      for (const auto& entry : fs::directory_iterator(volumes() / "data")) {
        count += fs::exists(entry.path() / "tree/file") ? 1 : 0;
      }
      return count;
    };
    while (drafts() == 0) std::this_thread::yield();
    ASSERT_EQ(stop_daemon(SIGKILL), 137);
  }
  ASSERT_NO_FATAL_FAILURE(start_daemon());
  EXPECT_EQ(text("data", "file"), "before\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(volumes() / "data"), fs::directory_iterator()), 1);
}

TEST_F(DaemonVolumeTest, MapsTheOwnersOfBinds) {
  write("owned/file", "x");
  EXPECT_EQ(
      run({"--rm", "-v", (folder_ / "owned").string() + ":/x:idmap=uids=0-1000-10;gids=0-2000-10",
           "busybox", "stat", "-c", "%u:%g", "/x/file"})
          .output,
      "1000:2000\n");
  // By --mount, for which docker's API has no field.
  run({"--rm", "-v", "data:/d", "busybox", "touch", "/d/file"});
  for (std::string_view mount : {R"("Type":"bind","Source":"SOURCE","BindOptions")",
                                 R"("Type":"volume","Source":"data","VolumeOptions")"}) {
    std::string text(mount);
    if (std::size_t at = text.find("SOURCE"); at != std::string::npos) {
      text.replace(at, 6, (folder_ / "owned").string());
    }
    std::string body = cat(R"({"Image":"busybox","Cmd":["stat","-c","%u:%g","/x/file"],)",
                           R"("HostConfig":{"NetworkMode":"none","Mounts":[{"Target":"/x",)", text,
                           R"(:{"IDMap":"uids=0-1000-10;gids=0-2000-10"}}]}})");
    std::string answer =
        http(cat("POST /containers/create?name=mapped HTTP/1.0\r\nHost: x\r\nContent-Type: "
                 "application/json\r\nContent-Length: ",
                 body.size(), "\r\n\r\n", body));
    ASSERT_THAT(answer, HasSubstr(" 201 "));
    EXPECT_EQ(docker_output({"start", "-a", "mapped"}), "1000:2000");
    docker_output({"rm", "mapped"});
  }
}

TEST_F(DaemonVolumeTest, PrunesWhatTheFiltersLeave) {
  for (const char* name : {"one", "two", "three"}) {
    docker_output({"volume", "create", "--label", cat("kind=", name), name});
  }
  docker_output({"volume", "create"});
  auto prune = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"volume", "prune", "-f"});
    return docker_output(more);
  };
  EXPECT_THAT(prune({"--filter", "label=kind=one"}), Not(HasSubstr("one\n")));
  EXPECT_THAT(prune({"-a", "--filter", "label=kind=one"}), HasSubstr("one\n"));
  EXPECT_THAT(
      prune({"--filter", "all=true", "--filter", "label!=kind=two", "--filter", "label=kind"}),
      AllOf(HasSubstr("three\n"), Not(HasSubstr("two\n"))));
  std::string left = docker_output({"volume", "ls", "-q"});
  EXPECT_EQ(std::ranges::count(left, '\n'), 1) << left;
  EXPECT_THAT(prune({}), HasSubstr("Deleted Volumes:"));
  EXPECT_EQ(docker_output({"volume", "ls", "-q"}), "two");
  EXPECT_THAT(error_of({"volume", "prune", "-f", "--filter", "foo=1"}),
              HasSubstr("invalid filter 'foo'"));
}

// --mount says what the volume that it makes is like.
TEST_F(DaemonVolumeTest, MountsMakeThem) {
  EXPECT_EQ(run({"--rm", "--mount",
                 "type=volume,source=memory,target=/m,volume-driver=local,volume-label=a=b,"
                 "volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=64k",
                 "busybox", "sh", "-c", "df -k /m | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2"})
                .output,
            "64\n");
  EXPECT_EQ(docker_output({"volume", "inspect", "-f", "{{.Labels.a}} {{.Options.type}}", "memory"}),
            "b tmpfs");
  make_image("image");
  EXPECT_EQ(run({"--rm", "--mount", "type=volume,source=vol,target=/data,volume-nocopy", "image",
                 "ls", "/data"})
                .output,
            "");
  EXPECT_EQ(run({"--rm", "--mount", "type=volume,source=vol,target=/data,readonly", "image", "sh",
                 "-c", "cat /data/link; touch /data/x 2>/dev/null || echo fixed"})
                .output,
            "image\nfixed\n");
  EXPECT_EQ(
      run({"--rm", "--mount", "type=tmpfs,target=/t,tmpfs-size=64k,tmpfs-mode=0710", "busybox",
           "sh", "-c", "stat -c %a /t; df -k /t | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2"})
          .output,
      "710\n64\n");
  EXPECT_THAT(error_of({"create", "--pull", "never", "--mount",
                        "type=bind,source=/nothing/there,target=/x", "busybox"}),
              HasSubstr("invalid mount config for type \"bind\": bind source path does not exist: "
                        "/nothing/there"));
  run({"--rm", "-v", (folder_ / "made/here").string() + ":/x", "busybox", "touch", "/x/file"});
  EXPECT_TRUE(fs::exists(folder_ / "made/here/file"));
}

TEST_F(DaemonVolumeTest, ContainersInheritThem) {
  write("bound/file", "bound");
  run({"--name", "one", "-v", "data:/d", "-v", (folder_ / "bound").string() + ":/b", "-v", "/a",
       "busybox", "sh", "-c", "echo one > /d/file; echo two > /a/file"});
  EXPECT_EQ(run({"--rm", "--volumes-from", "one:ro", "busybox", "sh", "-c",
                 "cat /d/file /a/file /b/file; touch /d/x /b/x 2>/dev/null; ls /d"})
                .output,
            "one\ntwo\nboundfile\n");
  // What is asked for goes before what is inherited.
  EXPECT_EQ(run({"--rm", "--volumes-from", "one", "-v", "other:/d", "busybox", "ls", "/d"}).output,
            "");
  EXPECT_THAT(error_of({"create", "--pull", "never", "--volumes-from", "nobody", "busybox"}),
              HasSubstr("No such container: nobody"));
  EXPECT_THAT(error_of({"create", "--pull", "never", "--volumes-from", "one:foo", "busybox"}),
              HasSubstr("invalid mode: foo"));
}

}  // namespace
}  // namespace dhow::daemon_test
