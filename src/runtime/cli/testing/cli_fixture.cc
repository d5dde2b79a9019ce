// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/testing/cli_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::runtime::testing {

void CliTest::SetUp() {
  fake() = {};
  char old_folder[PATH_MAX];
  ASSERT_NE(getcwd(old_folder, sizeof old_folder), nullptr);
  old_folder_ = old_folder;
  const char* temporary = getenv("TMPDIR");
  std::string pattern = cat(temporary != nullptr ? temporary : "/tmp", "/cli_test.XXXXXX");
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  ASSERT_EQ(chdir(folder_.c_str()), 0);
}

void CliTest::TearDown() {
  if (folder_.empty()) return;
  EXPECT_EQ(chdir(old_folder_.c_str()), 0);
  EXPECT_TRUE(remove_tree(kCwd, folder_).has_value());
}

std::string CliTest::folder_path(std::string_view name) const { return cat(folder_, "/", name); }

void CliTest::write_file(std::string_view name, std::string_view content) const {
  Result<Fd> file = open_at(kCwd, folder_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ASSERT_TRUE(file.has_value()) << file.error().message();
  ASSERT_TRUE(write_all(*file, content).has_value());
}

std::string CliTest::file_content(std::string_view name) const {
  return read_file(folder_path(name)).value_or("");
}

}  // namespace dhow::runtime::testing
