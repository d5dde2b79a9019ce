// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/bundle.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace dhow::e2e {

namespace fs = std::filesystem;

namespace {

std::string scratch_folder() {
  const char* base = ::getenv("DHOW_E2E_TMP");
  std::string pattern = std::string(base == nullptr ? "/tmp" : base) + "/dhow-e2e.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  ::chmod(pattern.c_str(), 0755);
  return pattern;
}

// The runtime's own, by way of a file that it makes in `folder`.
std::string default_config(const std::string& folder) {
  Outcome spec = run_command({runtime_path(), "spec", "--bundle", folder});
  if (spec.code != 0) throw std::runtime_error("spec: " + spec.err);
  return read_text(folder + "/config.json");
}

json::array strings(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

}  // namespace

TempDir::TempDir() : path_(scratch_folder()) {}
TempDir::~TempDir() {
  std::error_code error;
  fs::remove_all(path_, error);
}

Bundle::Bundle(std::vector<std::string> args) : path_(scratch_folder()) {
  make_rootfs();
  make_config(std::move(args));
}

Bundle::~Bundle() {
  std::error_code error;
  fs::remove_all(path_, error);
  if (error) ADD_FAILURE() << "remove " << path_ << ": " << error.message();
}

void Bundle::make_rootfs() {
  for (const char* name :
       {"bin", "dev", "etc", "proc", "sys", "tmp", "root", "home", "var", "run"}) {
    fs::create_directories(rootfs() + "/" + name);
  }
  fs::copy_file(busybox_path(), rootfs() + "/bin/busybox");
  fs::copy_file(testbox_path(), rootfs() + "/bin/testbox");
  for (const char* name :
       {"sh",    "cat",   "ls",   "echo",     "sleep",    "id",   "mount", "umount",
        "touch", "mkdir", "ln",   "rm",       "env",      "ps",   "head",  "true",
        "false", "stat",  "grep", "readlink", "hostname", "test", "chmod", "dd",
        "kill",  "find",  "wc",   "cp",       "mv",       "awk",  "sed",   "tr"}) {
    fs::create_symlink("busybox", rootfs() + "/bin/" + name);
  }
  write_text(rootfs() + "/etc/passwd",
             "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n");
  write_text(rootfs() + "/etc/group", "root:x:0:\nuser:x:1000:\n");
  ::chmod((rootfs() + "/tmp").c_str(), 01777);
}

void Bundle::make_config(std::vector<std::string> args) {
  // Asked for once: with sanitizers the runtime takes its time to start.
  static const std::string text = default_config(path_);
  config_ = json::parse(text).as_object();
  process()["terminal"] = false;
  config_["root"].as_object()["readonly"] = false;
  set_args(args);
}

void Bundle::set_args(const std::vector<std::string>& args) { process()["args"] = strings(args); }

void Bundle::set_script(std::string_view script) {
  set_args({"/bin/sh", "-c", std::string(script)});
}

void Bundle::add_mount(std::string_view destination, std::string_view type, std::string_view source,
                       std::string_view options) {
  std::vector<std::string> list;
  std::istringstream parts{std::string(options)};
  for (std::string part; std::getline(parts, part, ',');) list.push_back(part);
  json::object mount{{"destination", destination}, {"type", type}, {"source", source}};
  mount["options"] = strings(list);
  config_["mounts"].as_array().push_back(std::move(mount));
}

void Bundle::remove_mount(std::string_view destination) {
  json::array kept;
  for (json::value& mount : config_["mounts"].as_array()) {
    if (mount.at("destination").as_string() != destination) kept.push_back(std::move(mount));
  }
  config_["mounts"] = std::move(kept);
}

void Bundle::add_namespace(std::string_view type, std::string_view path) {
  remove_namespace(type);
  json::object entry{{"type", type}};
  if (!path.empty()) entry["path"] = path;
  linux()["namespaces"].as_array().push_back(std::move(entry));
}

void Bundle::remove_namespace(std::string_view type) {
  json::array kept;
  for (json::value& entry : linux()["namespaces"].as_array()) {
    if (entry.at("type").as_string() != type) kept.push_back(std::move(entry));
  }
  linux()["namespaces"] = std::move(kept);
}

void Bundle::add_capabilities(std::initializer_list<std::string_view> names) {
  for (const char* set : {"bounding", "permitted", "effective"}) {
    for (std::string_view name : names) {
      process()["capabilities"].as_object()[set].as_array().emplace_back(name);
    }
  }
}

void Bundle::add_hook(std::string_view kind, const std::vector<std::string>& args) {
  json::object hook{{"path", args.at(0)}};
  hook["args"] = strings(args);
  json::value& hooks = config_["hooks"];
  if (!hooks.is_object()) hooks = json::object();
  json::value& list = hooks.as_object()[kind];
  if (!list.is_array()) list = json::array();
  list.as_array().push_back(std::move(hook));
}

void Bundle::use_user_namespace(unsigned host_id, unsigned count) {
  add_namespace("user");
  json::array maps{json::object{{"containerID", 0}, {"hostID", host_id}, {"size", count}}};
  linux()["uidMappings"] = maps;
  linux()["gidMappings"] = maps;
  for (const auto& entry : fs::recursive_directory_iterator(rootfs())) {
    std::ignore = ::lchown(entry.path().c_str(), host_id, host_id);
  }
  std::ignore = ::lchown(rootfs().c_str(), host_id, host_id);
}

void Bundle::write() const { write_text(path_ + "/config.json", json::serialize(config_)); }

const std::string& Container::root() {
  static TempDir folder;
  static std::string path = folder.path() + "/state";
  return path;
}

Container::Container(Bundle& bundle) : bundle_(bundle) {
  static int count = 0;
  id_ = "e2e-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

Container::~Container() {
  // The end of a pid namespace waits until each of its processes is reaped.
  for (int pid : detached_) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  remove();
  if (!check_leftovers_) return;
  EXPECT_FALSE(exists(state_dir())) << "the state folder is left";
  // Some tests end before the last process of the container is reaped: the cgroup goes with it.
  EXPECT_TRUE(eventually([&] { return cgroup_folders_with(id_).empty(); }))
      << "a cgroup is left: " << cgroup_folders_with(id_).front();
  auto mounts = mounts_with(bundle_.path());
  EXPECT_TRUE(mounts.empty()) << "a mount is left: " << mounts.front();
}

std::vector<std::string> Container::command_line(std::string_view command,
                                                 const std::vector<std::string>& flags,
                                                 const std::vector<std::string>& rest) const {
  std::vector<std::string> line{runtime_path(), "--root", root()};
  line.insert(line.end(), global_.begin(), global_.end());
  line.emplace_back(command);
  line.insert(line.end(), flags.begin(), flags.end());
  line.push_back(id_);
  line.insert(line.end(), rest.begin(), rest.end());
  return line;
}

Outcome Container::call(std::string_view command, const std::vector<std::string>& flags,
                        const std::vector<std::string>& rest, const CommandOptions& options) const {
  return run_command(command_line(command, flags, rest), options);
}

Outcome Container::run(const std::vector<std::string>& flags, const CommandOptions& options) {
  bundle_.write();
  std::vector<std::string> all{"--bundle", bundle_.path()};
  all.insert(all.end(), flags.begin(), flags.end());
  return call("run", all, {}, options);
}

// A detached container keeps the streams that it is given, so they must not be the test's pipes.
Outcome Container::create(const std::vector<std::string>& flags, const CommandOptions& options) {
  bundle_.write();
  std::vector<std::string> all{"--bundle", bundle_.path()};
  all.insert(all.end(), flags.begin(), flags.end());
  std::string quoted_line =
      "exec \"$@\" </dev/null >>" + bundle_.path() + "/out 2>>" + bundle_.path() + "/err";
  std::vector<std::string> line{"/bin/sh", "-c", quoted_line, "sh"};
  for (std::string& part : command_line("create", all)) line.push_back(part);
  Outcome outcome = run_command(line, options);
  outcome.out = read_text(bundle_.path() + "/out");
  outcome.err = read_text(bundle_.path() + "/err");
  return outcome;
}

void Container::start_detached(const std::vector<std::string>& flags) {
  Outcome created = create(flags);
  ASSERT_EQ(created.code, 0) << created.err;
  Outcome started = start();
  ASSERT_EQ(started.code, 0) << started.err;
}

int Container::exec_detached(const std::vector<std::string>& args, std::vector<std::string> flags) {
  std::string file = bundle_.path() + "/exec.pid";
  flags.insert(flags.end(), {"--detach", "--pid-file", file});
  Outcome outcome = exec(args, flags);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  if (outcome.code != 0) return -1;
  detached_.push_back(std::stoi(read_text(file)));
  return detached_.back();
}

Outcome Container::remove(bool force) {
  return call("delete", force ? std::vector<std::string>{"--force"} : std::vector<std::string>{});
}

json::value Container::state() const {
  Outcome outcome = call("state");
  if (outcome.code != 0) return nullptr;
  return json::parse(outcome.out);
}

std::string Container::status() const {
  json::value value = state();
  return value.is_object() ? std::string(value.at("status").as_string()) : "";
}

int Container::pid() const {
  json::value value = state();
  return value.is_object() ? static_cast<int>(value.at("pid").as_int64()) : -1;
}

bool Container::wait_for_status(std::string_view wanted) const {
  return eventually([&] { return status() == wanted; });
}

std::string fault_of_create(Bundle& bundle) {
  Container container(bundle);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_FALSE(exists(container.state_dir()));
  return outcome.err;
}

Outcome runtime(const std::vector<std::string>& arguments, const CommandOptions& options) {
  std::vector<std::string> line{runtime_path(), "--root", Container::root()};
  line.insert(line.end(), arguments.begin(), arguments.end());
  return run_command(line, options);
}

}  // namespace dhow::e2e
