// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/rootless.h"

#include <unistd.h>

#include <filesystem>

namespace dhow::e2e {

namespace fs = std::filesystem;

namespace {

constexpr unsigned kNobody = 65534;
constexpr unsigned kFirstSubordinate = 100000;

void give_to_user(const std::string& path) {
  if (!is_root()) return;
  std::ignore = ::lchown(path.c_str(), kNobody, kNobody);
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    std::ignore = ::lchown(entry.path().c_str(), kNobody, kNobody);
  }
}

std::optional<unsigned> drop_to() {
  return is_root() ? std::optional<unsigned>(kNobody) : std::nullopt;
}

json::array one_id(std::uint32_t outside) {
  return {json::object{{"containerID", 0}, {"hostID", outside}, {"size", 1}}};
}

// The controllers of v1 that cgroup namespaces and delegation know, where they are mounted.
std::vector<std::string> v1_folders() {
  std::vector<std::string> found;
  for (const char* name :
       {"cpu", "cpuacct", "cpuset", "memory", "pids", "freezer", "blkio", "devices", "net_cls",
        "net_prio", "perf_event", "hugetlb", "rdma", "systemd", "unified"}) {
    std::string path = std::string("/sys/fs/cgroup/") + name;
    if (exists(path + "/cgroup.procs")) found.push_back(path);
  }
  return found;
}

}  // namespace

unsigned ordinary_user() { return is_root() ? kNobody : ::geteuid(); }

void make_rootless(Bundle& bundle) {
  TempDir folder;
  give_to_user(folder.path());
  CommandOptions options;
  options.uid = drop_to();
  Outcome spec =
      run_command({runtime_path(), "spec", "--rootless", "--bundle", folder.path()}, options);
  ASSERT_EQ(spec.code, 0) << spec.err;
  json::value args = bundle.process()["args"];
  bundle.config() = json::parse(read_text(folder.path() + "/config.json")).as_object();
  bundle.process()["args"] = args;
  bundle.process()["terminal"] = false;
  bundle.config()["root"].as_object()["readonly"] = false;
  EXPECT_EQ(json::serialize(bundle.linux()["uidMappings"]),
            json::serialize(one_id(ordinary_user())));
}

RootlessContainer::RootlessContainer(Bundle& bundle) : bundle_(bundle) {
  static int count = 0;
  id_ = "rootless-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  give_to_user(state_.path());
}

RootlessContainer::~RootlessContainer() {
  Outcome removed = call("delete", {"--force"});
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_FALSE(exists(state_.path() + "/" + id_));
  EXPECT_TRUE(eventually([&] { return cgroup_folders_with(id_).empty(); }));
  for (const std::string& path : made_) {
    EXPECT_TRUE(eventually([&] { return ::rmdir(path.c_str()) == 0; })) << path;
  }
  // Files of subordinate ids in the bundle can only be removed by root.
  give_to_user(bundle_.path());
}

std::string RootlessContainer::delegate() {
  // Not with the whole id in it, by which what a container leaves is found.
  std::string name = "dhow-delegated-" + id_.substr(id_.find('-') + 1);
  if (!is_root()) {
    if (!unified_cgroups()) return "nobody has delegated a cgroup to this user";
    std::string own = read_text("/proc/self/cgroup");
    own = own.substr(own.find("::") + 2);
    own.erase(own.find_last_not_of('\n') + 1);
    std::string parent = own.substr(0, own.rfind('/'));
    if (::access(("/sys/fs/cgroup" + parent + "/cgroup.procs").c_str(), W_OK) != 0) {
      return "the cgroup above this one belongs to somebody else";
    }
    bundle_.linux()["cgroupsPath"] = parent + "/" + id_;
    return "";
  }
  std::vector<std::string> tops = v1_folders();
  if (unified_cgroups()) tops = {"/sys/fs/cgroup"};
  for (const std::string& top : tops) {
    std::string path = top + "/" + name;
    for (const std::string& folder : {path, path + "/suite"}) {
      fs::create_directory(folder);
      made_.insert(made_.begin(), folder);
      std::ignore = ::chown(folder.c_str(), kNobody, kNobody);
      for (const char* file : {"cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks",
                               "cpuset.cpus", "cpuset.mems"}) {
        std::ignore = ::chown((folder + "/" + file).c_str(), kNobody, kNobody);
      }
    }
    if (unified_cgroups()) {
      write_text(path + "/cgroup.subtree_control", "+pids +memory");
      prelude_ += "echo $$ >" + path + "/suite/cgroup.procs && ";
    } else if (top.ends_with("/unified")) {
      prelude_ += "echo $$ >" + path + "/suite/cgroup.procs && ";
    }
  }
  bundle_.linux()["cgroupsPath"] = "/" + name + "/" + id_;
  return "";
}

std::string RootlessContainer::use_subordinate_ids() {
  if (!has_command("newuidmap")) return "newuidmap is not installed";
  if (is_root()) {
    std::string line = "nobody:" + std::to_string(kFirstSubordinate) + ":65536\n";
    write_text(state_.path() + "/ids", line);
    for (const char* file : {"/etc/subuid", "/etc/subgid"}) {
      if (!exists(file)) return std::string(file) + " is missing";
      prelude_ += "mount --bind " + state_.path() + "/ids " + file + " && ";
    }
  } else if (read_text("/etc/subuid").find(":" + std::to_string(kFirstSubordinate) + ":65536") ==
             std::string::npos) {
    return "/etc/subuid gives this user no ids from 100000 on";
  }
  json::array maps = one_id(ordinary_user());
  maps.push_back(json::object{{"containerID", 1}, {"hostID", kFirstSubordinate}, {"size", 65536}});
  bundle_.linux()["uidMappings"] = maps;
  bundle_.linux()["gidMappings"] = maps;
  return "";
}

Outcome RootlessContainer::as_user(std::vector<std::string> line,
                                   const std::map<std::string, std::string>& environment) const {
  CommandOptions options;
  options.environment = environment;
  if (prelude_.empty() || !is_root()) {
    options.uid = drop_to();
    return run_command(line, options);
  }
  std::string user = std::to_string(kNobody);
  std::vector<std::string> whole{
      "unshare",
      "--mount",
      "sh",
      "-c",
      prelude_ + "exec setpriv --reuid=" + user + " --regid=" + user + " --clear-groups \"$@\"",
      "sh"};
  whole.insert(whole.end(), line.begin(), line.end());
  return run_command(whole, options);
}

Outcome RootlessContainer::call(std::string_view command, const std::vector<std::string>& flags,
                                const std::vector<std::string>& rest) const {
  std::vector<std::string> line{runtime_path(), "--root", state_.path(), std::string(command)};
  line.insert(line.end(), flags.begin(), flags.end());
  line.push_back(id_);
  line.insert(line.end(), rest.begin(), rest.end());
  return as_user(std::move(line));
}

Outcome RootlessContainer::run(const std::map<std::string, std::string>& environment) {
  bundle_.write();
  give_to_user(bundle_.path());
  return as_user({runtime_path(), "--root", state_.path(), "run", "--bundle", bundle_.path(), id_},
                 environment);
}

Outcome RootlessContainer::start() {
  bundle_.write();
  give_to_user(bundle_.path());
  std::string out = bundle_.path() + "/out";
  Outcome created =
      as_user({"/bin/sh", "-c", "exec \"$@\" </dev/null >" + out + " 2>&1", "sh", runtime_path(),
               "--root", state_.path(), "create", "--bundle", bundle_.path(), id_});
  created.err += read_text(out);
  return created.code == 0 ? call("start") : created;
}

std::string RootlessContainer::status() const {
  Outcome outcome = call("state");
  if (outcome.code != 0) return "";
  return std::string(json::parse(outcome.out).at("status").as_string());
}

}  // namespace dhow::e2e
