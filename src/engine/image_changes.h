// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/image.h"

namespace dhow::engine {

// Applies instructions as of a Dockerfile to the configuration of an image: those that `commit` and
// `import` take, CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER,
// VOLUME and WORKDIR. One text may hold several lines. Faults are kInvalidArgument that name the
// instruction.
Status apply_changes(const std::vector<std::string>& changes, oci::ImageConfig& config);

// The words of a line, with quotes and backslashes as of a Dockerfile's ENV and LABEL.
Result<std::vector<std::string>> split_words(std::string_view text);

}  // namespace dhow::engine
