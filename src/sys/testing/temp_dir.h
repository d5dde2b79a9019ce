// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <stdlib.h>

#include <gtest/gtest.h>
#include <string>

#include "sys/fd.h"
#include "sys/file_io.h"

namespace dhow::testing {

// A test with an empty folder of its own, which goes with all that is in it.
class TempDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/dhow-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    path_ = name;
    dir_ = std::move(*open_at(kCwd, path_, O_PATH | O_DIRECTORY));
  }
  void TearDown() override {
    if (!path_.empty()) {
      auto removed = remove_tree(*open_at(kCwd, "/tmp", O_PATH), std::string_view(path_).substr(5));
      EXPECT_TRUE(removed) << removed.error().message();
    }
  }

  std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }
  void put(std::string_view name, std::string_view content) {
    auto file = open_at(dir_, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_TRUE(file && write_all(*file, content)) << name;
  }

  std::string path_;
  Fd dir_;
};

}  // namespace dhow::testing
