// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"

namespace dhow::oci {

// The name of an image: where it is and which one, by tag, by digest or both (distribution-spec,
// "Pulling manifests"). Always in the long form: "docker.io/library/busybox".
struct Reference {
  std::string domain;  // host with optional port: "docker.io", "localhost:5000", "[::1]:5000"
  std::string path;    // repository within it: "library/busybox"
  std::string tag;     // may be empty
  Digest digest;       // may be empty

  // "docker.io/library/busybox": the repository alone.
  std::string name() const;
  // With tag and digest: "docker.io/library/busybox:1.36@sha256:...".
  std::string text() const;
  // As people write it: without "docker.io/" and "library/", but where the rest would name another
  // registry.
  std::string familiar_name() const;
  std::string familiar() const;

  auto operator<=>(const Reference&) const = default;
};

// Reads a name as docker does: without a host it is docker.io's, and there without a folder it is
// library's; the first part is a host when it holds '.', ':' or a capital, or is "localhost".
// A fault is kInvalidArgument in docker's own words ("invalid reference format: ...").
Result<Reference> parse_reference(std::string_view text);

// As parse_reference, with the tag "latest" when the text has neither tag nor digest.
Result<Reference> parse_image_name(std::string_view text);

// Whether the text is a tag: [A-Za-z0-9_][A-Za-z0-9._-]{0,127}.
bool is_tag(std::string_view text);

// Whether the text is a repository within a registry, in lower case.
bool is_repository_path(std::string_view text);

}  // namespace dhow::oci
