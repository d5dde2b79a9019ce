// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "task/tasks.h"

// STATE/tasks/NAMESPACE/ID: what of a task is on the disk (docs/engine.md).
namespace dhow::task {

inline constexpr char kShimSocket[] = "shim.sock";
inline constexpr char kShimLog[] = "shim.log";
inline constexpr char kResolverFile[] = "resolver";
inline constexpr char kBootstrapFile[] = "bootstrap.json";

// kInvalidArgument for what is no key.
Status check_key(const Key& key);

// Where the shim of a bundle is to be found: bootstrap.json.
struct Bootstrap {
  std::int32_t version = 3;      // of the Task service: 2 or 3
  std::string address = {};      // "unix:///path"
  std::string protocol = {};     // "ttrpc"
  std::string program = {};      // of a foreign shim; empty: ours
  pid_t pid = 0;                 // of our shim; 0: not known
  std::uint64_t start_time = 0;  // that process's, see ProcessStat
};
std::string bootstrap_json(const Bootstrap& bootstrap);
Result<Bootstrap> parse_bootstrap_json(std::string_view text);

// What the `start` action of a shim printed: protobuf, JSON or a bare address. kUnimplemented for
// versions and protocols that aren't known.
Result<Bootstrap> parse_start_output(std::string_view output);

// The program of a shim by its name (Runtime::shim): kNotFound, kInvalidArgument.
Result<std::string> find_shim(std::string_view name);

// The folders of all tasks. Thread safe.
class Bundles {
 public:
  static Result<Bundles> open(const std::string& state);

  std::string path(const Key& key) const;
  // Makes the folder with rootfs/, without its config.json: kAlreadyExists. The folder, opened.
  Result<Fd> make(const Key& key) const;
  Result<Fd> find(const Key& key) const;
  // Whatever is mounted on rootfs/ is taken off. Success when there is none.
  Status remove(const Key& key) const;
  // Every one that there is; the rests of removed ones are removed for good.
  Result<std::vector<Key>> list() const;

 private:
  Bundles(std::string tasks, Fd folder) : tasks_(std::move(tasks)), folder_(std::move(folder)) {}
  Result<Fd> name_space(const Key& key) const;

  std::string tasks_;
  Fd folder_;
};

}  // namespace dhow::task
