// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "api/docker/http_types.h"
#include "base/error.h"

namespace dhow::api::docker {

// The status of docker's API for a class of failure.
int http_status(Code code);
// {"message":"…"}, with a newline behind it.
std::string error_body(std::string_view message);
Response error_response(const Error& error);

}  // namespace dhow::api::docker
