// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <vector>

#include "base/strings.h"
#include "oci/config_codec.h"
#include "rpc/events.h"
#include "rpc/runc_options.h"
#include "sys/process.h"
#include "sys/testing/temp_dir.h"
#include "task/tasks.h"

namespace dhow::task {

// How a test has its containers run.
struct RuntimeUnderTest {
  std::string name;
  std::string shim;    // as of Runtime; empty: ours
  std::string binary;  // the OCI runtime of a foreign shim; "dhow-runtime": the built one
};
inline void PrintTo(const RuntimeUnderTest& each, std::ostream* to) { *to << each.name; }

// Tasks in a state folder of its own, with a root file system that has busybox. What is left of
// shims, containers and mounts goes with the test.
class TaskFixture : public testing::TempDirTest {
 protected:
  void use(const RuntimeUnderTest& under_test) {
    // What tests leave behind comes to this process, and is waited for in TearDown.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const char* shim = ::getenv("DHOW_SHIM");
    const char* own = ::getenv("DHOW_RUNTIME");
    shim_program_ = under_test.shim.empty() && shim != nullptr ? shim : "";
    if (under_test.shim.empty() && ::access(shim_program_.c_str(), X_OK) != 0) {
      GTEST_SKIP() << "containerd-shim-dhow-v1 is not built";
    }
    bool wants_own = under_test.binary == "dhow-runtime";
    if (wants_own && own == nullptr) GTEST_SKIP() << "DHOW_RUNTIME is not set";
    runtime_.shim = under_test.shim;
    if (!under_test.binary.empty()) {
      rpc::runc::Options options;
      options.binary_name = wants_own ? own : under_test.binary;
      options.root = at("runtime");
      runtime_.options = rpc::pack(options);
    }
    std::filesystem::create_directories(at("root/bin"));
    for (const char* folder : {"root/proc", "root/dev", "root/sys", "root/tmp"}) {
      std::filesystem::create_directory(at(folder));
    }
    std::filesystem::copy("/usr/bin/busybox", at("root/bin/busybox"));
    for (const char* name : {"sh", "sleep", "cat", "true"}) {
      std::filesystem::create_symlink("busybox", at(cat("root/bin/", name)));
    }
    open();
  }

  void open() {
    tasks_.reset();
    TasksOptions options;
    options.state = path_;
    options.shim_program = shim_program_;
    options.limits.load = std::chrono::seconds(20);
    options.limits.state = state_limit_;
    options.limits.cleanup = cleanup_limit_;
    options.on_event = [this](const rpc::events::Envelope& envelope) {
      std::unique_lock lock(mutex_);
      topics_.push_back(envelope.topic);
      seen_.notify_all();
    };
    auto opened = Tasks::open(std::move(options));
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    tasks_ = std::move(*opened);
  }

  void TearDown() override {
    if (tasks_) {
      open();
      auto left = tasks_->recover();
      EXPECT_TRUE(left) << left.error().message();
      for (const Recovered& each : *left) {
        auto cleaned = tasks_->cleanup(each.key);
        EXPECT_TRUE(cleaned) << cleaned.error().message();
        EXPECT_FALSE(std::filesystem::exists(tasks_->bundle(each.key)));
      }
    }
    tasks_.reset();
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    TempDirTest::TearDown();
  }

  static std::string config(const std::vector<std::string>& arguments) {
    auto config = oci::parse_config(oci::default_config_json(false, 0, 0)).value();
    config.process->args = arguments;
    config.process->terminal = false;
    config.root->path = "rootfs";
    config.root->readonly = false;
    return oci::config_json(config);
  }
  // The process object of such a configuration.
  static std::string process(const std::vector<std::string>& arguments) {
    return oci::process_json(*oci::parse_config(config(arguments)).value().process);
  }

  CreateOptions create_options(const std::string& script) {
    CreateOptions options;
    options.config = config({"/bin/sh", "-c", script});
    options.rootfs = {{"bind", at("root"), "", {"rbind", "rw"}}};
    options.runtime = runtime_;
    return options;
  }
  Key key(const std::string& id) {
    // State folders differ, but foreign shims have sockets and cgroups by these names alone.
    return {"dhow-test", cat(id, "-", test_pid_)};
  }
  Key create(const std::string& id, const std::string& script) {
    Key made = key(id);
    auto pid = tasks_->create(made, create_options(script));
    EXPECT_TRUE(pid) << pid.error().message();
    if (pid) pid_ = *pid;
    return made;
  }
  Key run(const std::string& id, const std::string& script) {
    Key made = create(id, script);
    auto started = tasks_->start(made);
    EXPECT_TRUE(started) << started.error().message();
    return made;
  }
  std::future<Result<Exit>> watch(const Key& key, std::string_view exec_id = {}) {
    auto promise = std::make_shared<std::promise<Result<Exit>>>();
    tasks_->watch_exit(key, exec_id,
                       [promise](Result<Exit> exit) { promise->set_value(std::move(exit)); });
    return promise->get_future();
  }
  PidFd shim_of(const Key& key) {
    auto pid = tasks_->shim_pid(key);
    EXPECT_TRUE(pid) << pid.error().message();
    return pid ? PidFd::open(*pid).value() : PidFd();
  }
  void kill_and_await(const PidFd& process) {
    ASSERT_TRUE(process.send_signal(SIGKILL).has_value());
    ASSERT_TRUE(process.wait_exit(-1).has_value());
  }
  // Stops a shim, which is this process's child by then, and blocks until it has stopped.
  void stop(const PidFd& shim) {
    ASSERT_TRUE(shim.send_signal(SIGSTOP).has_value());
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PIDFD, static_cast<id_t>(shim.fd().get()), &info, WSTOPPED), 0);
  }
  // Blocks until an event of that topic has come.
  void await_event(std::string_view topic) {
    std::unique_lock lock(mutex_);
    seen_.wait(lock, [&] { return std::ranges::find(topics_, topic) != topics_.end(); });
  }

  Runtime runtime_;
  std::string shim_program_;
  std::unique_ptr<Tasks> tasks_;
  const pid_t test_pid_ = ::getpid();  // also in what it forks
  pid_t pid_ = 0;                      // of the container that was created last
  std::chrono::milliseconds state_limit_{20'000};
  std::chrono::milliseconds cleanup_limit_{20'000};
  std::mutex mutex_;
  std::condition_variable seen_;
  std::vector<std::string> topics_;
};

}  // namespace dhow::task
