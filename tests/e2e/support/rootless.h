// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "e2e/support/bundle.h"

namespace dhow::e2e {

// The ordinary user of the rootless tests: the one who runs them, or nobody when that is root.
unsigned ordinary_user();

// Gives `bundle` the configuration of `spec --rootless` (for the ordinary user, who then also owns
// all of its files) and the arguments that it had.
void make_rootless(Bundle& bundle);

// A container of an ordinary user, with a state folder of its own. When the tests run as root every
// call drops to that user, in a cgroup that is delegated to nobody unless `delegate` was called.
class RootlessContainer {
 public:
  explicit RootlessContainer(Bundle& bundle);
  RootlessContainer(const RootlessContainer&) = delete;
  RootlessContainer& operator=(const RootlessContainer&) = delete;
  ~RootlessContainer();

  // A cgroup that the user may use becomes the one of the container; "" or why there is none.
  std::string delegate();
  // Subordinate ids for the user from 100000 on, as /etc/subuid gives them; "" or why there are
  // none.
  std::string use_subordinate_ids();

  Outcome run(const std::map<std::string, std::string>& environment = {});
  // create and start; the output goes to files in the bundle.
  Outcome start();
  Outcome call(std::string_view command, const std::vector<std::string>& flags = {},
               const std::vector<std::string>& rest = {}) const;
  std::string status() const;
  const std::string& id() const { return id_; }

 private:
  Outcome as_user(std::vector<std::string> line,
                  const std::map<std::string, std::string>& environment = {}) const;

  Bundle& bundle_;
  TempDir state_;
  std::string id_;
  std::string prelude_;            // shell commands that root runs before it becomes the user
  std::vector<std::string> made_;  // cgroups, to be removed
};

}  // namespace dhow::e2e
