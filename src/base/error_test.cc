// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace dhow {
namespace {

TEST(ErrnoText, IsInLowerCase) {
  EXPECT_EQ(errno_text(ENOENT), "no such file or directory");
  EXPECT_EQ(errno_text(EACCES), "permission denied");
  EXPECT_EQ(errno_text(EISDIR), "is a directory");
  EXPECT_EQ(errno_text(ENOTDIR), "not a directory");
  EXPECT_EQ(errno_text(EPERM), "operation not permitted");
}

TEST(ErrnoText, KeepsInitialisms) { EXPECT_EQ(errno_text(EDOTDOT), "RFS specific error"); }

TEST(ErrnoText, NamesTheUnknownByNumber) {
  EXPECT_EQ(errno_text(99999), "errno 99999");
  EXPECT_EQ(errno_text(-1), "errno -1");
}

TEST(CodeFromErrno, HasAClassForEachCommonOne) {
  EXPECT_EQ(code_from_errno(ENOENT), Code::kNotFound);
  EXPECT_EQ(code_from_errno(ESRCH), Code::kNotFound);
  EXPECT_EQ(code_from_errno(EEXIST), Code::kAlreadyExists);
  EXPECT_EQ(code_from_errno(EPERM), Code::kPermissionDenied);
  EXPECT_EQ(code_from_errno(EROFS), Code::kPermissionDenied);
  EXPECT_EQ(code_from_errno(EINVAL), Code::kInvalidArgument);
  EXPECT_EQ(code_from_errno(ELOOP), Code::kInvalidArgument);
  EXPECT_EQ(code_from_errno(ENOSPC), Code::kResourceExhausted);
  EXPECT_EQ(code_from_errno(ENOMEM), Code::kResourceExhausted);
  EXPECT_EQ(code_from_errno(ENOSYS), Code::kUnimplemented);
  EXPECT_EQ(code_from_errno(EBUSY), Code::kFailedPrecondition);
  EXPECT_EQ(code_from_errno(EAGAIN), Code::kUnavailable);
  EXPECT_EQ(code_from_errno(ETIMEDOUT), Code::kDeadlineExceeded);
  EXPECT_EQ(code_from_errno(ERANGE), Code::kOutOfRange);
  EXPECT_EQ(code_from_errno(EIO), Code::kUnknown);
}

TEST(CodeName, IsAnotherOneForEachCode) {
  EXPECT_EQ(code_name(Code::kNotFound), "NOT_FOUND");
  EXPECT_EQ(code_name(Code::kUnknown), "UNKNOWN");
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Code::kCancelled); ++code) {
    names.insert(code_name(static_cast<Code>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Code::kCancelled) + 1);
}

TEST(Error, TellsOfAFailedCall) {
  Error error = Error::from_errno(EACCES, "mount \"proc\" on \"/proc\"");
  EXPECT_EQ(error.message(), "mount \"proc\" on \"/proc\": permission denied");
  EXPECT_EQ(error.code(), Code::kPermissionDenied);
  EXPECT_EQ(error.sys_errno(), EACCES);
}

TEST(Error, PutsContextInFront) {
  Error error(Code::kNotFound, "no such thing");
  EXPECT_EQ(error.sys_errno(), 0);
  error.add_context("inner");
  Error outer = std::move(error).add_context("outer");
  EXPECT_EQ(outer.message(), "outer: inner: no such thing");
  EXPECT_EQ(outer.code(), Code::kNotFound);
}

}  // namespace
}  // namespace dhow
