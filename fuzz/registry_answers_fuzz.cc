// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "registry/challenge.h"
#include "registry/content_range.h"
#include "registry/credentials.h"
#include "registry/http.h"
#include "registry/link.h"
#include "registry/retry.h"
#include "registry/scope.h"

// What registries answer with, and files of credentials. The first byte says which.
namespace {

using namespace dhow::registry;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_url(std::string_view text) {
  auto url = Url::parse(text);
  if (!url.has_value()) return;
  require(url->path.starts_with('/') && !url->host.empty());
  auto again = Url::parse(url->text());
  require(again.has_value() && *again == *url);
  require(url->safe_text().find('?') == std::string::npos);
  if (auto next = Url::parse("https://r.io/a/b?c")->resolve(text); next.has_value()) {
    require(next->scheme == "http" || next->scheme == "https");
  }
}

void check_headers(std::string_view text) {
  for (const Challenge& challenge : parse_challenges({text})) require(!challenge.scheme.empty());
  next_link({text});
  auto now = std::chrono::system_clock::from_time_t(1'700'000'000);
  if (auto after = parse_retry_after(text, now)) require(after->count() >= 0);
  if (auto range = parse_content_range(text)) {
    require(range->first >= 0 && range->first <= range->last);
    require(!range->total || range->last < *range->total);
  }
  ScopeSet scopes;
  scopes.add(text);
  ScopeSet again;
  again.add(scopes.text());
  require(again.text() == scopes.text());
}

void check_auth_file(std::string_view text) {
  auto file = parse_auth_file(text);
  if (!file.has_value()) return;
  find_in_auths(*file, "docker.io", "library/busybox");
  helper_for(*file, "r.io:5000");
}

void check_error(std::string_view text) {
  HttpResponse response{.status = 404, .url = Url::parse("https://r.io/").value()};
  response.body = text;
  for (char c : http_error("GET", response).message()) {
    require(static_cast<unsigned char>(c) >= 0x20);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      check_url(text);
      break;
    case 1:
      check_headers(text);
      break;
    case 2:
      check_auth_file(text);
      break;
    default:
      check_error(text);
      break;
  }
  return 0;
}
