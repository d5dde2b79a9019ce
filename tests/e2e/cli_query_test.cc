// SPDX-License-Identifier: Apache-2.0
// Commands that only look: list, state, ps, events, features, spec.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr const char* kTime = "[0-9-]{10}T[0-9:]{8}(\\.[0-9]+)?Z";

std::vector<std::string> keys_of(const json::object& object) {
  std::vector<std::string> keys;
  for (const auto& member : object) keys.emplace_back(member.key());
  return keys;
}

std::vector<std::string> words_of(const json::value& array) {
  std::vector<std::string> words;
  for (const json::value& word : array.as_array()) words.emplace_back(word.as_string());
  return words;
}

// `list` with a state folder that no other test uses.
class Query : public testing::Test {
 protected:
  Outcome list(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {runtime_path(), "--root", root_, "list"});
    return run_command(flags);
  }
  TempDir folder_;
  std::string root_ = folder_.path() + "/state";
};

TEST_F(Query, ListInItsThreeForms) {
  EXPECT_EQ(list({}).out, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  EXPECT_EQ(list({"--format", "json"}).out, "null\n");
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.config()["annotations"] = json::object{{"key", "value"}};
  Container container(bundle);
  container.set_global({"--root", root_});
  ASSERT_EQ(container.create().code, 0);

  EXPECT_EQ(list({"-q"}).out, container.id() + "\n");
  EXPECT_EQ(list({"--quiet"}).out, container.id() + "\n");
  Outcome table = list({"-f", "table"});
  EXPECT_THAT(table.out, StartsWith("ID "));
  EXPECT_THAT(table.out, HasSubstr("\n" + container.id() + " "));
  EXPECT_THAT(table.out, HasSubstr(" created "));
  EXPECT_THAT(table.out, HasSubstr(bundle.path()));

  Outcome text = list({"--format=json"});
  json::array all = json::parse(text.out).as_array();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(keys_of(all[0].as_object()),
              testing::ElementsAre("ociVersion", "id", "pid", "status", "bundle", "rootfs",
                                   "created", "annotations", "owner"));
  EXPECT_EQ(all[0].at("owner"), "root");
  EXPECT_EQ(list({"--format", "xml"}).code, 1);
  EXPECT_EQ(container.remove().code, 0);
}

TEST_F(Query, StateThroughALife) {
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.config()["annotations"] = json::object{{"key", "value"}};
  Container container(bundle);
  ASSERT_EQ(container.create().code, 0);
  Outcome outcome = container.call("state");
  EXPECT_FALSE(outcome.out.ends_with('\n'));
  EXPECT_THAT(outcome.out, StartsWith("{\n  \"ociVersion\": \""));
  json::object state = json::parse(outcome.out).as_object();
  EXPECT_THAT(keys_of(state), testing::ElementsAre("ociVersion", "id", "pid", "status", "bundle",
                                                   "rootfs", "created", "annotations", "owner"));
  EXPECT_EQ(state["status"], "created");
  EXPECT_EQ(text_of(state["id"]), container.id());
  EXPECT_EQ(text_of(state["bundle"]), bundle.path());
  EXPECT_EQ(text_of(state["rootfs"]), bundle.rootfs());
  EXPECT_EQ(state["owner"], "");
  EXPECT_EQ(state["annotations"].at("key"), "value");
  EXPECT_THAT(std::string(state["created"].as_string()), MatchesRegex(kTime));
  EXPECT_TRUE(exists("/proc/" + std::to_string(state["pid"].as_int64())));

  ASSERT_EQ(container.start().code, 0);
  EXPECT_EQ(container.status(), "running");
  ASSERT_EQ(container.call("pause").code, 0);
  EXPECT_EQ(container.status(), "paused");
  ASSERT_EQ(container.call("resume").code, 0);
  EXPECT_EQ(container.status(), "running");
  ASSERT_EQ(container.call("kill", {}, {"9"}).code, 0);
  ASSERT_TRUE(container.wait_for_status("stopped"));
  EXPECT_EQ(container.pid(), 0);
}

TEST_F(Query, PsShowsTheProcessesOfTheContainerAlone) {
  DHOW_NEEDS(has_command("ps"), "ps is not installed");
  Bundle bundle;
  bundle.set_script("sleep 1000 & echo up; wait");
  Container container(bundle);
  container.start_detached();
  ASSERT_TRUE(eventually([&] {
    Outcome pids = container.call("ps", {"--format", "json"});
    return pids.code == 0 && json::parse(pids.out).as_array().size() == 2;
  }));
  json::array pids = json::parse(container.call("ps", {"-f", "json"}).out).as_array();
  EXPECT_THAT(pids, Contains(json::value(container.pid())));

  std::string table = container.call("ps").out;
  EXPECT_THAT(table, StartsWith("UID "));
  EXPECT_THAT(table, HasSubstr("sleep 1000"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3) << table;
  std::string chosen = container.call("ps", {}, {"-e", "-o", "pid,args"}).out;
  EXPECT_THAT(chosen, testing::ContainsRegex("^ *PID COMMAND\n"));
  EXPECT_EQ(std::count(chosen.begin(), chosen.end(), '\n'), 3) << chosen;
  EXPECT_EQ(container.call("ps", {"--format", "xml"}).code, 1);
}

TEST_F(Query, EventsGiveStatistics) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Outcome outcome = container.call("events", {"--stats"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
  json::object line = json::parse(outcome.out).as_object();
  EXPECT_EQ(line["type"], "stats");
  EXPECT_EQ(text_of(line["id"]), container.id());
  EXPECT_EQ(line["data"].at("pids").at("current").to_number<int>(), 1);
  EXPECT_GT(line["data"].at("memory").at("usage").at("usage").to_number<double>(), 0);
  EXPECT_TRUE(line["data"].at("cpu").at("usage").is_object());

  Background every(container.command_line("events", {"--interval", "10ms"}));
  every.wait_for_output("\"stats\"");
  ASSERT_EQ(container.call("kill", {}, {"KILL"}).code, 0);
  EXPECT_EQ(every.wait().code, 0);  // it ends with the container
  EXPECT_NE(container.call("events", {"--interval", "0s", "--stats"}).code, 0);
}

TEST_F(Query, FeaturesTellWhatCallersProbe) {
  Outcome outcome = runtime({"features"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  json::value features = json::parse(outcome.out);
  EXPECT_EQ(features.at("ociVersionMin"), "1.0.0");
  EXPECT_THAT(std::string(features.at("ociVersionMax").as_string()), StartsWith("1.3"));
  EXPECT_THAT(words_of(features.at("hooks")),
              testing::ElementsAre("prestart", "createRuntime", "createContainer", "startContainer",
                                   "poststart", "poststop"));
  EXPECT_THAT(words_of(features.at("mountOptions")), Contains("rro"));
  const json::value& os = features.at("linux");
  EXPECT_THAT(words_of(os.at("namespaces")),
              testing::UnorderedElementsAre("cgroup", "ipc", "mount", "network", "pid", "time",
                                            "user", "uts"));
  EXPECT_THAT(words_of(os.at("capabilities")), Contains("CAP_SYS_ADMIN"));
  for (const char* key : {"v1", "v2", "systemd", "systemdUser", "rdma"}) {
    EXPECT_TRUE(os.at("cgroup").at(key).as_bool()) << key;
  }
  for (const char* key :
       {"enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"}) {
    EXPECT_TRUE(os.at("seccomp").as_object().contains(key)) << key;
  }
  for (const char* key : {"apparmor", "selinux", "intelRdt", "netDevices"}) {
    EXPECT_TRUE(os.at(key).at("enabled").as_bool()) << key;
  }
  EXPECT_TRUE(os.at("mountExtensions").at("idmap").at("enabled").as_bool());
  EXPECT_THAT(words_of(os.at("memoryPolicy").at("modes")), Contains("MPOL_INTERLEAVE"));
  EXPECT_TRUE(features.at("annotations").is_object());
  EXPECT_THAT(words_of(features.at("potentiallyUnsafeConfigAnnotations")),
              testing::IsSupersetOf({"bundle", "org.systemd.property.", "org.criu.config"}));
}

TEST_F(Query, SpecWritesAConfigurationOnce) {
  Outcome outcome = runtime({"spec", "--bundle", folder_.path()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  json::value config = json::parse(read_text(folder_.path() + "/config.json"));
  std::vector<std::string> mounts;
  for (const json::value& mount : config.at("mounts").as_array()) {
    mounts.emplace_back(mount.at("destination").as_string());
  }
  EXPECT_THAT(mounts, testing::ElementsAre("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue",
                                           "/sys", "/sys/fs/cgroup"));
  EXPECT_EQ(config.at("process").at("rlimits").at(0).at("soft"), 1024);
  EXPECT_FALSE(config.at("process").at("capabilities").as_object().contains("inheritable"));
  EXPECT_THAT(words_of(config.at("linux").at("maskedPaths")), Contains("/proc/kcore"));
  EXPECT_THAT(words_of(config.at("linux").at("readonlyPaths")), Contains("/proc/sys"));

  outcome = runtime({"spec", "-b", folder_.path()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("File config.json exists. Remove it first"));

  CommandOptions here;
  here.working_dir = folder_.path();
  ASSERT_EQ(runtime({"spec", "--rootless", "--file", "less.json"}, here).code, 0);
  json::value less = json::parse(read_text(folder_.path() + "/less.json"));
  std::string namespaces = json::serialize(less.at("linux").at("namespaces"));
  EXPECT_THAT(namespaces, HasSubstr("\"user\""));
  EXPECT_THAT(namespaces, Not(HasSubstr("\"network\"")));
  EXPECT_EQ(less.at("linux").at("uidMappings").at(0).at("size"), 1);
}

}  // namespace
}  // namespace dhow::e2e
