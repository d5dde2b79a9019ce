// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace dhow {

// The class of a failure: the canonical set of gRPC, which containerd's errdefs also maps to.
// Everything that a protocol answers with (gRPC status, HTTP status, exit code) derives from it.
enum class Code {
  kUnknown,
  kInvalidArgument,
  kDeadlineExceeded,
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kResourceExhausted,
  kFailedPrecondition,
  kAborted,
  kOutOfRange,
  kUnimplemented,
  kInternal,
  kUnavailable,
  kDataLoss,
  kUnauthenticated,
  kCancelled,
};

// A failure as a value: what class it is, which errno caused it (0: none), and a text that says
// what was tried, on which object, and why it failed, in that order. Copyable, owns its text.
class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  Error(Code code, int errno_value, std::string message)
      : code_(code), errno_(errno_value), message_(std::move(message)) {}

  // A failed system call: `what` is the attempt ("open \"/x\""); the reason is appended from
  // `errno_value`, and the code derives from it.
  static Error from_errno(int errno_value, std::string_view what);

  Code code() const { return code_; }
  // The errno behind the failure, or 0.
  int sys_errno() const { return errno_; }
  const std::string& message() const { return message_; }

  // Puts what the caller was doing in front: "<context>: <message>".
  Error& add_context(std::string_view context) &;
  Error&& add_context(std::string_view context) &&;

 private:
  Code code_;
  int errno_ = 0;
  std::string message_;
};

// The reason in words, lower case as the container tools print it: ENOENT is
// "no such file or directory". Never allocates for known values; thread safe.
std::string errno_text(int errno_value);

// The class that an errno belongs to.
Code code_from_errno(int errno_value);

// The canonical upper-case name of a code, as in gRPC: "NOT_FOUND".
std::string_view code_name(Code code);

}  // namespace dhow
