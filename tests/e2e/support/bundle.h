// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "e2e/support/command.h"
#include "e2e/support/host.h"

namespace dhow::e2e {

namespace json = boost::json;

// The text of a JSON string.
inline std::string text_of(const json::value& value) { return std::string(value.as_string()); }

// A bundle in a temporary folder: a root filesystem with busybox at /bin/busybox (and its usual
// names as links), testbox at /bin/testbox, and the default configuration, to be changed by the
// test before it is used. The container runs `args` without a terminal.
class Bundle {
 public:
  explicit Bundle(std::vector<std::string> args = {"/bin/testbox", "true"});
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;
  ~Bundle();

  const std::string& path() const { return path_; }
  std::string rootfs() const { return path_ + "/rootfs"; }
  json::object& config() { return config_; }
  json::object& process() { return config_["process"].as_object(); }
  json::object& linux() { return config_["linux"].as_object(); }
  json::object& resources() { return linux()["resources"].as_object(); }

  void set_args(const std::vector<std::string>& args);
  // sh -c SCRIPT
  void set_script(std::string_view script);
  // `options` separated by commas.
  void add_mount(std::string_view destination, std::string_view type, std::string_view source,
                 std::string_view options);
  void remove_mount(std::string_view destination);
  void add_namespace(std::string_view type, std::string_view path = "");
  void remove_namespace(std::string_view type);
  void add_capabilities(std::initializer_list<std::string_view> names);
  void add_hook(std::string_view kind, const std::vector<std::string>& args);
  // A user namespace with `count` ids from `host_id` on; the root filesystem is chowned to them.
  void use_user_namespace(unsigned host_id, unsigned count = 65536);

  // Writes config.json. Called by Container::run and ::create.
  void write() const;

 private:
  void make_rootfs();
  void make_config(std::vector<std::string> args);
  std::string path_;
  json::object config_;
};

// A container of a bundle under a state folder of its own; deleted at the end of the test, which
// then also checks that nothing of it is left.
class Container {
 public:
  explicit Container(Bundle& bundle);
  ~Container();

  const std::string& id() const { return id_; }
  std::string state_dir() const { return root() + "/" + id_; }
  // The --root of all containers of this test program.
  static const std::string& root();

  // dhow-runtime --root R [global] COMMAND [flags] ID [rest]
  std::vector<std::string> command_line(std::string_view command,
                                        const std::vector<std::string>& flags = {},
                                        const std::vector<std::string>& rest = {}) const;
  Outcome call(std::string_view command, const std::vector<std::string>& flags = {},
               const std::vector<std::string>& rest = {}, const CommandOptions& options = {}) const;

  // These write the bundle's config.json first.
  Outcome run(const std::vector<std::string>& flags = {}, const CommandOptions& options = {});
  Outcome create(const std::vector<std::string>& flags = {}, const CommandOptions& options = {});
  // create, for containers that keep running; their output goes to files in the bundle.
  void start_detached(const std::vector<std::string>& flags = {});
  Outcome start() const { return call("start"); }
  Outcome exec(const std::vector<std::string>& args, const std::vector<std::string>& flags = {},
               const CommandOptions& options = {}) const {
    return call("exec", flags, args, options);
  }
  // exec --detach; its process is the test's to reap, which the end of the object does. -1 when it
  // fails (a test failure).
  int exec_detached(const std::vector<std::string>& args, std::vector<std::string> flags = {});
  Outcome remove(bool force = true);

  json::value state() const;
  std::string status() const;
  int pid() const;
  bool wait_for_status(std::string_view wanted) const;
  void set_global(std::vector<std::string> flags) { global_ = std::move(flags); }
  // When the test itself leaves something on purpose.
  void skip_leftover_check() { check_leftovers_ = false; }

 private:
  Bundle& bundle_;
  std::string id_;
  std::vector<std::string> global_;
  std::vector<int> detached_;
  bool check_leftovers_ = true;
};

// The message of a create of the bundle, which must fail and leave no state.
std::string fault_of_create(Bundle& bundle);

// The runtime with these arguments, no container: `dhow-runtime --root R ARGS`.
Outcome runtime(const std::vector<std::string>& arguments, const CommandOptions& options = {});

// A temporary folder, removed at the end.
class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace dhow::e2e
