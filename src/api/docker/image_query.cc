// SPDX-License-Identifier: Apache-2.0
#include "api/docker/image_query.h"

#include "api/docker/request_params.h"
#include "base/strings.h"
#include "engine/container_filter.h"

namespace dhow::api::docker {

std::string joined_name(std::string_view name, std::string_view tag) {
  if (tag.empty()) return std::string(name);
  std::size_t colon = name.rfind(':');
  bool is_port =
      name.find('/', colon == std::string_view::npos ? 0 : colon) != std::string_view::npos;
  if (colon != std::string_view::npos && !is_port && name.find('@') == std::string_view::npos) {
    name = name.substr(0, colon);
  }
  return cat(name, tag.find(':') == std::string_view::npos ? ":" : "@", tag);
}

Status add_common_filters(const engine::Filters& filters, engine::ImageFilter& filter) {
  TRY(engine::check_until(filters));
  for (const auto& [key, values] : filters) {
    for (const std::string& value : values) {
      if (key == "label") filter.labels.push_back(engine::LabelQuery::parse(value));
      if (key == "label!") filter.without_labels.push_back(engine::LabelQuery::parse(value));
      if (key != "until") continue;
      TRY_ASSIGN(filter.before, parse_time(value, metadata::now()));
    }
  }
  return {};
}

Result<engine::ImageFilter> image_filter(const Exchange& exchange, engine::Images& images) {
  TRY_ASSIGN(engine::Filters filters, parse_filters(exchange.query().get("filters"),
                                                    {"before", "dangling", "label", "label!",
                                                     "reference", "since", "until"}));
  engine::ImageFilter filter;
  TRY_ASSIGN(filter.dangling, filter_flag(filters, "dangling"));
  TRY(add_common_filters(filters, filter));
  for (const auto& [key, values] : filters) {
    for (const std::string& value : values) {
      if (key == "reference") filter.references.push_back(value);
      if (key != "before" && key != "since") continue;
      TRY_ASSIGN(engine::ImageDetails image, images.inspect(value));
      (key == "before" ? filter.before : filter.since) = image.created();
    }
  }
  // Of clients before 1.25.
  if (std::string_view name = exchange.query().get("filter");
      !name.empty() && exchange.version() < ApiVersion{25}) {
    filter.references.emplace_back(name);
  }
  return filter;
}

std::shared_ptr<registry::CredentialSource> request_credentials(const Exchange& exchange,
                                                                const std::string& domain) {
  RegistryAuth auth = parse_registry_auth(exchange.head().header("X-Registry-Auth"));
  if (auth.credentials.empty()) return nullptr;
  return std::make_shared<registry::FixedCredentials>(domain, std::move(auth.credentials));
}

}  // namespace dhow::api::docker
