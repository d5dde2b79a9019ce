// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dhow::testbox {

// `swap A B`: exchanges two names of the file system for ever; "ready" once it has worked.
int run_swap(int argc, char** argv);
// `spy`: what it gets out of new processes that still run the runtime, one finding a line.
int run_spy(int argc, char** argv);
// `overwrite`: tries to write to the runtime's program, found by new processes that run it:
// "found NAME" when it has the file, then "opened NAME" where it can, or "refused NAME" where that
// will never work.
int run_overwrite(int argc, char** argv);

}  // namespace dhow::testbox
