// SPDX-License-Identifier: Apache-2.0
#include "sys/kernel_version.h"

#include <sys/utsname.h>

#include <gtest/gtest.h>

namespace dhow {
namespace {

TEST(KernelVersion, IsComparedByNumbers) {
  utsname name{};
  ASSERT_EQ(::uname(&name), 0);
  EXPECT_TRUE(kernel_is_at_least(name.release));
  EXPECT_TRUE(kernel_is_at_least("2.6"));
  EXPECT_FALSE(kernel_is_at_least("1000.1-amd64"));
  std::string text(name.release);
  std::string major = text.substr(0, text.find('.'));
  EXPECT_FALSE(kernel_is_at_least(major + ".1000"));
}

}  // namespace
}  // namespace dhow
