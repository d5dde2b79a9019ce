// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::runtime::cli {

// Whose habits the command line has: the words of its errors, its tables, its JSON layout.
enum class Style { kRunc, kCrun };

// Who the program is for its caller, by the name it was called with. `runc` and `runc-*` answer as
// runc, `crun`, `crun-*` and `krun` as crun, everything else as dhow-runtime in runc's style.
struct Personality {
  std::string name;  // "runc", "crun" or "dhow-runtime"
  Style style = Style::kRunc;
};

Personality personality_of(std::string_view argv0);

// What --version prints: "<name> version X", then commit:, spec: and, as crun, the root folder and
// the list of features. `root` is the state folder in force.
std::string version_text(const Personality& personality, std::string_view root);

// The state folder when --root is not given: /run/<name>, or <name> in $XDG_RUNTIME_DIR for other
// users than root and for root in a user namespace that is not called root there. That one is made
// (mode 0700, sticky, so that clean-up tools leave it alone). Blocks on the file system.
Result<std::string> default_root(const Personality& personality);

}  // namespace dhow::runtime::cli
