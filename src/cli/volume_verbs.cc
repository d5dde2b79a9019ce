// SPDX-License-Identifier: Apache-2.0
// volume export, import, cp and update.
#include <fcntl.h>
#include <unistd.h>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/copy.h"
#include "cli/rows.h"
#include "cli/tables.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

std::string volume_path(std::string_view name, std::string_view rest) {
  return cat("/volumes/", client::percent_encoded(name), rest);
}

Result<int> run_volume_export(Session& session, const Arguments& arguments) {
  client::Call call;
  call.path = volume_path(arguments.positional(0), "/archive");
  return save_answer(session, std::move(call), arguments.string("output"), "export");
}

Result<int> run_volume_import(Session& session, const Arguments& arguments) {
  std::string_view path = arguments.positional(1);
  bool from_input = path.empty() || path == "-";
  if (from_input && session.input_is_terminal()) {
    return fail(Code::kInvalidArgument, "requested import from stdin, but stdin is empty");
  }
  Fd file;
  if (!from_input) {
    auto opened = open_at(kCwd, path, O_RDONLY);
    if (!opened) {
      return fail(opened.error().code(),
                  cat("open ", path, ": ", errno_text(opened.error().sys_errno())));
    }
    file = std::move(*opened);
  }
  TRY_ASSIGN(client::Client * client, session.client());
  client::Call call;
  call.method = "PUT";
  call.path = volume_path(arguments.positional(0), "/archive");
  call.content_type = "application/x-tar";
  call.streamed_body = true;
  TRY_ASSIGN(client::Exchange exchange, client->send(std::move(call)));
  TRY(send_body(exchange, file ? FdRef(file) : FdRef(STDIN_FILENO)));
  TRY(exchange.await_head());
  TRY(exchange.read_all());
  session.print_line(arguments.positional(0));
  return 0;
}

Result<int> run_volume_copy(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  client::Call call;
  call.method = "POST";
  call.path = volume_path(arguments.positional(1), "/copy");
  call.query.add("from", arguments.positional(0));
  TRY(client->call_status(std::move(call)));
  session.print_line(arguments.positional(1));
  return 0;
}

// As docker's without a swarm: there is none of the kind that can be changed.
Result<int> run_volume_update(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY(client->call({.path = volume_path(arguments.positional(0), "")}));
  return fail(Code::kInvalidArgument, "Can only update cluster volumes");
}

constexpr Flag kVolumeExportFlags[] = {
    {"output", kString, 'o', "FILE", "write to a file instead of standard output", "files"},
};
constexpr Flag kVolumeUpdateFlags[] = {
    {"availability", kString, 0, "active|pause|drain", "for swarms alone", "", true},
};

constexpr Command kVolumeCommands[] = {
    {.names = "volume export",
     .summary = "Write the files of a volume to a tar archive",
     .usage = "[OPTIONS] VOLUME",
     .handler = run_volume_export,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kVolumeExportFlags,
     .completion = "volumes"},
    {.names = "volume import",
     .summary = "Make the files of a tar archive the content of a volume",
     .usage = "VOLUME [FILE|-]",
     .details = "What was in the volume is replaced at once, when all of the archive has been "
                "read. A volume that is not there is made.",
     .handler = run_volume_import,
     .min_arguments = 1,
     .max_arguments = 2,
     .completion = "volumes"},
    {.names = "volume cp",
     .summary = "Make the files of one volume the content of another",
     .usage = "SOURCE TARGET",
     .details = "What was in the target is replaced at once. A target that is not there is made.",
     .handler = run_volume_copy,
     .min_arguments = 2,
     .max_arguments = 2,
     .completion = "volumes"},
    {.names = "volume update",
     .summary = "Change a volume of a cluster",
     .usage = "[OPTIONS] VOLUME",
     .handler = run_volume_update,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kVolumeUpdateFlags,
     .completion = "volumes",
     .hidden = true},
};

}  // namespace

std::span<const Command> volume_commands() { return kVolumeCommands; }

}  // namespace dhow::cli
