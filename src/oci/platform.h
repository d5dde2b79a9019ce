// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace dhow::oci {

// What a program needs to run (image-spec, image-index.md, "platform"), in the names of Go's GOOS
// and GOARCH. `variant` is the level of the processor: "v7" of arm, "v3" of amd64.
struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  std::string os_version;
  std::vector<std::string> os_features;

  bool operator==(const Platform&) const = default;
};

// Other names of the same thing become the usual ones: "aarch64" is arm64, "x86_64" amd64, "armhf"
// arm v7; the variant that an architecture has anyway ("v8" of arm64, "v1" of amd64) is left out,
// and arm without one is v7.
Platform normalized(Platform platform);

// "os/architecture[/variant]", "os" or "architecture" alone; what is missing is taken from `host`.
// Normalized. A fault is kInvalidArgument that names the text.
Result<Platform> parse_platform(std::string_view text, const Platform& host);

// "linux/arm/v7".
std::string platform_text(const Platform& platform);

// The platform of this machine: uname(2), and for amd64 the level of the processor as the variant.
const Platform& host_platform();

// What runs on `wanted`, the best first: itself, then the lower variants, and 386 on amd64.
std::vector<Platform> compatible_platforms(const Platform& wanted);

// How well `offered` serves `wanted`: its place in compatible_platforms (0: best), or none. The
// features of the OS that `offered` needs must be among the wanted.
std::optional<std::size_t> platform_rank(const Platform& wanted, const Platform& offered);

}  // namespace dhow::oci
