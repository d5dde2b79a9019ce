// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::testing_support {

// What a dhowd is started with: FOLDER/dhowd.toml, FOLDER/root, FOLDER/state; it logs to
// FOLDER/dhowd.log.
struct DhowdStart {
  std::string program;
  std::filesystem::path folder;
  std::vector<std::string> more = {};  // further arguments
  // Called in the child, which may only make system calls; false: it ends.
  std::function<bool()> before_exec = {};
};

struct StartedDhowd {
  pid_t pid = 0;
  Fd ready;  // one byte comes when it serves, the end when it has died
};

// Doesn't wait until it serves. The process is the caller's to wait for.
Result<StartedDhowd> spawn_dhowd(const DhowdStart& start);

// Removes the cgroups of that name at the top of each hierarchy. None is success; a fault names the
// one that stays.
Status remove_cgroups(const std::string& name);

}  // namespace dhow::testing_support
