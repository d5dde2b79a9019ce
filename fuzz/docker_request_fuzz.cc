// SPDX-License-Identifier: Apache-2.0
// What clients of the Docker API put into requests beside JSON documents.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/docker/detach_keys.h"
#include "api/docker/http_parser.h"
#include "api/docker/http_types.h"
#include "api/docker/request_params.h"
#include "api/docker/router.h"
#include "engine/image_changes.h"
#include "engine/image_filter.h"

namespace {

using namespace dhow::api::docker;

// A request that comes in pieces is the same as one that comes at once.
std::string read_request(std::string_view text, std::size_t step) {
  RequestParser parser;
  std::string held;
  std::string body;
  std::string space(64, '\0');
  while (!text.empty() && !(parser.head_done() && parser.body_done())) {
    held += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
    auto taken = parser.feed_head(held);
    if (!taken) return "fault";
    held.erase(0, *taken);
    while (parser.head_done() && !parser.body_done() && !held.empty()) {
      auto part = parser.feed_body(held, space);
      if (!part) return "fault";
      held.erase(0, part->taken);
      body.append(space, 0, part->produced);
      if (part->taken == 0 && part->produced == 0) break;
    }
  }
  if (!parser.head_done()) return "incomplete";
  RequestHead head = parser.head();
  Router router;
  std::ignore = router.plan(head);
  return head.method + " " + head.target + "\n" + body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0: {
      std::string at_once = read_request(text, text.size() + 1);
      std::string in_pieces = read_request(text, 3);
      // A fault in a head that is not complete may be seen sooner or later.
      bool is_whole = at_once != "incomplete" && in_pieces != "incomplete";
      if (is_whole && at_once != in_pieces) std::abort();
      break;
    }
    case 1:
      std::ignore = parse_filters(text, {"label", "label!", "dangling", "until"});
      break;
    case 2:
      std::ignore = parse_registry_auth(text);
      std::ignore = parse_auth_config(text);
      break;
    case 3:
      std::ignore = parse_platform_text(text);
      std::ignore = parse_platform_json(text);
      std::ignore = parse_time(text, 0);
      break;
    case 4:
      std::ignore = Query::parse(text).flag("a");
      break;
    case 5: {
      // What is passed on is the input without the sequence, if that isn't there.
      std::string out;
      DetachMatcher keys("ab");
      bool found = keys.filter(text.substr(0, text.size() / 2), out);
      if (!found) found = keys.filter(text.substr(text.size() / 2), out);
      if (found != (text.find("ab") != std::string_view::npos)) std::abort();
      std::ignore = parse_detach_keys(text);
      break;
    }
    case 6: {
      dhow::oci::ImageConfig config;
      std::ignore = dhow::engine::apply_changes({std::string(text)}, config);
      break;
    }
    default: {
      std::size_t middle = text.size() / 2;
      std::ignore = dhow::engine::matches_pattern(text.substr(0, middle), text.substr(middle));
      break;
    }
  }
  return 0;
}
