// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <string.h>

#include <cctype>
#include <cerrno>
#include <utility>

namespace dhow {

std::string errno_text(int errno_value) {
  const char* description = strerrordesc_np(errno_value);
  if (description == nullptr) return "errno " + std::to_string(errno_value);
  std::string text = description;
  // "Permission denied" but not "RFS specific error": an initialism keeps its capitals.
  if (text.size() > 1 && std::isupper(static_cast<unsigned char>(text[0])) &&
      !std::isupper(static_cast<unsigned char>(text[1]))) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

Code code_from_errno(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ESRCH:
    case ENXIO:
    case ENODEV:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EPERM:
    case EACCES:
    case EROFS:
      return Code::kPermissionDenied;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EBADF:
      return Code::kInvalidArgument;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return Code::kResourceExhausted;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::kUnimplemented;
    case EBUSY:
    case ENOTEMPTY:
      return Code::kFailedPrecondition;
    case EAGAIN:
    case ECONNREFUSED:
      return Code::kUnavailable;
    case ETIMEDOUT:
      return Code::kDeadlineExceeded;
    case ERANGE:
    case EOVERFLOW:
      return Code::kOutOfRange;
    default:
      return Code::kUnknown;
  }
}

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kUnknown:
      return "UNKNOWN";
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kAlreadyExists:
      return "ALREADY_EXISTS";
    case Code::kPermissionDenied:
      return "PERMISSION_DENIED";
    case Code::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case Code::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case Code::kAborted:
      return "ABORTED";
    case Code::kOutOfRange:
      return "OUT_OF_RANGE";
    case Code::kUnimplemented:
      return "UNIMPLEMENTED";
    case Code::kInternal:
      return "INTERNAL";
    case Code::kUnavailable:
      return "UNAVAILABLE";
    case Code::kDataLoss:
      return "DATA_LOSS";
    case Code::kUnauthenticated:
      return "UNAUTHENTICATED";
    case Code::kCancelled:
      return "CANCELLED";
  }
  std::unreachable();
}

Error Error::from_errno(int errno_value, std::string_view what) {
  std::string message(what);
  message += ": ";
  message += errno_text(errno_value);
  return Error(code_from_errno(errno_value), errno_value, std::move(message));
}

Error& Error::add_context(std::string_view context) & {
  std::string text(context);
  text += ": ";
  text += message_;
  message_ = std::move(text);
  return *this;
}

Error&& Error::add_context(std::string_view context) && {
  add_context(context);
  return std::move(*this);
}

}  // namespace dhow
