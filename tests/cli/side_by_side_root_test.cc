// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "engine/testing/stock_daemon.h"
#include "sys/file_io.h"
#include "sys/spawn.h"

// dhow and the docker command line on one stock engine: the same output and the same exit code.
namespace dhow {
namespace {

constexpr const char* kDocker = "/usr/local/bin/docker";

class SideBySideTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/dhow-cli-XXXXXX";
    folder_ = ::mkdtemp(name);
    ASSERT_TRUE(make_dirs(folder_ + "/config", 0700).has_value());
    auto daemon = engine::StockDaemon::start(
        {"dockerd", "--data-root", folder_ + "/data", "--exec-root", folder_ + "/exec", "--pidfile",
         folder_ + "/pid", "--host", "unix://" + folder_ + "/docker.sock", "--iptables=false",
         "--bridge=none"},
        folder_);
    ASSERT_TRUE(daemon.has_value()) << daemon.error().message();
    daemon_ = std::move(*daemon);
    make_image();
  }

  static void TearDownTestSuite() {
    daemon_.reset();
    std::ignore = remove_tree(kCwd, folder_);  // what a daemon left mounted stays, and shows
  }

  void SetUp() override {
    if (::access(kDocker, X_OK) != 0) GTEST_SKIP() << "there is no " << kDocker;
    ASSERT_TRUE(daemon_ != nullptr);
  }

  static SpawnOutput run(const std::string& program, std::vector<std::string> arguments,
                         std::string_view input = {}) {
    SpawnOptions options;
    arguments.insert(arguments.begin(), program);
    options.arguments = std::move(arguments);
    options.input = input;
    options.environment = {{cat("DOCKER_HOST=unix://", folder_, "/docker.sock"),
                            cat("DOCKER_CONFIG=", folder_, "/config"),
                            "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root", "TZ=UTC"}};
    auto output = spawn_and_wait(options);
    EXPECT_TRUE(output.has_value()) << output.error().message();
    return output ? std::move(*output) : SpawnOutput{};
  }
  static std::string dhow_program() {
    const char* path = std::getenv("DHOW_PROGRAM");
    return path != nullptr ? path : "dhow";
  }
  static SpawnOutput dhow(std::vector<std::string> arguments, std::string_view input = {}) {
    return run(dhow_program(), std::move(arguments), input);
  }
  static SpawnOutput docker(std::vector<std::string> arguments, std::string_view input = {}) {
    return run(kDocker, std::move(arguments), input);
  }

  static void make_image() {
    std::string root = folder_ + "/root/bin";
    ASSERT_TRUE(make_dirs(root, 0755).has_value());
    std::string script =
        cat("cp /bin/busybox ", root,
            " && for name in sh cat echo true sleep env pwd touch rm id printf; do ln -s busybox ",
            root, "/$name; done && tar -C ", folder_, "/root -c . | ", kDocker, " import - cli:1");
    SpawnOutput made = run("/bin/sh", {"-c", script});
    ASSERT_EQ(made.exit_code, 0) << made.error_text;
  }

  // The names of the programs differ in what they say.
  static std::string as_dhow(std::string text) {
    for (std::size_t at = 0; (at = text.find("docker", at)) != std::string::npos;) {
      char before = at == 0 ? '\n' : text[at - 1];
      char after = at + 6 < text.size() ? text[at + 6] : ' ';
      bool name =
          (before == '\n' || before == '\'' || before == ' ') && (after == ' ' || after == ':');
      if (name) text.replace(at, 6, "dhow");
      at += 4;
    }
    return text;
  }

  // What tells of ages may differ by a second between two calls: then they are made again.
  static void same(const std::vector<std::string>& arguments, std::string_view input = {}) {
    constexpr int kTries = 5;
    SpawnOutput theirs;
    SpawnOutput ours;
    for (int i = 0; i < kTries; ++i) {
      theirs = docker(arguments, input);
      ours = dhow(arguments, input);
      if (ours.output == theirs.output) break;
    }
    std::string line;
    for (const std::string& word : arguments) line += " " + word;
    EXPECT_EQ(ours.output, as_dhow(theirs.output)) << line;
    EXPECT_EQ(ours.error_text, as_dhow(theirs.error_text)) << line;
    EXPECT_EQ(ours.exit_code, theirs.exit_code) << line;
  }

  static std::string folder_;
  static std::unique_ptr<engine::StockDaemon> daemon_;
};

std::string SideBySideTest::folder_;
std::unique_ptr<engine::StockDaemon> SideBySideTest::daemon_;

// Removed in the end, whatever happens between.
class TemporaryContainer {
 public:
  using Run = std::function<SpawnOutput(std::vector<std::string>)>;
  TemporaryContainer(Run run, std::string name) : run_(std::move(run)), name_(std::move(name)) {}
  ~TemporaryContainer() { run_({"rm", "-f", name_}); }

 private:
  Run run_;
  std::string name_;
};

TEST_F(SideBySideTest, RunsGiveTheSame) {
  std::vector<std::string> run = {"run", "--rm", "--network", "none"};
  auto with = [&](std::vector<std::string> words) {
    words.insert(words.begin(), run.begin(), run.end());
    return words;
  };
  same(with({"cli:1", "echo", "hello"}));
  same(with({"cli:1", "sh", "-c", "echo out; echo err >&2; exit 7"}));
  same(with({"-i", "cli:1", "cat"}), "typed\n");
  same(with(
      {"-h", "host", "-e", "A=1", "-w", "/tmp", "-u", "5:6", "cli:1", "sh", "-c", "env; pwd; id"}));
  same(with({"--entrypoint", "echo", "cli:1", "x"}));
  same(with({"-a", "stderr", "cli:1", "sh", "-c", "echo out; echo err >&2"}));
  same(with({"-t", "cli:1", "sh", "-c", "echo tty"}));
  same(with({"-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "cli:1", "true"}));
}

TEST_F(SideBySideTest, FailedRunsHaveTheSameCodes) {
  same({"run", "--rm", "--network", "none", "cli:1", "no-such-program"});
  same({"run", "--rm", "--network", "none", "cli:1", "/bin"});
  same({"run", "--rm", "-it", "cli:1", "true"});
  same({"run", "--pull", "never", "no.such/image", "true"});
  same({"run", "--pull", "sometimes", "cli:1"});
  same({"run", "-m", "much", "cli:1"});
  same({"run", "--restart", "perhaps", "cli:1"});
  same({"run"});
  same({"run", "--name"});
}

TEST_F(SideBySideTest, CommandLinesThatAreWrongAreToldInTheSameWords) {
  same({"ps", "--foo"});
  same({"ps", "-x"});
  same({"ps", "extra"});
  same({"ps", "--filter", "foo"});
  same({"ps", "--filter", "foo=bar"});
  same({"rm"});
  same({"logs", "-n"});
  same({"rename", "one"});
  same({"frob"});
  same({"container", "frob"});
}

TEST_F(SideBySideTest, WhatIsNotThereIsToldInTheSameWords) {
  for (const char* verb : {"logs", "rm", "stop", "start", "wait", "top", "port", "diff", "kill",
                           "pause", "history", "rmi", "inspect", "attach"}) {
    same({verb, "nosuch"});
  }
  same({"exec", "nosuch", "true"});
  same({"rm", "a", "b"});
  same({"rm", "-f", "nosuch"});
  same({"tag", "nosuch", "x"});
  same({"inspect", "--type", "container", "nosuch"});
  same({"network", "inspect", "nosuch"});
  same({"volume", "rm", "nosuch"});
}

TEST_F(SideBySideTest, ContainersAreShownTheSame) {
  TemporaryContainer remover([](auto words) { return docker(std::move(words)); }, "side");
  ASSERT_EQ(dhow({"run", "-d", "--name", "side", "--label", "a=1", "--label", "b=2", "--network",
                  "none", "cli:1", "sh", "-c", "echo one; echo two >&2; sleep 1000"})
                .exit_code,
            0);
  for (const char* format :
       {"", "json", "table", "table {{.ID}}\\t{{.Names}}\\t{{.Label \"a\"}}",
        "{{.Names}} {{.State}} {{.Labels}}", "{{json .}}", "{{.Foo}}", "{{.ID",
        "{{range split .Labels \",\"}}<{{.}}>{{end}}", "{{printf \"%.3s|%-9s|\" .ID .Names}}",
        "{{upper .Names}} {{len .ID}} {{if eq .State \"running\"}}up{{end}}",
        "{{.CreatedAt}} {{.Networks}} {{.Size}}"}) {
    same({"ps", "--format", format});
  }
  same({"ps"});
  same({"ps", "-a", "--no-trunc"});
  same({"ps", "-q"});
  same({"ps", "-s"});
  same({"ps", "-f", "name=side", "-f", "label=a", "-n", "1"});
  same({"container", "ls", "-lq"});
  same({"logs", "side"});
  same({"logs", "-t", "--tail", "1", "side"});
  same({"inspect", "side"});
  same({"inspect", "side", "nosuch"});
  for (const char* format :
       {"{{.Id}}", "{{json .Config}}", "{{.State.Status}} {{.State.Pid}}", "{{.Config.Labels}}",
        "{{index .Config.Labels \"a\"}}", "{{range .Config.Cmd}}{{.}};{{end}}",
        "{{.Config.Cmd}} {{.HostConfig.PortBindings}}", "{{.Foo}}", "{{.State.Health}}",
        "{{if .State.Health}}x{{else}}none{{end}}", "{{(index .Config.Cmd 0) | printf \"%q\"}}",
        "json"}) {
    same({"inspect", "-f", format, "side"});
  }
  same({"exec", "side", "sh", "-c", "echo x; exit 3"});
  same({"exec", "-i", "side", "cat"}, "typed");
  same({"exec", "side", "nosuch"});
  same({"exec", "-e", "A=5", "-w", "/bin", "side", "sh", "-c", "echo $A; pwd"});
  same({"exec", "side", "touch", "/new"});
  same({"diff", "side"});
  same({"top", "side", "-o", "pid,comm"});
  same({"port", "side"});
  same({"rm", "side"});
  same({"kill", "-s", "FOO", "side"});
}

TEST_F(SideBySideTest, ImagesAreShownTheSame) {
  same({"images"});
  same({"images", "--digests", "--no-trunc"});
  same({"images", "-q", "cli"});
  same({"images", "--format", "{{.Repository}}:{{.Tag}} {{.Size}} {{.Digest}}"});
  same({"images", "--format", "json"});
  same({"history", "cli:1"});
  same({"history", "-H=false", "--format", "{{.ID}} {{.Size}} {{.Comment}}", "cli:1"});
  same({"inspect", "cli:1"});
  same({"image", "inspect", "-f", "{{.Architecture}} {{.RepoTags}} {{.Config.Labels}}", "cli:1"});
}

TEST_F(SideBySideTest, TheEngineIsShownTheSame) {
  same({"system", "df"});
  same({"system", "df", "--format", "json"});
  same({"network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"});
  same({"network", "ls"});
  same({"network", "inspect", "none"});
  same({"volume", "ls"});
  same({"container", "prune", "-f"});
  same({"image", "prune", "-f"});
  same({"system", "prune", "-f"});
  same({"info", "-f", "{{.ServerVersion}} {{.Driver}} {{.NCPU}}"});
  same({"version", "-f", "{{.Server.Version}}"});
  std::string seen = dhow({"events", "--since", "1h", "--until", "0s", "--filter", "event=import",
                           "--format", "{{.Type}} {{.Action}}"})
                         .output;
  EXPECT_EQ(seen, "image import\n");
}

TEST_F(SideBySideTest, VolumesAreShownTheSame) {
  TemporaryContainer remover([](auto words) { return docker(std::move(words)); }, "keeper");
  same({"volume", "create", "--label", "a=1", "--label", "b", "-o", "type=tmpfs", "-o",
        "device=tmpfs", "side-one"});
  same({"volume", "create", "side-two"});
  ASSERT_EQ(docker({"create", "--name", "keeper", "--network", "none", "-v", "side-two:/x", "cli:1",
                    "true"})
                .exit_code,
            0);
  same({"volume", "ls"});
  same({"volume", "ls", "-q"});
  same({"volume", "ls", "-q", "-f", "dangling=true", "-f", "name=side"});
  same({"volume", "ls", "-f", "label=a=1"});
  same({"volume", "ls", "-f", "nosuch=1"});
  for (const char* format : {"json", "{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}} {{.Mountpoint}}",
                             "{{.Label \"a\"}} {{.Links}} {{.Size}}", "table {{.Name}}"}) {
    same({"volume", "ls", "--format", format});
  }
  same({"volume", "inspect", "side-one", "side-two", "nosuch"});
  same({"volume", "inspect", "-f", "{{.Options.type}} {{json .Labels}}", "side-one"});
  same({"volume", "create", "x"});
  same({"volume", "create", "-o", "nosuch=1", "side-three"});
  same({"volume", "rm", "side-two"});
  same({"inspect", "-f", "{{json .Mounts}}", "keeper"});
  ASSERT_EQ(docker({"rm", "keeper"}).exit_code, 0);
  same({"volume", "rm", "-f", "nosuch"});
  ASSERT_EQ(dhow({"volume", "rm", "side-one", "side-two"}).exit_code, 0);
}

TEST_F(SideBySideTest, LifecyclesAreTheSame) {
  for (bool theirs : {true, false}) {
    auto call = [theirs](std::vector<std::string> words) {
      return theirs ? docker(std::move(words)) : dhow(std::move(words));
    };
    TemporaryContainer remover(call, "life2");
    TemporaryContainer other(call, "life");
    EXPECT_EQ(call({"create", "--name", "life", "--network", "none", "cli:1", "sh", "-c",
                    "echo started; exit 4"})
                  .exit_code,
              0);
    SpawnOutput started = call({"start", "-a", "life"});
    EXPECT_EQ(started.output, "started\n");
    EXPECT_EQ(started.exit_code, 4);
    EXPECT_EQ(call({"wait", "life"}).output, "4\n");
    EXPECT_EQ(call({"rename", "life", "life2"}).exit_code, 0);
    EXPECT_EQ(call({"commit", "-m", "text", "life2", "made:1"}).output.substr(0, 7), "sha256:");
    EXPECT_EQ(call({"tag", "made:1", "made:2"}).exit_code, 0);
    EXPECT_EQ(call({"rmi", "made:2"}).output, "Untagged: made:2\n");
    EXPECT_EQ(call({"rmi", "made:1"}).exit_code, 0);
    EXPECT_EQ(call({"rm", "life2"}).output, "life2\n");
    EXPECT_EQ(call({"run", "-d", "--name", "life", "--network", "none", "cli:1", "sleep", "1000"})
                  .exit_code,
              0);
    EXPECT_EQ(call({"pause", "life"}).output, "life\n");
    EXPECT_EQ(call({"unpause", "life"}).output, "life\n");
    EXPECT_EQ(call({"update", "--cpu-shares", "100", "life"}).output, "life\n");
    EXPECT_EQ(call({"restart", "-t", "0", "life"}).output, "life\n");
    EXPECT_EQ(call({"stop", "-t", "0", "life"}).output, "life\n");
    EXPECT_EQ(call({"rm", "-f", "life"}).output, "life\n");
  }
}

TEST_F(SideBySideTest, ImagesGoOutAndIn) {
  std::string archive = folder_ + "/image.tar";
  EXPECT_EQ(dhow({"tag", "cli:1", "moved:1"}).exit_code, 0);
  EXPECT_EQ(dhow({"save", "-o", archive, "moved:1"}).exit_code, 0);
  EXPECT_EQ(dhow({"rmi", "moved:1"}).exit_code, 0);
  EXPECT_EQ(dhow({"load", "-i", archive}).output, "Loaded image: moved:1\n");
  same({"load", "-i", archive});
  same({"load", "-i", folder_ + "/nosuch"});
  EXPECT_EQ(dhow({"rmi", "moved:1"}).exit_code, 0);
}

TEST_F(SideBySideTest, FilesAreCopiedBothWays) {
  std::string work = folder_ + "/copy";
  ASSERT_EQ(run("/bin/sh",
                {"-c", cat("mkdir -p ", work, "/in/sub && echo text >", work,
                           "/in/sub/file && chmod 640 ", work, "/in/sub/file && ln -s sub/file ",
                           work, "/in/link && touch -d @1000000000 ", work, "/in/sub/file")})
                .exit_code,
            0);
  for (bool theirs : {true, false}) {
    auto call = [theirs](std::vector<std::string> words) {
      return theirs ? docker(std::move(words)) : dhow(std::move(words));
    };
    TemporaryContainer remover(call, "copied");
    ASSERT_EQ(call({"run", "-d", "--name", "copied", "--network", "none", "cli:1", "sleep", "1000"})
                  .exit_code,
              0);
    std::string out = cat(work, theirs ? "/theirs" : "/ours");
    ASSERT_TRUE(make_dirs(out, 0700).has_value());
    EXPECT_EQ(call({"cp", work + "/in", "copied:/new"}).exit_code, 0);  // under a new name
    EXPECT_EQ(call({"cp", work + "/in", "copied:/new"}).exit_code, 0);  // into it
    EXPECT_EQ(call({"cp", work + "/in/.", "copied:/tmp-not-there"}).exit_code, 0);  // its content
    EXPECT_EQ(call({"cp", "copied:/new", out}).exit_code, 0);
    EXPECT_EQ(call({"cp", "copied:/new", out + "/other"}).exit_code, 0);
    EXPECT_EQ(call({"cp", "copied:/new/.", out + "/content"}).exit_code, 0);
    EXPECT_EQ(call({"cp", "copied:/new/sub/file", out + "/one"}).exit_code, 0);
    EXPECT_EQ(call({"cp", "-L", "copied:/new/link", out + "/followed"}).exit_code, 0);
    EXPECT_EQ(call({"cp", "copied:/tmp-not-there", out}).exit_code, 0);
  }
  std::string listing =
      "find . | sort | while read -r f; do stat -c '%n %F %a %s' \"$f\"; done; find . -type f "
      "-exec md5sum {} + | sort";
  SpawnOutput theirs = run("/bin/sh", {"-c", cat("cd ", work, "/theirs && ", listing)});
  SpawnOutput ours = run("/bin/sh", {"-c", cat("cd ", work, "/ours && ", listing)});
  EXPECT_EQ(ours.output, theirs.output);
  EXPECT_NE(ours.output.find("./new/in/sub/file regular file 640 5"), std::string::npos)
      << ours.output;
  same({"cp", "nosuch:/x", "/tmp/x"});
  same({"cp", work + "/nosuch", "nosuch:/x"});
  same({"cp", "a", "b"});
  same({"cp", "a:/x", "b:/y"});
}

// Input that does not fit any buffer goes in while as much comes out.
TEST_F(SideBySideTest, MuchGoesThroughARunAtOnce) {
  std::string much;
  for (int i = 0; i < 60'000; ++i) much += cat("line ", i, "\n");
  SpawnOutput output = dhow({"run", "-i", "--rm", "--network", "none", "cli:1", "sh", "-c",
                             "cat | while read -r a; do echo $a; done | busybox md5sum"},
                            much);
  SpawnOutput expected = run("/bin/busybox", {"md5sum"}, much);
  EXPECT_EQ(output.output, expected.output);
}

TEST_F(SideBySideTest, TheRunCommandOfAContainerRuns) {
  TemporaryContainer remover([](auto words) { return docker(std::move(words)); }, "again");
  ASSERT_EQ(dhow({"run", "-d", "--name", "again", "-e", "A=b c", "--network", "none", "-m", "64m",
                  "--label", "k=v", "cli:1", "sh", "-c", "echo \"$A\"; sleep 1000"})
                .exit_code,
            0);
  SpawnOutput text = dhow({"inspect", "--format", "run", "again"});
  ASSERT_EQ(text.exit_code, 0) << text.error_text;
  std::string first =
      dhow({"inspect", "-f",
            "{{json .Config.Cmd}}{{json .Config.Env}}{{.HostConfig.Memory}}{{.Config.Labels}}",
            "again"})
          .output;
  ASSERT_EQ(dhow({"rm", "-f", "again"}).exit_code, 0);
  ASSERT_EQ(run("/bin/sh", {"-c", cat("PATH=", dhow_program().substr(0, dhow_program().rfind('/')),
                                      ":$PATH ; ", text.output)})
                .exit_code,
            0);
  EXPECT_EQ(
      dhow({"inspect", "-f",
            "{{json .Config.Cmd}}{{json .Config.Env}}{{.HostConfig.Memory}}{{.Config.Labels}}",
            "again"})
          .output,
      first);
}

}  // namespace
}  // namespace dhow
