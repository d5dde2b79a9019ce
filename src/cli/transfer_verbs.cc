// SPDX-License-Identifier: Apache-2.0
// pull, push, save, load, import and export.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/copy.h"
#include "cli/copy_files.h"
#include "cli/credentials.h"
#include "cli/tables.h"
#include "oci/reference.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

Result<int> run_pull(Session& session, const Arguments& arguments) {
  PullOptions options;
  options.platform = arguments.string("platform");
  options.all_tags = arguments.boolean("all-tags");
  options.quiet = arguments.boolean("quiet");
  TRY_ASSIGN(oci::Reference name, oci::parse_reference(arguments.positional(0)));
  bool bare = name.tag.empty() && name.digest.empty();
  if (options.all_tags && !bare) {
    return fail(Code::kInvalidArgument, "tag can't be used with --all-tags/-a");
  }
  if (bare && !options.all_tags) {
    name.tag = "latest";
    if (!options.quiet) session.print("Using default tag: latest\n");
  }
  TRY(pull_image(session, arguments.positional(0), options));
  session.print_line(name.text());
  return 0;
}

Result<int> run_push(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(const ConfigFile* config, session.config());
  TRY_ASSIGN(oci::Reference name, oci::parse_reference(arguments.positional(0)));
  bool all = arguments.boolean("all-tags");
  bool quiet = arguments.boolean("quiet");
  if (all && !name.tag.empty())
    return fail(Code::kInvalidArgument, "tag can't be used with --all-tags/-a");
  if (!all && name.tag.empty() && name.digest.empty()) {
    name.tag = "latest";
    if (!quiet) session.print("Using default tag: latest\n");
  }
  std::string key = registry_of_image(name.name());
  TRY_ASSIGN(Credentials credentials, find_credentials(*config, key));
  client::Call call;
  call.method = "POST";
  call.path = image_path(name.familiar_name(), "/push");
  call.query.add_given("tag", all ? "" : name.tag)
      .add_given("platform", arguments.string("platform"));
  // The engine wants the header even when there is nothing to say.
  call.headers.push_back({"X-Registry-Auth", registry_header(credentials, key)});
  TRY_ASSIGN(client::Exchange exchange, client->open(std::move(call)));
  TRY(show_progress(session, exchange, ProgressDisplay::Target::kOutput, quiet));
  if (quiet) session.print_line(name.text());
  return 0;
}

Result<int> run_save(Session& session, const Arguments& arguments) {
  client::Call call;
  call.path = "/images/get";
  for (std::string_view name : arguments.positionals()) call.query.add("names", name);
  call.query.add_given("platform", arguments.string("platform"));
  return save_answer(session, std::move(call), arguments.string("output"), "save");
}

Result<int> run_export(Session& session, const Arguments& arguments) {
  client::Call call;
  call.path = container_path(arguments.positional(0), "/export");
  return save_answer(session, std::move(call), arguments.string("output"), "export");
}

Result<int> run_load(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::string_view path = arguments.string("input");
  Fd file;
  if (path.empty() && session.input_is_terminal()) {
    return fail(Code::kInvalidArgument, "requested load from stdin, but stdin is empty");
  }
  if (!path.empty()) {
    auto opened = open_at(kCwd, path, O_RDONLY);
    if (!opened)
      return fail(opened.error().code(),
                  cat("open ", path, ": ", errno_text(opened.error().sys_errno())));
    file = std::move(*opened);
  }
  client::Call call;
  call.method = "POST";
  call.path = "/images/load";
  bool quiet = arguments.boolean("quiet") || !session.output_is_terminal();
  call.query.add("quiet", quiet ? "1" : "0").add_given("platform", arguments.string("platform"));
  call.content_type = "application/x-tar";
  call.streamed_body = true;
  TRY_ASSIGN(client::Exchange exchange, client->send(std::move(call)));
  struct stat info{};
  if (file && ::fstat(file.get(), &info) == 0 && S_ISDIR(info.st_mode)) {
    // The folder of an OCI layout, as the archive that it would be.
    TRY(send_archive(exchange, std::string(path), ".", true));
  } else {
    TRY(send_body(exchange, file ? FdRef(file) : FdRef(STDIN_FILENO)));
  }
  TRY(exchange.await_head());
  TRY(show_progress(session, exchange, ProgressDisplay::Target::kOutput, false));
  return 0;
}

bool is_url(std::string_view source) {
  return source.starts_with("http://") || source.starts_with("https://") ||
         source.starts_with("git://");
}

Result<int> run_import(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::string_view source = arguments.positional(0);
  bool local = source != "-" && !is_url(source);
  Fd file;
  if (local) {
    auto opened = open_at(kCwd, source, O_RDONLY);
    if (!opened)
      return fail(opened.error().code(),
                  cat("open ", source, ": ", errno_text(opened.error().sys_errno())));
    file = std::move(*opened);
  }
  client::Call call;
  call.method = "POST";
  call.path = "/images/create";
  call.query.add("fromSrc", is_url(source) ? source : "-");
  if (std::string_view name = arguments.positional(1); !name.empty()) {
    TRY_ASSIGN(oci::Reference reference, oci::parse_reference(name));
    call.query.add("repo", reference.familiar_name()).add_given("tag", reference.tag);
  }
  call.query.add_given("message", arguments.string("message"))
      .add_given("platform", arguments.string("platform"));
  for (std::string_view change : arguments.list("change")) call.query.add("changes", change);
  call.streamed_body = !is_url(source);
  if (call.streamed_body) call.content_type = "text/plain";
  bool streams = call.streamed_body;
  TRY_ASSIGN(client::Exchange exchange, client->send(std::move(call)));
  if (streams) TRY(send_body(exchange, file ? FdRef(file) : FdRef(STDIN_FILENO)));
  TRY(exchange.await_head());
  TRY(show_progress(session, exchange, ProgressDisplay::Target::kOutput, false));
  return 0;
}

constexpr Flag kPullFlags[] = {
    {"all-tags", kBool, 'a', "", "every tag of the repository"},
    {"disable-content-trust", kBool, 0, "", "ignored", "", true},
    {"platform", kString, 0, "OS/ARCH", "platform of the image"},
    {"quiet", kBool, 'q', "", "show nothing but the name"},
};
constexpr Flag kPushFlags[] = {
    {"all-tags", kBool, 'a', "", "every tag of the repository"},
    {"disable-content-trust", kBool, 0, "", "ignored", "", true},
    {"platform", kString, 0, "OS/ARCH", "one platform of an image of several"},
    {"quiet", kBool, 'q', "", "show nothing but the name"},
};
constexpr Flag kSaveFlags[] = {
    {"output", kString, 'o', "FILE", "write to a file rather than to standard output", "files"},
    {"platform", kString, 0, "OS/ARCH", "one platform of an image of several"},
};
constexpr Flag kExportFlags[] = {
    {"output", kString, 'o', "FILE", "write to a file rather than to standard output", "files"},
};
constexpr Flag kLoadFlags[] = {
    {"input", kString, 'i', "FILE", "read a file, or the folder of an OCI layout", "files"},
    {"platform", kString, 0, "OS/ARCH", "one platform of an image of several"},
    {"quiet", kBool, 'q', "", "do not show how it gets on"},
};
constexpr Flag kImportFlags[] = {
    {"change", kList, 'c', "INSTRUCTION", "apply an instruction of a Dockerfile"},
    {"message", kString, 'm', "TEXT", "what was done"},
    {"platform", kString, 0, "OS/ARCH", "platform of the image"},
};

constexpr Flag kCopyFlags[] = {
    {"archive", kBool, 'a', "", "keep the owners by number"},
    {"follow-link", kBool, 'L', "", "copy what a link at the source leads to"},
    {"quiet", kBool, 'q', "", "do not show how it gets on"},
};

constexpr Command kTransferCommands[] = {
    {.names = "pull|image pull",
     .summary = "Download an image from a registry",
     .usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
     .handler = run_pull,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kPullFlags,
     .completion = "images"},
    {.names = "push|image push",
     .summary = "Upload an image to a registry",
     .usage = "[OPTIONS] NAME[:TAG]",
     .handler = run_push,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kPushFlags,
     .completion = "images"},
    {.names = "save|image save",
     .summary = "Write one or more images to a tar archive",
     .usage = "[OPTIONS] IMAGE [IMAGE...]",
     .handler = run_save,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kSaveFlags,
     .completion = "images"},
    {.names = "load|image load",
     .summary = "Read images from a tar archive",
     .usage = "[OPTIONS]",
     .handler = run_load,
     .flags = kLoadFlags},
    {.names = "import|image import",
     .summary = "Make an image of the files in a tar archive",
     .usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
     .handler = run_import,
     .min_arguments = 1,
     .max_arguments = 2,
     .flags = kImportFlags,
     .completion = "files"},
    {.names = "export|container export",
     .summary = "Write a container's files to a tar archive",
     .usage = "[OPTIONS] CONTAINER",
     .handler = run_export,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kExportFlags,
     .completion = "containers"},
    {.names = "cp|container cp",
     .summary = "Copy files between a container and the host",
     .usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n       SRC_PATH|- CONTAINER:DEST_PATH",
     .details = "With \"-\" for the host's side a tar archive is read from standard input or "
                "written to standard output.",
     .handler = run_copy,
     .min_arguments = 2,
     .max_arguments = 2,
     .flags = kCopyFlags,
     .completion = "containers"},
};

}  // namespace

std::span<const Command> transfer_commands() { return kTransferCommands; }

}  // namespace dhow::cli
