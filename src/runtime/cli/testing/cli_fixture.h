// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <string>
#include <string_view>

#include "runtime/cli/testing/fake_runtime.h"
#include "runtime/cli/testing/run_cli.h"

namespace dhow::runtime::testing {

// A fresh fake runtime and an empty working folder, which is gone afterwards.
class CliTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // The absolute path of a name in the working folder.
  std::string folder_path(std::string_view name) const;
  void write_file(std::string_view name, std::string_view content) const;
  // The content, "" when there is no such file.
  std::string file_content(std::string_view name) const;

 private:
  std::string folder_;
  std::string old_folder_;
};

}  // namespace dhow::runtime::testing
