// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "e2e/support/bundle.h"

// What the attack tests share: a container that races, and many victims one after the other.
namespace dhow::e2e {

// A container that exchanges two names of `folder`, a folder of the host that it has as a volume,
// until the end of the object.
class Racer {
 public:
  Racer(const std::string& folder, std::string_view first, std::string_view second);

 private:
  Bundle bundle_;
  Container container_;
};

// How many rounds of a race are enough: with sanitizers few, which are to find what is wrong with
// the memory of a runtime that is attacked, not to win the race.
inline int rounds(int count) { return repetitions(is_sanitized() ? count / 4 : count); }

// Whether a race goes on after `round` rounds: `enough` of them, and as many more as it takes until
// one has got through, since what is refused proves little.
inline bool goes_on(int round, int through, int enough) {
  return round < enough || (through == 0 && round < 20 * enough);
}

// One `run` to its end; cheaper than a Container where hundreds are needed. `round` is part of its
// id. Its state folder must be gone afterwards, whatever came of it.
Outcome run_victim(const Bundle& bundle, int round);

// No cgroup of a victim is left.
void expect_no_victims();

// `linux.rootfsPropagation` makes the runtime build the root inside a copy of the host's mounts,
// where a link that is followed wrongly does reach the host; without, it starts on an empty root.
void build_among_host_mounts(Bundle& bundle, bool wanted);

// Whether something of the host differs after the test from what it was before, named in failures.
class Unchanged {
 public:
  explicit Unchanged(std::string path);
  Unchanged(const Unchanged&) = delete;
  Unchanged& operator=(const Unchanged&) = delete;
  ~Unchanged();

 private:
  std::string path_;
  std::string before_;
};

}  // namespace dhow::e2e
