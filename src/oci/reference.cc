// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::oci {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDomain = "index.docker.io";
constexpr std::string_view kOfficialFolder = "library/";
constexpr std::size_t kMaxName = 255;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower_or_digit(char c) { return is_lower(c) || is_digit(c); }
bool is_alphanumeric(char c) { return is_lower_or_digit(c) || is_upper(c); }

// The length of the separator at the front of a path component's rest: '.', "_", "__" or dashes;
// 0 when there is none.
std::size_t separator_length(std::string_view rest) {
  if (rest.starts_with("__")) return 2;
  if (rest.starts_with('.') || rest.starts_with('_')) return 1;
  return std::min(rest.find_first_not_of('-'), rest.size());
}

bool is_path_component(std::string_view text) {
  while (true) {
    std::size_t word = 0;
    while (word < text.size() && is_lower_or_digit(text[word])) ++word;
    if (word == 0) return false;
    text.remove_prefix(word);
    if (text.empty()) return true;
    std::size_t separator = separator_length(text);
    if (separator == 0) return false;
    text.remove_prefix(separator);
  }
}

bool is_host_label(std::string_view label) {
  return !label.empty() && is_alphanumeric(label.front()) && is_alphanumeric(label.back()) &&
         std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

bool is_host(std::string_view host) {
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || host.size() < 3) return false;
    return std::ranges::all_of(host.substr(1, host.size() - 2), [](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
    });
  }
  return std::ranges::all_of(split(host, '.'), is_host_label);
}

bool is_domain(std::string_view text) {
  std::size_t host_end = text.starts_with('[') ? text.find(']') : 0;
  if (host_end == std::string_view::npos) return false;
  std::size_t colon = text.find(':', host_end);
  if (colon == std::string_view::npos) return is_host(text);
  std::string_view port = text.substr(colon + 1);
  return is_host(text.substr(0, colon)) && !port.empty() && std::ranges::all_of(port, is_digit);
}

std::unexpected<Error> invalid_reference(std::string_view text, std::string_view why = {}) {
  std::string message = "invalid reference format";
  if (!why.empty()) message += cat(": ", why);
  return fail(Code::kInvalidArgument, cat(message, ": ", quoted(text.substr(0, 512))));
}

// Takes "@digest" and then ":tag" off the end of `rest`.
Status take_tag_and_digest(std::string_view text, std::string_view& rest, Reference& reference) {
  if (std::size_t at = rest.find('@'); at != std::string_view::npos) {
    auto digest = Digest::parse(rest.substr(at + 1));
    if (!digest) return invalid_reference(text, digest.error().message());
    reference.digest = std::move(*digest);
    rest = rest.substr(0, at);
  }
  std::size_t colon = rest.rfind(':');
  std::size_t slash = rest.rfind('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) {
    return {};
  }
  if (!is_tag(rest.substr(colon + 1))) return invalid_reference(text);
  reference.tag = rest.substr(colon + 1);
  rest = rest.substr(0, colon);
  return {};
}

bool names_a_domain(std::string_view first) {
  return first == "localhost" ||
         std::ranges::any_of(first, [](char c) { return c == '.' || c == ':' || is_upper(c); });
}

void split_domain(std::string_view rest, Reference& reference) {
  std::size_t slash = rest.find('/');
  bool has_domain = slash != std::string_view::npos && names_a_domain(rest.substr(0, slash));
  reference.domain = has_domain ? rest.substr(0, slash) : kDefaultDomain;
  reference.path = has_domain ? rest.substr(slash + 1) : rest;
  if (reference.domain == kLegacyDomain) reference.domain = kDefaultDomain;
  if (reference.domain == kDefaultDomain && reference.path.find('/') == std::string::npos) {
    reference.path.insert(0, kOfficialFolder);
  }
}

std::string with_tag_and_digest(std::string name, const Reference& reference) {
  if (!reference.tag.empty()) name += cat(":", reference.tag);
  if (!reference.digest.empty()) name += cat("@", reference.digest.text());
  return name;
}

}  // namespace

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(
             text, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_repository_path(std::string_view text) {
  return std::ranges::all_of(split(text, '/'), is_path_component);
}

Result<Reference> parse_reference(std::string_view text) {
  Reference reference;
  std::string_view rest = text;
  // An image id is no name: a repository of that name could never be told from it.
  if (text.size() == 64 && Digest::parse(cat("sha256:", text))) {
    return fail(Code::kInvalidArgument, cat("invalid repository name (", text,
                                            "), cannot specify 64-byte hexadecimal strings"));
  }
  TRY(take_tag_and_digest(text, rest, reference));
  if (rest.empty()) return invalid_reference(text);
  split_domain(rest, reference);
  if (std::ranges::any_of(reference.path, is_upper)) {
    return invalid_reference(text, cat("repository name (", reference.path, ") must be lowercase"));
  }
  if (!is_domain(reference.domain) || !is_repository_path(reference.path))
    return invalid_reference(text);
  if (reference.name().size() > kMaxName) {
    return fail(Code::kInvalidArgument,
                cat("repository name must not be more than ", kMaxName, " characters"));
  }
  return reference;
}

Result<Reference> parse_image_name(std::string_view text) {
  TRY_ASSIGN(Reference reference, parse_reference(text));
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
  return reference;
}

std::string Reference::name() const { return cat(domain, "/", path); }

std::string Reference::text() const { return with_tag_and_digest(name(), *this); }

std::string Reference::familiar_name() const {
  if (domain != kDefaultDomain) return name();
  // Alone it would be read as the name of a registry.
  std::size_t slash = path.find('/');
  if (slash != std::string::npos && names_a_domain(std::string_view(path).substr(0, slash)))
    return name();
  bool official = path.starts_with(kOfficialFolder) &&
                  path.find('/', kOfficialFolder.size()) == std::string::npos;
  return official ? path.substr(kOfficialFolder.size()) : path;
}

std::string Reference::familiar() const { return with_tag_and_digest(familiar_name(), *this); }

}  // namespace dhow::oci
