// SPDX-License-Identifier: Apache-2.0
#include "shim/containerd_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::shim_test {
namespace {

namespace fs = std::filesystem;

constexpr int kCtrPatience = 120'000;  // milliseconds, for one that hangs

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string config_of(const std::string& folder) {
  return cat("version = 2\nroot = \"", folder, "/root\"\nstate = \"", folder,
             "/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = \"",
             folder, "/c.sock\"\n");
}

// Of proc(5), from the state on: before it is the name, which may have any characters.
std::vector<std::string> stat_of(pid_t pid) {
  std::string text = read_file(cat("/proc/", pid, "/stat")).value_or("");
  std::vector<std::string> words;
  std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return words;
  std::string_view rest = trim(std::string_view(text).substr(name_end + 1));
  for (std::string_view word : split(rest, ' ')) words.emplace_back(word);
  return words;
}

}  // namespace

std::string ContainerdTest::folder_;
std::unique_ptr<engine::StockDaemon> ContainerdTest::containerd_;

Status ContainerdTest::start_containerd() {
  TRY_ASSIGN(containerd_, engine::StockDaemon::start(
                              {"containerd", "--config", folder_ + "/config.toml"}, folder_));
  return {};
}

void ContainerdTest::SetUpTestSuite() {
  char name[] = "/tmp/dhow-shim-XXXXXX";
  folder_ = ::mkdtemp(name);
  ASSERT_TRUE(make_dirs(folder_ + "/bin", 0700).has_value());
  for (const char* shim : {"dhow-v1", "runc-v2"}) {
    fs::create_symlink(variable("DHOW_SHIM"), cat(folder_, "/bin/containerd-shim-", shim));
  }
  ::setenv("PATH", cat(folder_, "/bin:", variable("PATH")).c_str(), 1);
  auto dir = open_at(kCwd, folder_, O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(dir.has_value());
  ASSERT_TRUE(replace_file(*dir, "config.toml", config_of(folder_), 0600).has_value());
  auto started = start_containerd();
  ASSERT_TRUE(started.has_value()) << started.error().message();
  ctr_output({"image", "import", variable("DHOW_IMAGES") + "/busybox.tar"});
}

void ContainerdTest::TearDownTestSuite() {
  containerd_.reset();
  std::ignore = remove_tree(kCwd, folder_);  // what is still mounted stays, and shows
}

void ContainerdTest::SetUp() { ASSERT_TRUE(containerd_ != nullptr); }

void ContainerdTest::TearDown() {
  if (!containerd_) return;
  std::string listed = ctr_output({"containers", "ls", "-q"});
  for (std::string_view id : split(listed, '\n')) {
    if (!id.empty()) remove(std::string(id));
  }
}

ContainerdTest::Words ContainerdTest::ctr_words(Words words) {
  words.insert(words.begin(), {"ctr", "--address", folder_ + "/c.sock"});
  return words;
}

SpawnOutput ContainerdTest::ctr(Words words) {
  SpawnOptions options;
  options.arguments = ctr_words(std::move(words));
  options.timeout_ms = kCtrPatience;
  auto output = spawn_and_wait(options);
  EXPECT_TRUE(output.has_value()) << output.error().message();
  EXPECT_FALSE(output && output->timed_out);
  return output ? std::move(*output) : SpawnOutput{};
}

std::string ContainerdTest::ctr_output(Words words) {
  std::string line;
  for (const std::string& word : words) line += " " + word;
  SpawnOutput output = ctr(std::move(words));
  EXPECT_EQ(output.exit_code, 0) << line << ": " << output.error_text;
  return std::string(trim(output.output));
}

Result<Child> ContainerdTest::ctr_child(Words words, bool terminal) {
  return Child::start(ctr_words(std::move(words)), terminal);
}

ContainerdTest::Words ContainerdTest::run_words(Words flags, const std::string& id, Words command,
                                                const std::string& runtime) {
  Words words = {"run", "--runtime", runtime};
  words.insert(words.end(), flags.begin(), flags.end());
  words.insert(words.end(), {kImage, id});
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

void ContainerdTest::run_detached(const std::string& id, Words command, Words flags,
                                  const std::string& runtime) {
  flags.emplace_back("-d");
  ctr_output(run_words(std::move(flags), id, std::move(command), runtime));
}

int ContainerdTest::await_task(const std::string& id) {
  return ctr({"task", "attach", id}).exit_code;
}

int ContainerdTest::await_logged_task(const std::string& id) {
  while (status_of(id) == "RUNNING") {
  }
  SpawnOutput deleted = ctr({"task", "delete", id});
  EXPECT_EQ(deleted.exit_code, 0) << deleted.error_text;
  // A warning tells of it, unless it is 0.
  constexpr std::string_view kBefore = "non-zero exit code ";
  std::size_t at = deleted.error_text.find(kBefore);
  if (at == std::string::npos) return 0;
  std::string_view rest = std::string_view(deleted.error_text).substr(at + kBefore.size());
  return parse_number<int>(rest.substr(0, rest.find_first_not_of("0123456789"))).value_or(-1);
}

void ContainerdTest::remove(const std::string& id) {
  ctr({"task", "delete", "--force", id});
  ctr({"container", "delete", id});
}

std::string ContainerdTest::status_of(const std::string& id) {
  std::string listed = ctr_output({"task", "ls"});
  for (std::string_view line : split(listed, '\n')) {
    if (line.starts_with(id + " ")) return std::string(trim(line.substr(line.rfind(' '))));
  }
  return {};
}

pid_t ContainerdTest::pid_of(const std::string& id) {
  std::string listed = ctr_output({"task", "ls"});
  for (std::string_view line : split(listed, '\n')) {
    if (!line.starts_with(id + " ")) continue;
    std::string_view rest = trim(line.substr(id.size()));
    return parse_number<pid_t>(rest.substr(0, rest.find(' '))).value_or(0);
  }
  return 0;
}

// Nobody tells when the subscription is made: events are caused until the first one comes.
void ContainerdTest::watch_events(std::unique_ptr<Child>& events) {
  auto started = ctr_child({"events"});
  ASSERT_TRUE(started.has_value()) << started.error().message();
  events = std::make_unique<Child>(std::move(*started));
  constexpr int kTries = 100;
  constexpr int kPause = 200;  // milliseconds
  for (int i = 0; i < kTries; ++i) {
    ctr_output({"namespaces", "label", "default", cat("try=", i)});
    if (events->hears(kPause)) return;
  }
  FAIL() << "there are no events: " << events->said();
}

pid_t ContainerdTest::parent_of(pid_t pid) {
  auto words = stat_of(pid);
  return words.size() > 1 ? parse_number<pid_t>(words[1]).value_or(0) : 0;
}

bool ContainerdTest::lives(pid_t pid) {
  auto words = stat_of(pid);
  return !words.empty() && words[0] != "Z";
}

ContainerdTest::Words ContainerdTest::sockets() {
  Words found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_ + "/s", none)) {
    found.push_back(entry.path().filename());
  }
  return found;
}

ContainerdTest::Words ContainerdTest::traces_of(const std::string& id) {
  Words paths = {cat(folder_, "/state/io.containerd.runtime.v2.task/default/", id),
                 cat(folder_, "/runtime/default/", id), cat("/sys/fs/cgroup/default/", id)};
  std::error_code none;
  for (const auto& controller : fs::directory_iterator("/sys/fs/cgroup", none)) {
    paths.push_back(controller.path().string() + "/default/" + id);
  }
  std::erase_if(paths, [](const std::string& path) { return !fs::exists(path); });
  return paths;
}

}  // namespace dhow::shim_test
