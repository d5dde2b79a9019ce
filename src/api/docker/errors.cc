// SPDX-License-Identifier: Apache-2.0
#include "api/docker/errors.h"

#include "oci/json.h"

namespace dhow::api::docker {

int http_status(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
    case Code::kFailedPrecondition:
    case Code::kAborted:
      return 409;
    case Code::kUnimplemented:
      return 501;
    case Code::kUnavailable:
      return 503;
    case Code::kUnknown:
    case Code::kDeadlineExceeded:
    case Code::kResourceExhausted:
    case Code::kInternal:
    case Code::kDataLoss:
    case Code::kCancelled:
      return 500;
  }
  return 500;
}

std::string error_body(std::string_view message) {
  oci::JsonWriter json;
  json.begin_object().member("message", message).end_object();
  return json.text() + "\n";
}

Response error_response(const Error& error) {
  return Response::json(error_body(error.message()), http_status(error.code()));
}

}  // namespace dhow::api::docker
