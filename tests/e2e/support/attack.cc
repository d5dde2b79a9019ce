// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/attack.h"

#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

namespace dhow::e2e {
namespace {

std::string victim_prefix() { return "victim-" + std::to_string(::getpid()) + "-"; }

// Mode, owner and content; the content of devices and folders is not looked at.
std::string description(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return "missing";
  std::ostringstream text;
  text << std::oct << info.st_mode << std::dec << ' ' << info.st_uid << ':' << info.st_gid << ' '
       << info.st_rdev << ' ' << info.st_ino << '\n';
  if (S_ISREG(info.st_mode)) text << read_text(path);
  return text.str();
}

}  // namespace

Racer::Racer(const std::string& folder, std::string_view first, std::string_view second)
    : bundle_(
          {"/bin/testbox", "swap", "/vol/" + std::string(first), "/vol/" + std::string(second)}),
      container_(bundle_) {
  bundle_.add_mount("/vol", "bind", folder, "rbind,rw");
  container_.start_detached();
  EXPECT_TRUE(eventually([&] { return read_text(bundle_.path() + "/out") == "ready\n"; }))
      << "the racer does not race: " << read_text(bundle_.path() + "/err");
}

Outcome run_victim(const Bundle& bundle, int round) {
  bundle.write();
  std::string id = victim_prefix() + std::to_string(round);
  Outcome outcome = runtime({"run", "--bundle", bundle.path(), id});
  EXPECT_FALSE(exists(Container::root() + "/" + id)) << "the state folder is left";
  EXPECT_TRUE(outcome.code == 0 || !outcome.err.empty()) << "a failure without a word";
  return outcome;
}

void expect_no_victims() {
  EXPECT_TRUE(eventually([] { return cgroup_folders_with(victim_prefix()).empty(); }))
      << "a cgroup is left: " << cgroup_folders_with(victim_prefix()).front();
}

void build_among_host_mounts(Bundle& bundle, bool wanted) {
  if (wanted) {
    bundle.linux()["rootfsPropagation"] = "rslave";
  } else {
    bundle.linux().erase("rootfsPropagation");
  }
}

Unchanged::Unchanged(std::string path) : path_(std::move(path)), before_(description(path_)) {}

Unchanged::~Unchanged() { EXPECT_EQ(description(path_), before_) << path_ << " has changed"; }

}  // namespace dhow::e2e
