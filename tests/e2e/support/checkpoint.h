// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

#include "e2e/support/bundle.h"

namespace dhow::e2e {

// What `criu check` says against working here; empty: it works.
const std::string& criu_complaint();

// A container that counts in its memory (see testbox counter), and a folder for its image.
class Checkpoint : public testing::Test {
 protected:
  std::string image() const { return folder_.path() + "/image"; }
  std::string restored_output() const { return bundle_.path() + "/restored"; }

  Outcome save(const Container& container, std::vector<std::string> flags = {}) const;
  // Detached, with streams of its own, which are not those of the first start.
  Outcome bring_back(const Container& container, std::vector<std::string> flags = {}) const;
  // Fails, and says that; the container goes on.
  void expect_refused(const Container& container, std::string_view why) const;
  // Saves it and brings it back, each with its flags; both succeed.
  void move(const Container& container, std::vector<std::string> save_flags,
            std::vector<std::string> restore_flags) const;
  // The next number that the container counts appears at the end of the file.
  static void expect_count(const Container& container, const std::string& file, int count);
  // Starts it and lets it count.
  void start_counting(Container& container, int count);

  std::string output() const { return bundle_.path() + "/out"; }

  TempDir folder_;
  Bundle bundle_{{"/bin/testbox", "counter"}};
};

}  // namespace dhow::e2e

#define NEEDS_CRIU() \
  DHOW_NEEDS(criu_complaint().empty(), "criu doesn't work here: " << criu_complaint())
