// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "registry/http.h"

// What requests for manifests have in common.
namespace dhow::registry {

// The Accept of a request for any manifest.
Headers manifest_accept();

// Content-Type without parameters, in lower case.
std::string media_type_of(const HttpResponse& response);

// Whether it is a type of manifests or of indexes.
bool is_manifest_media(std::string_view type);

}  // namespace dhow::registry
