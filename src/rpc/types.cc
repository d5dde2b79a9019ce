// SPDX-License-Identifier: Apache-2.0
#include "rpc/types.h"

namespace dhow::rpc {
namespace {

// By gRPC's number.
constexpr Code kCodes[] = {
    Code::kUnknown,  // 0 is no failure
    Code::kCancelled,        Code::kUnknown,           Code::kInvalidArgument,
    Code::kDeadlineExceeded, Code::kNotFound,          Code::kAlreadyExists,
    Code::kPermissionDenied, Code::kResourceExhausted, Code::kFailedPrecondition,
    Code::kAborted,          Code::kOutOfRange,        Code::kUnimplemented,
    Code::kInternal,         Code::kUnavailable,       Code::kDataLoss,
    Code::kUnauthenticated};

}  // namespace

std::string_view type_name(const Any& any) {
  std::string_view url = any.type_url;
  return url.substr(url.rfind('/') + 1);  // npos + 1 is 0
}

Timestamp timestamp_now() {
  struct timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return to_timestamp(now);
}

std::int32_t status_number(Code code) {
  for (std::int32_t number = 1; number < static_cast<std::int32_t>(std::size(kCodes)); ++number) {
    if (kCodes[number] == code) return number;
  }
  return 2;
}

Code code_from_status_number(std::int32_t number) {
  bool known = number > 0 && number < static_cast<std::int32_t>(std::size(kCodes));
  return known ? kCodes[number] : Code::kUnknown;
}

CallStatus to_call_status(const Error& error) {
  return {status_number(error.code()), error.message(), {}};
}

Error to_error(const CallStatus& status) {
  return Error(code_from_status_number(status.code), status.message);
}

}  // namespace dhow::rpc
