// SPDX-License-Identifier: Apache-2.0
// cp: between a container and the host.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/copy.h"
#include "cli/copy_files.h"
#include "cli/rows.h"
#include "cli/tables.h"
#include "cli/units.h"
#include "oci/base64.h"

namespace dhow::cli {
namespace {

struct Side {
  std::string container;  // empty: the host's
  std::string path;
};

// "CONTAINER:PATH"; a path that begins with "." or "/" is the host's, colons or not.
Side parse_side(std::string_view text) {
  std::size_t colon = text.find(':');
  bool host = colon == std::string_view::npos || text.starts_with('.') || text.starts_with('/');
  if (host) return {"", std::string(text)};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

struct PathStat {
  std::string name;
  std::uint32_t mode = 0;  // Go's os.FileMode
  std::string link_target;
  bool is_folder() const { return (mode & 0x8000'0000U) != 0; }
  bool is_link() const { return (mode & 0x0800'0000U) != 0; }
};

Result<PathStat> read_stat(const client::HttpHead& head) {
  std::string json = oci::base64_decode(head.header("X-Docker-Container-Path-Stat")).value_or("");
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(json));
  oci::JsonValue root = document.root();
  return PathStat{text_member(root, "name"),
                  static_cast<std::uint32_t>(number_member(root, "mode")),
                  text_member(root, "linkTarget")};
}

client::Call archive_call(std::string_view method, const Side& side) {
  client::Call call;
  call.method = method;
  call.path = container_path(side.container, "/archive");
  call.query.add("path", side.path);
  return call;
}

Result<PathStat> stat_in(client::Client& client, const Side& side) {
  TRY_ASSIGN(client::Exchange exchange, client.open(archive_call("HEAD", side)));
  return read_stat(exchange.head());
}

std::string_view last_part(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

std::string folder_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<std::size_t>(slash, 1)));
}

// "/." at the end: the content of the folder, not the folder.
bool means_content(std::string_view path) {
  return path == "." || path.ends_with("/.") || path.ends_with("/./");
}

void tell_of(Session& session, const Arguments& arguments, std::int64_t bytes,
             std::string_view where) {
  bool quiet = arguments.has("quiet") ? arguments.boolean("quiet") : !session.output_is_terminal();
  if (!quiet)
    session.complain_line(
        cat("Successfully copied ", human_size(static_cast<double>(bytes), 3), " to ", where));
}

// Where members go: below `folder`, with their first part replaced by `name` ("": left out).
struct Destination {
  std::string folder;
  std::string name;
};

Result<Destination> destination_on_host(std::string_view path, const PathStat& source,
                                        bool content) {
  struct stat state{};
  std::string target(path);
  if (::stat(target.c_str(), &state) == 0) {
    if (S_ISDIR(state.st_mode)) return Destination{target, content ? "" : source.name};
    if (source.is_folder()) return fail(Code::kInvalidArgument, "cannot copy directory");
    if (target.ends_with('/')) return fail(Code::kInvalidArgument, "not a directory");
  } else if (::stat(folder_of(target).c_str(), &state) != 0) {
    return fail(Code::kNotFound, cat("invalid output path: directory ", quoted(folder_of(target)),
                                     " does not exist"));
  } else if (!source.is_folder() && target.ends_with('/')) {
    return fail(Code::kNotFound, "no such directory");
  }
  return Destination{folder_of(target), std::string(last_part(target))};
}

Result<int> copy_out(Session& session, const Arguments& arguments, Side from,
                     const std::string& path) {
  TRY_ASSIGN(client::Client * client, session.client());
  if (arguments.boolean("follow-link")) {
    TRY_ASSIGN(PathStat state, stat_in(*client, from));
    if (state.is_link() && !state.link_target.empty()) {
      from.path = state.link_target.starts_with('/')
                      ? state.link_target
                      : cat(folder_of(from.path), "/", state.link_target);
    }
  }
  TRY_ASSIGN(client::Exchange exchange, client->open(archive_call("GET", from)));
  if (path == "-") {
    session.flush();
    TRY(write_answer(exchange, "", "copy"));
    return 0;
  }
  TRY_ASSIGN(PathStat source, read_stat(exchange.head()));
  TRY_ASSIGN(Destination target, destination_on_host(path, source, means_content(from.path)));
  TRY_ASSIGN(std::int64_t bytes,
             extract_archive(exchange, target.folder, target.name, arguments.boolean("archive")));
  tell_of(session, arguments, bytes, path);
  return 0;
}

// What is at the path, behind a link that is there; nullopt: nothing. That there is no container is
// an error.
Result<std::optional<PathStat>> stat_there(client::Client& client, Side& to) {
  auto state = stat_in(client, to);
  if (state && state->is_link() && !state->link_target.empty()) {
    to.path = state->link_target.starts_with('/')
                  ? state->link_target
                  : cat(folder_of(to.path), "/", state->link_target);
    state = stat_in(client, to);
  }
  if (state) return *state;
  if (state.error().message().find("No such container") != std::string::npos) {
    return std::unexpected(std::move(state).error());
  }
  return std::nullopt;
}

// Where members go in the container, by what is at the path there.
Result<Destination> destination_inside(client::Client& client, Side& to, const std::string& source,
                                       bool folder) {
  TRY_ASSIGN(std::optional<PathStat> state, stat_there(client, to));
  if (state && state->is_folder())
    return Destination{to.path, means_content(source) ? "" : std::string(last_part(source))};
  if (state && folder) return fail(Code::kInvalidArgument, "cannot copy directory");
  if (!state && !folder && to.path.ends_with('/')) {
    return fail(Code::kNotFound, "no such directory");
  }
  return Destination{folder_of(to.path), std::string(last_part(to.path))};
}

client::Call put_call(const Arguments& arguments, const Side& to, std::string_view folder) {
  client::Call call;
  call.method = "PUT";
  call.path = container_path(to.container, "/archive");
  call.query.add("path", folder)
      .add("noOverwriteDirNonDir", "true")
      .add_switch("copyUIDGID", arguments.boolean("archive"));
  call.content_type = "application/x-tar";
  call.streamed_body = true;
  return call;
}

Result<int> copy_in(Session& session, const Arguments& arguments, const std::string& path,
                    Side to) {
  TRY_ASSIGN(client::Client * client, session.client());
  if (path == "-") {
    const std::string given = to.path;
    TRY_ASSIGN(std::optional<PathStat> state, stat_there(*client, to));
    if (!state || !state->is_folder()) {
      return fail(Code::kInvalidArgument, cat("destination ", quoted(cat(to.container, ":", given)),
                                              " must be a directory"));
    }
    TRY_ASSIGN(client::Exchange exchange, client->send(put_call(arguments, to, to.path)));
    TRY(send_body(exchange, FdRef(STDIN_FILENO)));
    TRY(exchange.await_head());
    return 0;
  }
  struct stat state{};
  bool follow = arguments.boolean("follow-link") || path.ends_with('/');
  int found = follow ? ::stat(path.c_str(), &state) : ::lstat(path.c_str(), &state);
  if (found != 0) return fail(code_from_errno(errno), cat("lstat ", path, ": ", errno_text(errno)));
  TRY_ASSIGN(Destination target, destination_inside(*client, to, path, S_ISDIR(state.st_mode)));
  TRY_ASSIGN(client::Exchange exchange, client->send(put_call(arguments, to, target.folder)));
  TRY_ASSIGN(std::int64_t bytes,
             send_archive(exchange, path, target.name.empty() ? "." : target.name, follow));
  TRY(exchange.await_head());
  tell_of(session, arguments, bytes, cat(to.container, ":", to.path));
  return 0;
}

}  // namespace

Result<int> run_copy(Session& session, const Arguments& arguments) {
  Side from = parse_side(arguments.positional(0));
  Side to = parse_side(arguments.positional(1));
  if (from.path.empty() || to.path.empty())
    return fail(Code::kInvalidArgument, "path can not be empty");
  if (!from.container.empty() && !to.container.empty())
    return fail(Code::kUnimplemented, "copying between containers is not supported");
  if (from.container.empty() && to.container.empty())
    return fail(Code::kInvalidArgument, "must specify at least one container source");
  if (!from.container.empty()) return copy_out(session, arguments, from, to.path);
  return copy_in(session, arguments, from.path, to);
}

}  // namespace dhow::cli
