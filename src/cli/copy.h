// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"
#include "cli/session.h"
#include "sys/fd.h"

namespace dhow::cli {

// Sends everything that can be read as the body of a call that was sent without one.
Status send_body(client::Exchange& exchange, FdRef source);
// Writes the body of an answer to a file, which appears when it is whole, or without a name to
// standard output. `what` is the verb, for errors.
Status write_answer(client::Exchange& exchange, std::string_view file, std::string_view what);

// The handler of cp.
Result<int> run_copy(Session& session, const Arguments& arguments);

// Makes a call, and writes its answer to that file, or, with "", to the standard output, unless
// that is a terminal. `what`: of the text of a failure.
Result<int> save_answer(Session& session, client::Call call, std::string_view file,
                        std::string_view what);

}  // namespace dhow::cli
