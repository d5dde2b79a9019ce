// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "client/client.h"

namespace dhow::cli {

// Puts the members of an answer's archive below `folder`, which the caller trusts; the first part
// of their names becomes `name`, or nothing with "". What the archive says leads nowhere else:
// names are resolved inside the folder. Owners are kept with `owners`. Gives the bytes of the
// files.
Result<std::int64_t> extract_archive(client::Exchange& exchange, const std::string& folder,
                                     const std::string& name, bool owners);

// Sends the file or folder at `path` as an archive, under `name`, and ends the body. `follow`: a
// link there is its target. Gives the bytes of the files.
Result<std::int64_t> send_archive(client::Exchange& exchange, const std::string& path,
                                  const std::string& name, bool follow);

}  // namespace dhow::cli
