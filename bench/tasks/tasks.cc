// SPDX-License-Identifier: Apache-2.0
// dhow-bench-tasks FOLDER SHIM COUNT: runs that many containers one after another in a shim, as the
// engine does, and says what each step took: the median and the fastest, in milliseconds. FOLDER is
// an empty one for state, best on a tmpfs; SHIM is our shim's program, or a name like
// io.containerd.runc.v2. The container's program is dhow-bench-true.
#include "task/tasks.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/strings.h"
#include "bench/stats.h"
#include "oci/config_codec.h"
#include "sys/file_io.h"

namespace {

using namespace dhow;

double now_ms() {
  struct timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

constexpr std::array<const char*, 5> kSteps = {"create", "start", "wait", "remove", "all"};
using Times = std::array<double, kSteps.size()>;

Status make_root(const std::string& folder, const std::string& program) {
  for (const char* each : {"", "/proc", "/dev", "/sys"}) TRY(make_dirs(cat(folder, each), 0755));
  TRY_ASSIGN(std::string bytes, read_file(program));
  TRY_ASSIGN(Fd root, open_at(kCwd, folder, 0));
  return replace_file(root, "true", bytes, 0755);
}

Result<Times> run_one(task::Tasks& tasks, const task::Key& key,
                      const task::CreateOptions& options) {
  Times times{};
  double begin = now_ms(), last = begin;
  auto lap = [&](std::size_t step) {
    double now = now_ms();
    times[step] = now - last;
    last = now;
  };
  TRY(tasks.create(key, options));
  lap(0);
  TRY(tasks.start(key));
  lap(1);
  TRY(tasks.wait(key, ""));
  lap(2);
  TRY(tasks.remove(key));
  lap(3);
  times[4] = last - begin;
  return times;
}

Status run(const std::string& folder, const std::string& shim, unsigned count,
           const std::string& program) {
  task::TasksOptions options;
  options.state = folder;
  if (shim.starts_with("/")) options.shim_program = shim;
  TRY_ASSIGN(auto tasks, task::Tasks::open(std::move(options)));
  TRY(make_root(cat(folder, "/root"), program));
  TRY_ASSIGN(auto config, oci::parse_config(oci::default_config_json(false, 0, 0)));
  config.process->args = {"/true"};
  config.process->terminal = false;
  task::CreateOptions create;
  create.config = oci::config_json(config);
  create.rootfs = {{"bind", cat(folder, "/root"), "", {"rbind", "ro"}}};
  if (!shim.starts_with("/")) create.runtime.shim = shim;
  std::array<std::vector<double>, kSteps.size()> taken;
  for (unsigned i = 0; i < count; ++i) {
    TRY_ASSIGN(Times times, run_one(*tasks, {"bench", cat("bench-", i)}, create));
    for (std::size_t step = 0; step < kSteps.size(); ++step) taken[step].push_back(times[step]);
  }
  for (std::size_t step = 0; step < kSteps.size(); ++step) {
    std::printf("%-7s %8.2f %8.2f\n", kSteps[step], bench::median(taken[step]),
                std::ranges::min(taken[step]));
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  auto count = argc == 4 ? parse_number<unsigned>(argv[3]) : std::nullopt;
  if (!count || *count == 0) {
    std::fputs("usage: dhow-bench-tasks FOLDER SHIM COUNT\n", stderr);
    return 2;
  }
  std::string self(argv[0]);
  auto done =
      run(argv[1], argv[2], *count, self.substr(0, self.rfind('/') + 1) + "dhow-bench-true");
  if (done) return 0;
  std::fprintf(stderr, "dhow-bench-tasks: %s\n", done.error().message().c_str());
  return 1;
}
