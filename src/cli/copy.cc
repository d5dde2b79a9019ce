// SPDX-License-Identifier: Apache-2.0
#include "cli/copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

Status copy_body(client::Exchange& exchange, FdRef target) {
  std::vector<char> buffer(65536);
  while (true) {
    TRY_ASSIGN(std::size_t count, exchange.read(buffer));
    if (count == 0) return {};
    TRY(write_all(target, {buffer.data(), count}));
  }
}

}  // namespace

Status send_body(client::Exchange& exchange, FdRef source) {
  std::vector<char> buffer(65536);
  while (true) {
    TRY_ASSIGN(std::size_t count, read_some(source, buffer));
    if (count == 0) return exchange.end_body();
    // An engine that has had enough answers before the end: the answer says why.
    if (!exchange.write_body({buffer.data(), count})) return {};
  }
}

Status write_answer(client::Exchange& exchange, std::string_view file, std::string_view what) {
  if (file.empty()) return copy_body(exchange, FdRef(STDOUT_FILENO));
  // A device or a pipe is written to as it is; a file is replaced in one step.
  std::string name(file);
  std::string part = cat(name, ".dhow-part-", ::getpid());
  bool special = ::access(name.c_str(), F_OK) == 0 &&
                 !open_at(kCwd, cat(name, "/."), O_PATH).has_value() && name.starts_with("/dev/");
  auto opened =
      open_at(kCwd, special ? name : part, special ? O_WRONLY : O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!opened) {
    return fail(opened.error().code(), cat("failed to ", what, ": open ", quoted(name), ": ",
                                           errno_text(opened.error().sys_errno())));
  }
  Status done = copy_body(exchange, *opened);
  if (special) return done;
  if (done && ::rename(part.c_str(), name.c_str()) != 0)
    done = fail_errno(errno, cat("rename to ", quoted(name)));
  if (!done) ::unlink(part.c_str());
  return done;
}

Result<int> save_answer(Session& session, client::Call call, std::string_view file,
                        std::string_view what) {
  TRY_ASSIGN(client::Client * client, session.client());
  if (file.empty() && session.output_is_terminal()) {
    return fail(Code::kInvalidArgument,
                "cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  TRY_ASSIGN(client::Exchange exchange, client->open(std::move(call)));
  TRY(write_answer(exchange, file, what));
  return 0;
}

}  // namespace dhow::cli
