// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rpc/runc_options.h"
#include "runtime/runtime.h"

namespace dhow::shim {

// What makes and runs containers: dhow's runtime library, or a program with runc's command line.
// All methods but prepare_start() run in a worker and block. Processes get the worker's standard
// streams, and with a terminal its descriptor Workers::kConsole gets the master.
class OciRuntime {
 public:
  struct Make {
    std::string bundle;
    bool terminal = false;
    bool no_pivot = false;
    bool no_new_keyring = false;
    // Told of init while that prepares itself (runtime::CreateOptions), by the library alone.
    std::function<void(pid_t)> on_init = {};
  };
  struct Restore {
    Make make;
    std::string image;   // a folder of criu's
    std::string parent;  // for a dump after pre-dumps
    std::string work;
  };

  virtual ~OciRuntime() = default;
  // The pid of init, which waits for start.
  virtual Result<pid_t> create(const std::string& id, const Make& make) = 0;
  virtual Status start(const std::string& id) = 0;
  // The one that needs no worker, and doesn't block: nullopt when there is none for this container.
  virtual Result<std::optional<runtime::Starting>> prepare_start(const std::string&) {
    return std::nullopt;
  }
  // The pid of the process, which runs. `spec` is the JSON of a process.
  virtual Result<pid_t> exec(const std::string& id, const std::string& spec, bool terminal) = 0;
  virtual Status kill(const std::string& id, int signal, bool all) = 0;
  // Ends whatever is left of it; none is success.
  virtual Status remove(const std::string& id) = 0;
  virtual Status pause(const std::string& id) = 0;
  virtual Status resume(const std::string& id) = 0;
  // `resources`: JSON of linux.resources.
  virtual Status update(const std::string& id, const std::string& resources) = 0;
  virtual Status checkpoint(const std::string& id, const rpc::runc::CheckpointOptions& options,
                            const std::string& image, const std::string& work) = 0;
  // The pid of init, which runs.
  virtual Result<pid_t> restore(const std::string& id, const Restore& restore) = 0;
};

struct RuntimeChoice {
  std::string program;  // empty: the library
  std::string root;     // folder of its state
  std::string folder;   // where it may keep files of its own: the bundle
  bool systemd_cgroup = false;
};

std::unique_ptr<OciRuntime> make_own_runtime(const RuntimeChoice& choice);
std::unique_ptr<OciRuntime> make_runtime_program(const RuntimeChoice& choice);
inline std::unique_ptr<OciRuntime> make_oci_runtime(const RuntimeChoice& choice) {
  return choice.program.empty() ? make_own_runtime(choice) : make_runtime_program(choice);
}

}  // namespace dhow::shim
