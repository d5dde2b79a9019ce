// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "api/docker/exchange.h"
#include "base/result.h"
#include "engine/images.h"

namespace dhow::api::docker {

// The filters of GET /images/json. `before` and `since` name images: kNotFound without them.
Result<engine::ImageFilter> image_filter(const Exchange& exchange, engine::Images& images);
// "label", "label!" and "until".
Status add_common_filters(const engine::Filters& filters, engine::ImageFilter& filter);

// The credentials of X-Registry-Auth for a domain; null without any.
std::shared_ptr<registry::CredentialSource> request_credentials(const Exchange& exchange,
                                                                const std::string& domain);

// "name:tag" or "name@digest" of the two parameters that clients give apart. A tag in the name
// gives way to that beside it.
std::string joined_name(std::string_view name, std::string_view tag);

}  // namespace dhow::api::docker
