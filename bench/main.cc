// SPDX-License-Identifier: Apache-2.0
// Measures OCI runtimes side by side in one run.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "bench/cases.h"
#include "bench/report.h"

namespace dhow::bench {
namespace {

constexpr const char* kUsage =
    R"(dhow-bench: measures OCI runtimes side by side. Must run as root.

  --dhow PATH          the dhow-runtime to measure, named "dhow" in the tables
  --runtime NAME=PATH  another runtime; may be repeated
  --no-peers           leave out runc and crun of this host
  --rounds N           measurements of each command (default 40)
  --cases A,B,...      only these of: run noseccomp userns mounts lifecycle exec list memory parallel
  --hide-unified NAMES unmount /sys/fs/cgroup/unified for these runtimes (default: crun; all; none)
  --busybox PATH       a static busybox (default /bin/busybox)
  --json FILE          write every measurement to FILE as well
  --check              say which performance targets hold
  --help               this text

The tables go to stdout as Markdown. Exits with 0 even when a runtime fails in a case: the table
says so.
)";

struct Options {
  std::vector<std::pair<std::string, std::string>> runtimes;
  bool peers = true;
  int rounds = 40;
  std::vector<std::string> cases = {"run",  "noseccomp", "userns", "mounts",  "lifecycle",
                                    "exec", "list",      "memory", "parallel"};
  std::string hide_unified = "crun";
  std::string busybox = "/bin/busybox";
  std::string json;
  bool check = false;
  bool help = false;
};

class StderrSink : public log::Sink {
 public:
  void write(log::Level level, std::string_view message) override {
    fprintf(stderr, "dhow-bench: %s: %.*s\n", std::string(log::level_name(level)).c_str(),
            static_cast<int>(message.size()), message.data());
  }
};

Status set_option(Options& options, const std::string& name, const std::string& value) {
  if (name == "--dhow") {
    options.runtimes.insert(options.runtimes.begin(), {"dhow", value});
  } else if (name == "--runtime") {
    const std::size_t equals = value.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return fail(Code::kInvalidArgument,
                  cat("--runtime ", dhow::quoted(value), ": not NAME=PATH"));
    }
    options.runtimes.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  } else if (name == "--rounds") {
    const auto rounds = parse_number<int>(value);
    if (!rounds || *rounds < 1) {
      return fail(Code::kInvalidArgument,
                  cat("--rounds ", dhow::quoted(value), ": not a positive number"));
    }
    options.rounds = *rounds;
  } else if (name == "--cases") {
    const Options all;
    options.cases.clear();
    for (const std::string_view one : split(value, ',')) {
      if (std::ranges::find(all.cases, one) == all.cases.end()) {
        return fail(Code::kInvalidArgument, cat("--cases: no case ", dhow::quoted(one)));
      }
      options.cases.emplace_back(one);
    }
  } else if (name == "--hide-unified") {
    options.hide_unified = value;
  } else if (name == "--busybox") {
    options.busybox = value;
  } else if (name == "--json") {
    options.json = value;
  } else {
    return fail(Code::kInvalidArgument, cat("unknown option ", dhow::quoted(name)));
  }
  return {};
}

Result<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--no-peers") {
      options.peers = false;
    } else if (argument == "--check") {
      options.check = true;
    } else if (argument == "--help" || argument == "-h") {
      options.help = true;
    } else if (const std::size_t equals = argument.find('=');
               equals != std::string::npos && argument.starts_with("--")) {
      TRY(set_option(options, argument.substr(0, equals), argument.substr(equals + 1)));
    } else if (i + 1 < argc) {
      TRY(set_option(options, argument, argv[++i]));
    } else {
      return fail(Code::kInvalidArgument, cat("option ", dhow::quoted(argument), " needs a value"));
    }
  }
  if (options.peers) {
    options.runtimes.emplace_back("runc", "/usr/sbin/runc");
    options.runtimes.emplace_back("crun", "/usr/bin/crun");
  }
  return options;
}

bool hides_unified(const Options& options, const std::string& name) {
  if (options.hide_unified == "all") return true;
  const auto names = split(options.hide_unified, ',');
  return std::ranges::find(names, name) != names.end();
}

Result<Contenders> make_contenders(const Options& options, const std::string& helpers,
                                   const Workspace& workspace, const Interrupt& interrupt) {
  Contenders contenders;
  std::error_code error;
  for (const auto& [name, program] : options.runtimes) {
    if (!std::filesystem::exists(program, error)) {
      if (options.peers && (name == "runc" || name == "crun")) {
        log::warning(cat(name, " is left out: there is no ", dhow::quoted(program)));
        continue;
      }
      return fail(Code::kNotFound, cat("runtime ", dhow::quoted(program), ": no such file"));
    }
    TRY_ASSIGN(Contender contender,
               Contender::make({.name = name,
                                .program = std::filesystem::absolute(program).string(),
                                .launcher = helpers + "/dhow-bench-launcher",
                                .hide_unified = hides_unified(options, name)},
                               workspace, interrupt));
    contenders.push_back(std::move(contender));
  }
  if (contenders.empty()) return fail(Code::kInvalidArgument, "no runtime to measure");
  return contenders;
}

Status measure_all(const Options& options, Contenders& contenders, const Interrupt& interrupt,
                   Report& report) {
  using Measure = std::function<Result<std::vector<CaseResult>>()>;
  const int rounds = options.rounds;
  const std::map<std::string, Measure> measures = {
      {"run", [&] { return measure_run(contenders, rounds); }},
      {"noseccomp", [&] { return measure_run_no_seccomp(contenders, rounds); }},
      {"userns", [&] { return measure_run_user_namespace(contenders, rounds); }},
      {"mounts", [&] { return measure_mounts(contenders, rounds); }},
      {"lifecycle", [&] { return measure_lifecycle(contenders, rounds); }},
      {"exec", [&] { return measure_exec_and_state(contenders, rounds, report.inherited_fds); }},
      {"list", [&] { return measure_list(contenders, rounds); }}};
  for (const std::string& name : options.cases) {
    fprintf(stderr, "dhow-bench: %s\n", name.c_str());
    if (name == "memory") {
      TRY_ASSIGN(report.floors, measure_memory_floor(contenders));
    } else if (name == "parallel") {
      TRY_ASSIGN(report.parallel, measure_parallel(contenders, interrupt));
    } else {
      TRY_ASSIGN(auto results, measures.at(name)());
      std::ranges::move(results, std::back_inserter(report.cases));
    }
    reap_orphans();
  }
  return {};
}

// Kills and reaps every process that the runtimes left behind.
void end_descendants() {
  for (auto children = children_of(getpid()); !children.empty(); children = children_of(getpid())) {
    for (const pid_t child : children) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
}

Status write_json(const std::string& path, const Report& report) {
  std::ofstream file(path);
  file << to_json(report);
  file.close();
  if (!file) return fail(Code::kUnknown, cat("write ", dhow::quoted(path), ": failed"));
  return {};
}

Result<Report> measure(const Options& options, int argc, char** argv) {
  if (geteuid() != 0) return fail(Code::kPermissionDenied, "must run as root");
  // What the runtimes leave running comes to this process, so that no container can outlive it.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::error_code error;
  const std::string helpers =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
  TRY_ASSIGN(Interrupt interrupt, Interrupt::install());
  Report report;
  report.environment = read_environment(argc, argv);
  report.rounds = options.rounds;
  TRY_ASSIGN(const Workspace workspace,
             Workspace::make(helpers + "/dhow-bench-true", options.busybox));
  // Before the workspace goes, with its cgroups: nothing may run in them.
  const Cleanup killer([] { end_descendants(); });
  TRY_ASSIGN(Contenders contenders, make_contenders(options, helpers, workspace, interrupt));
  const Cleanup wiper([&] {
    interrupt.ignore();
    for (Contender& contender : contenders) contender.wipe();
  });
  for (const Contender& contender : contenders) report.contenders.push_back(describe(contender));
  TRY(measure_all(options, contenders, interrupt, report));
  return report;
}

int main_program(int argc, char** argv) {
  StderrSink sink;
  log::set_sink(&sink, log::Level::kInfo);
  const auto options = parse(argc, argv);
  if (!options) {
    log::error(options.error().message());
    return 2;
  }
  if (options->help) {
    fputs(kUsage, stdout);
    return 0;
  }
  auto report = measure(*options, argc, argv);
  if (!report) {
    log::error(report.error().message());
    return report.error().code() == Code::kCancelled ? 130 : 1;
  }
  fputs(to_markdown(*report).c_str(), stdout);
  if (options->check) fputs(check_targets(*report).c_str(), stdout);
  if (options->json.empty()) return 0;
  const Status written = write_json(options->json, *report);
  if (!written) log::error(written.error().message());
  return written ? 0 : 1;
}

}  // namespace
}  // namespace dhow::bench

int main(int argc, char** argv) { return dhow::bench::main_program(argc, argv); }
