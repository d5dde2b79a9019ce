// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/testing/run_cli.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "runtime/cli/app.h"
#include "sys/file_io.h"

namespace dhow::runtime::testing {
namespace {

Fd memory_file(std::string_view content) {
  Fd fd(memfd_create("stream", MFD_CLOEXEC));
  if (!fd || !write_all(fd, content) || lseek(fd.get(), 0, SEEK_SET) != 0) abort();
  return fd;
}

std::string content_of(const Fd& fd) {
  if (lseek(fd.get(), 0, SEEK_SET) != 0) abort();
  return read_all(fd).value();
}

// time="2026-11-22T02:36:48Z" becomes time="T".
std::string without_times(std::string text) {
  static constexpr std::string_view kStart = "time=\"";
  for (std::size_t at = 0; (at = text.find(kStart, at)) != std::string::npos;) {
    at += kStart.size();
    text.replace(at, text.find('"', at) - at, "T");
  }
  return text;
}

}  // namespace

Outcome run_cli(std::vector<std::string_view> command_line, std::string_view input) {
  Fd in = memory_file(input);
  Fd out = memory_file("");
  Fd err = memory_file("");
  Outcome outcome;
  outcome.code = cli::run_program(command_line, {.in = in, .out = out, .err = err});
  outcome.out = content_of(out);
  outcome.err = without_times(content_of(err));
  return outcome;
}

}  // namespace dhow::runtime::testing
