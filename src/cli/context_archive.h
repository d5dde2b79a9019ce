// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "cli/contexts.h"
#include "sys/fd.h"

namespace dhow::cli {

// A context as an archive, as docker has them: tar, with meta.json and tls/docker/*.pem.
Status write_context_archive(const Context& context, FdRef out);
// kInvalidArgument for an archive with anything else in it, or without meta.json.
Result<Context> read_context_archive(Fd file);

}  // namespace dhow::cli
