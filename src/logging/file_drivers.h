// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "logging/driver.h"
#include "logging/log_file.h"

namespace dhow::logging {

// {"log":"…\n","stream":"stdout","attrs":{…},"time":"…"}: docker's json-file, byte for byte.
// `attrs` is a JSON object or empty.
Result<std::unique_ptr<Driver>> make_json_file(const LogFileOptions& file, std::string attrs);
// "TIME stdout F line" (Kubernetes' CRI log format).
Result<std::unique_ptr<Driver>> make_cri_file(const LogFileOptions& file);

// As docker writes a text into a json-file: with the quotes.
void append_json_text(std::string& out, std::string_view text, bool newline);

}  // namespace dhow::logging
