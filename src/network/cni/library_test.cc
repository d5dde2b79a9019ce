// SPDX-License-Identifier: Apache-2.0
// What is asked of plugins and in which order, with plugins that write down what they are asked.
#include "network/cni/library.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sys/testing/forked.h"
#include "sys/testing/temp_dir.h"

namespace dhow::cni {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Answers with the files NAME.COMMAND (1: it fails with it) and NAME.COMMAND.error, which a test
// puts beside it, and runs NAME.COMMAND.sh before.
constexpr std::string_view kPlugin = R"(#!/bin/sh
me=${0##*/}; here=${0%/bin/*}
cat >"$here/input.$me.$CNI_COMMAND"
echo "$CNI_COMMAND $me" >>"$here/log"
env >"$here/env.$me.$CNI_COMMAND"
if [ -f "$here/$me.$CNI_COMMAND.sh" ]; then . "$here/$me.$CNI_COMMAND.sh"; fi
if [ -f "$here/$me.$CNI_COMMAND.error" ]; then cat "$here/$me.$CNI_COMMAND.error"; exit 1; fi
if [ -f "$here/$me.$CNI_COMMAND" ]; then cat "$here/$me.$CNI_COMMAND"; exit 0; fi
if [ "$CNI_COMMAND" = ADD ]; then
  echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/24"}],"by":"'$me'"}'
fi
)";

class LibraryTest : public testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    ASSERT_EQ(::mkdir(at("bin").c_str(), 0755), 0);
    for (const char* name : {"a", "b", "c"}) add_plugin(name);
  }
  void add_plugin(const std::string& name) {
    put("bin/" + name, kPlugin);
    ASSERT_EQ(::chmod(at("bin/" + name).c_str(), 0755), 0);
  }
  Library library(int timeout_ms = 60'000) {
    LibraryOptions options;
    options.plugin_folders = {at("none"), at("bin")};
    options.cache_folder = at("cache");
    options.timeout_ms = timeout_ms;
    return Library(options);
  }
  static NetworkConfig network(std::string_view version = "1.0.0", std::string_view more = "") {
    auto parsed = parse_network(cat(R"({"cniVersion":")", version, R"(",)", more, R"("name":"net",
        "plugins":[{"type":"a","capabilities":{"mac":true}},{"type":"b"},{"type":"c"}]})"));
    EXPECT_TRUE(parsed) << parsed.error().message();
    return *parsed;
  }
  Attachment attachment() {
    Attachment one;
    one.container = "c1";
    one.interface = "eth0";
    one.netns = "/proc/self/ns/net";
    one.args = {{"IgnoreUnknown", "1"}, {"K8S_POD_NAME", "p"}};
    one.capabilities = {{"mac", "\"00:11:22:33:44:55\""}};
    return one;
  }
  std::string text_of(const std::string& name) { return read_file(at(name)).value_or(""); }
  // Since it was last asked.
  std::string log() {
    std::string text = text_of("log");
    ::unlink(at("log").c_str());
    for (char& c : text) c = c == '\n' ? ';' : c;
    return text;
  }
  std::vector<std::string> cached() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(at("cache"))) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
};

TEST_F(LibraryTest, AddsInOrderAndRemovesInReverse) {
  auto result = library().add(network(), attachment());
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->ips[0].address, "10.0.0.2/24");
  EXPECT_EQ(log(), "ADD a;ADD b;ADD c;");
  EXPECT_THAT(text_of("input.a.ADD"), Not(HasSubstr("prevResult")));
  EXPECT_THAT(text_of("input.a.ADD"), HasSubstr(R"("runtimeConfig":{"mac":"00:11:22:33:44:55"})"));
  EXPECT_THAT(text_of("input.b.ADD"), Not(HasSubstr("runtimeConfig")));
  // What we do not know of a result goes on as well.
  EXPECT_THAT(text_of("input.b.ADD"), HasSubstr(R"("by":"a")"));
  EXPECT_THAT(text_of("input.c.ADD"), HasSubstr(R"("by":"b")"));
  EXPECT_THAT(cached(), ElementsAre("net-c1-eth0"));
  struct stat facts{};
  ASSERT_EQ(::stat(at("cache/net-c1-eth0").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);

  Attachment gone = attachment();
  gone.args.clear();
  gone.netns.clear();
  auto removed = library().remove("net", gone);
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_EQ(log(), "DEL c;DEL b;DEL a;");
  for (const char* name : {"input.a.DEL", "input.b.DEL", "input.c.DEL"}) {
    EXPECT_THAT(text_of(name), HasSubstr(R"("by":"c")")) << name;
  }
  // As it was added, though nobody says so any more.
  EXPECT_THAT(text_of("env.a.DEL"), HasSubstr("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=p\n"));
  EXPECT_THAT(text_of("env.a.DEL"), Not(HasSubstr("CNI_NETNS")));
  EXPECT_THAT(text_of("input.a.DEL"), HasSubstr("runtimeConfig"));
  EXPECT_THAT(cached(), IsEmpty());
  ASSERT_TRUE(library().remove("net", gone));
  EXPECT_EQ(log(), "");
  // Of one that was made by somebody else.
  NetworkConfig config = network();
  ASSERT_TRUE(library().remove("net", gone, &config));
  EXPECT_EQ(log(), "DEL c;DEL b;DEL a;");
}

TEST_F(LibraryTest, PluginsSeeTheirVariablesAndNothingElseOfOurs) {
  ::setenv("DHOW_SECRET", "1", 1);
  Fd leaked = *open_at(kCwd, at("log"), O_WRONLY | O_CREAT, 0600);
  ::fcntl(leaked.get(), F_SETFD, 0);
  put("a.ADD.sh", "ls -l /proc/$$/fd >$here/fds\n");
  ASSERT_TRUE(library().add(network(), attachment()));
  ::unsetenv("DHOW_SECRET");
  std::string variables = text_of("env.a.ADD");
  EXPECT_THAT(variables, HasSubstr("CNI_COMMAND=ADD\n"));
  EXPECT_THAT(variables, HasSubstr("CNI_CONTAINERID=c1\n"));
  EXPECT_THAT(variables, HasSubstr("CNI_NETNS=/proc/self/ns/net\n"));
  EXPECT_THAT(variables, HasSubstr("CNI_IFNAME=eth0\n"));
  EXPECT_THAT(variables, HasSubstr(cat("CNI_PATH=", at("none"), ":", at("bin"), "\n")));
  EXPECT_THAT(variables, Not(HasSubstr("DHOW_SECRET")));
  std::string descriptors = text_of("fds");
  EXPECT_THAT(descriptors, HasSubstr(".lock-net-c1-eth0"));
  EXPECT_THAT(descriptors, Not(HasSubstr(at("log"))));
}

TEST_F(LibraryTest, AFailedAddIsTakenAway) {
  put("b.ADD.error", R"({"cniVersion":"1.0.0","code":7,"msg":"no","details":"because"})");
  auto result = library().add(network(), attachment());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            R"(plugin type="b" name="net" failed (add): no; because (CNI error 7))");
  EXPECT_EQ(result.error().code(), Code::kInvalidArgument);
  EXPECT_EQ(log(), "ADD a;ADD b;DEL c;DEL b;DEL a;");
  EXPECT_THAT(text_of("input.a.DEL"), HasSubstr(R"("by":"a")"));
  EXPECT_THAT(cached(), IsEmpty());
}

TEST_F(LibraryTest, WhatCouldNotBeTakenAwayIsTriedAgain) {
  put("b.ADD.error", R"({"code":11,"msg":"later"})");
  put("c.DEL.error", "panic");
  auto result = library().add(network(), attachment());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::kUnavailable);
  // The others were asked all the same.
  EXPECT_EQ(log(), "ADD a;ADD b;DEL c;DEL b;DEL a;");
  EXPECT_THAT(cached(), ElementsAre("net-c1-eth0"));
  auto again = library().add(network(), attachment());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::kAlreadyExists);
  auto removed = library().remove("net", attachment());
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message(),
            R"(plugin type="c" name="net" failed (del): exit status 1; panic)");
  ::unlink(at("c.DEL.error").c_str());
  // That a plugin knows of no such container is what is wanted.
  put("a.DEL.error", R"({"code":3,"msg":"unknown container"})");
  log();
  ASSERT_TRUE(library().remove("net", attachment()));
  EXPECT_EQ(log(), "DEL c;DEL b;DEL a;");
  EXPECT_THAT(cached(), IsEmpty());
}

TEST_F(LibraryTest, APluginThatNeverCameIntoItNeedNotLeave) {
  ::unlink(at("bin/c").c_str());
  put("b.ADD.error", R"({"code":1,"msg":"incompatible"})");
  put("b.DEL.error", R"({"code":1,"msg":"incompatible"})");
  auto result = library().add(network(), attachment());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::kFailedPrecondition);
  EXPECT_EQ(log(), "ADD a;ADD b;DEL b;DEL a;");
  EXPECT_THAT(cached(), IsEmpty());
}

TEST_F(LibraryTest, BadAnswersOfPluginsFailTheAdd) {
  auto message = [&](std::string_view answer) {
    put("a.ADD", answer);
    auto result = library().add(network(), attachment());
    EXPECT_THAT(cached(), IsEmpty());
    return result ? std::string() : result.error().message();
  };
  EXPECT_THAT(message(""), HasSubstr(R"(type="a" name="net" failed (add): its result: invalid)"));
  EXPECT_THAT(message("[1,"), HasSubstr("invalid JSON"));
  EXPECT_THAT(message(R"({"cniVersion":"1.0.0","ips":[{"address":"x"}]})"),
              HasSubstr("$.ips[0].address"));
  EXPECT_THAT(message(std::string(2 << 20, ' ')), HasSubstr("more than 1 MiB"));
}

TEST_F(LibraryTest, AResultOfAnotherVersionIsGivenOnInOurs) {
  put("a.ADD", R"({"cniVersion":"0.2.0","ip4":{"ip":"10.9.0.2/24"}})");
  ASSERT_TRUE(library().add(network(), attachment()));
  EXPECT_THAT(text_of("input.b.ADD"),
              HasSubstr(R"("prevResult":{"cniVersion":"1.0.0","interfaces":[],)"
                        R"("ips":[{"address":"10.9.0.2/24"}])"));
}

TEST_F(LibraryTest, AHangingPluginIsKilledWithWhatItHasStarted) {
  put("a.ADD.sh", "sleep 1000 & echo $! >$here/child; echo $$ >$here/pid; wait\n");
  auto result = library(3000).add(network(), attachment());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(result.error().message(), HasSubstr(R"(plugin type="a" name="net" failed (add))"));
  for (const char* name : {"pid", "child"}) {
    auto pid = parse_number<int>(trim(text_of(name)));
    ASSERT_TRUE(pid) << name;
    // A zombie until its parent has waited for it, which for the child is somebody else.
    std::string stat = read_file(cat("/proc/", *pid, "/stat")).value_or("");
    EXPECT_TRUE(stat.empty() || stat.find(") Z ") != std::string::npos) << stat;
  }
}

TEST_F(LibraryTest, ADeathInTheMiddleLeavesWhatRemoveTakesAway) {
  put("b.ADD.sh", "kill -9 $PPID\nwhile [ ! -f $here/go ]; do sleep 0.01; done\n");
  // PR_SET_PDEATHSIG takes the plugin with us; what it has started goes on for a while.
  put("a.ADD.sh", "(sleep 0.3; echo late >>$here/log) >/dev/null 2>&1 &\n");
  std::string end = testing::in_child([&] {
    std::ignore = library().add(network(), attachment());
    return std::string("survived");
  });
  EXPECT_THAT(end, HasSubstr("killed by signal 9"));
  EXPECT_EQ(library().add(network(), attachment()).error().code(), Code::kAlreadyExists);
  ASSERT_TRUE(library().remove("net", attachment()));
  EXPECT_EQ(log(), "ADD a;ADD b;late;DEL c;DEL b;DEL a;");
  EXPECT_THAT(text_of("input.a.DEL"), HasSubstr(R"("by":"a")"));
  EXPECT_THAT(cached(), IsEmpty());
}

TEST_F(LibraryTest, SomethingThatIsLeftRunningIsNotWaitedForTwice) {
  put("a.ADD.sh", "sleep 1000 >/dev/null 2>&1 & echo $! >$here/daemon\n");
  ASSERT_TRUE(library().add(network(), attachment()));
  ASSERT_TRUE(library().remove("net", attachment()));
  EXPECT_THAT(cached(), IsEmpty());
  auto daemon = parse_number<int>(trim(text_of("daemon")));
  ASSERT_TRUE(daemon);
  EXPECT_EQ(::kill(*daemon, SIGKILL), 0);
}

TEST_F(LibraryTest, ChecksWithTheResultOfTheAdd) {
  EXPECT_EQ(library().check("net", attachment()).error().code(), Code::kNotFound);
  ASSERT_TRUE(library().add(network(), attachment()));
  log();
  ASSERT_TRUE(library().check("net", attachment()));
  EXPECT_EQ(log(), "CHECK a;CHECK b;CHECK c;");
  EXPECT_THAT(text_of("input.a.CHECK"), HasSubstr(R"("by":"c")"));
  put("b.CHECK.error", R"({"code":100,"msg":"gone"})");
  auto checked = library().check("net", attachment());
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message(), HasSubstr(R"(name="net" failed (check): gone)"));
  ASSERT_TRUE(library().remove("net", attachment()));
  ASSERT_TRUE(library().add(network("1.0.0", R"("disableCheck":true,)"), attachment()));
  EXPECT_TRUE(library().check("net", attachment()));
  ASSERT_TRUE(library().remove("net", attachment()));
  put("a.ADD", R"({"cniVersion":"0.3.1"})");
  ASSERT_TRUE(library().add(network("0.3.1"), attachment()));
  EXPECT_EQ(library().check("net", attachment()).error().code(), Code::kUnimplemented);
  // DEL of that version has no result.
  ASSERT_TRUE(library().remove("net", attachment()));
  EXPECT_THAT(text_of("input.a.DEL"), Not(HasSubstr("prevResult")));
}

TEST_F(LibraryTest, TheNewestVersionThatAllSpeakIsChosen) {
  put("a.VERSION", R"({"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]})");
  put("b.VERSION", R"({"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0"]})");
  put("c.VERSION", R"({"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]})");
  NetworkConfig several = network("0.4.0", R"("cniVersions":["1.1.0","1.0.0"],)");
  Library one = library();
  ASSERT_TRUE(one.add(several, attachment()));
  EXPECT_EQ(log(), "VERSION a;VERSION b;VERSION c;ADD a;ADD b;ADD c;");
  EXPECT_THAT(text_of("input.a.ADD"), HasSubstr(R"("cniVersion":"1.0.0")"));
  ASSERT_TRUE(one.remove("net", attachment()));
  log();
  ASSERT_TRUE(one.add(several, attachment()));
  EXPECT_EQ(log(), "ADD a;ADD b;ADD c;");  // what was asked is known
  auto none = one.add(network("1.1.0", R"("cniVersions":["0.3.0"],)"), attachment());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(none.error().message(), HasSubstr("0.3.0, 1.1.0"));
}

TEST_F(LibraryTest, CollectsWhatIsNotValid) {
  NetworkConfig config = network("1.1.0");
  for (const char* container : {"c1", "c2", "c3"}) {
    Attachment one = attachment();
    one.container = container;
    ASSERT_TRUE(library().add(config, one));
  }
  log();
  ASSERT_TRUE(library().collect(config, {{"c2", "eth0"}}));
  EXPECT_EQ(log(), "DEL c;DEL b;DEL a;DEL c;DEL b;DEL a;GC a;GC b;GC c;");
  EXPECT_THAT(cached(), ElementsAre("net-c2-eth0"));
  EXPECT_THAT(text_of("input.a.GC"),
              HasSubstr(R"("cni.dev/valid-attachments":[{"containerID":"c2","ifname":"eth0"}])"));
  EXPECT_THAT(text_of("env.a.GC"), Not(HasSubstr("CNI_CONTAINERID")));
  put("a.GC.error", R"({"code":100,"msg":"no"})");
  auto collected = library().collect(config, {{"c2", "eth0"}});
  ASSERT_FALSE(collected);
  EXPECT_EQ(log(), "GC a;GC b;GC c;");
  EXPECT_TRUE(library().collect(network("1.1.0", R"("disableGC":true,)"), {{"c2", "eth0"}}));
  EXPECT_TRUE(library().collect(network("1.0.0"), {{"c2", "eth0"}}));
  EXPECT_EQ(log(), "");
}

TEST_F(LibraryTest, SaysWhetherContainersCanBeAdded) {
  EXPECT_TRUE(library().status(network("1.0.0"))->is_ready);
  EXPECT_EQ(log(), "");
  EXPECT_TRUE(library().status(network("1.1.0"))->is_ready);
  EXPECT_EQ(log(), "STATUS a;STATUS b;STATUS c;");
  put("b.STATUS.error", R"({"code":50,"msg":"no daemon"})");
  auto status = library().status(network("1.1.0"));
  EXPECT_FALSE(status->is_ready);
  EXPECT_EQ(status->reason,
            R"(plugin type="b" name="net" failed (status): no daemon (CNI error 50))");
  ::unlink(at("bin/c").c_str());
  EXPECT_THAT(library().status(network("1.0.0"))->reason,
              HasSubstr("failed to find plugin \"c\" in path"));
}

TEST_F(LibraryTest, NamesThatCouldBeMistakenAreRefused) {
  auto code = [&](auto change) {
    Attachment one = attachment();
    change(one);
    auto result = library().add(network(), one);
    return result ? std::string("added") : result.error().message();
  };
  EXPECT_THAT(code([](Attachment& one) { one.container = "../x"; }), HasSubstr("container's id"));
  EXPECT_THAT(code([](Attachment& one) { one.container = ""; }), HasSubstr("container's id"));
  EXPECT_THAT(code([](Attachment& one) { one.container = std::string(240, 'x'); }),
              HasSubstr("too long"));
  EXPECT_THAT(code([](Attachment& one) { one.interface = "a/b"; }), HasSubstr("interface's name"));
  EXPECT_THAT(code([](Attachment& one) { one.interface = "sixteen-letters-"; }),
              HasSubstr("interface's name"));
  EXPECT_THAT(code([](Attachment& one) { one.args = {{"A", "1;B=2"}}; }), HasSubstr("CNI_ARGS"));
  EXPECT_EQ(log(), "");
}

TEST_F(LibraryTest, ATornCacheIsReadWithTheConfigurationThatIsThere) {
  ASSERT_TRUE(library().add(network(), attachment()));
  put("cache/net-c1-eth0", "{");
  EXPECT_EQ(library().remove("net", attachment()).error().code(), Code::kDataLoss);
  NetworkConfig config = network();
  ASSERT_TRUE(library().remove("net", attachment(), &config));
  EXPECT_THAT(cached(), IsEmpty());
}

}  // namespace
}  // namespace dhow::cni
