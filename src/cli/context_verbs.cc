// SPDX-License-Identifier: Apache-2.0
// context create, update, use, ls, inspect, rm, show, export and import.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/context_archive.h"
#include "cli/contexts.h"
#include "cli/output_verbs.h"
#include "cli/rows.h"
#include "cli/tables.h"
#include "cli/units.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

constexpr std::string_view kDefaultDescription = "Current DOCKER_HOST based configuration";

// What there is without any context: what the flags and the environment say.
Context default_context(const Session& session) {
  Context context;
  context.name = kDefaultContext;
  context.host = session.default_host();
  return context;
}

Result<Context> read_context(Session& session, std::string_view name) {
  if (name == kDefaultContext) return default_context(session);
  return ContextStore(session.config_folder()).read(name);
}

Status set_current(Session& session, std::string_view name) {
  TRY_ASSIGN(const ConfigFile* config, session.config());
  std::string_view value = name == kDefaultContext ? "" : name;
  if (config->current_context == value) return {};
  return change_config_file(session.config_folder(),
                            [&](oci::JsonValue root, oci::JsonWriter& json) {
                              if (root.find("auths").is_null())
                                json.key("auths").begin_object().end_object();
                              copy_members(root, "currentContext", json);
                              if (!value.empty()) json.member("currentContext", value);
                            });
}

// `host=…,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=…`, or `from=CONTEXT`.
Result<std::map<std::string, std::string>> endpoint_options(std::string_view text) {
  std::map<std::string, std::string> options;
  for (std::string_view part : split(text, ',')) {
    std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      return fail(Code::kInvalidArgument,
                  cat("invalid argument ", quoted(text), " for \"--docker\" flag: ", part,
                      " must be formatted as key=value"));
    }
    options[std::string(part.substr(0, equals))] = part.substr(equals + 1);
  }
  return options;
}

Status set_endpoint(Session& session, std::string_view text, Context& context) {
  TRY_ASSIGN(auto options, endpoint_options(text));
  auto bad = [](std::string_view why) {
    return fail(Code::kInvalidArgument, cat("unable to create docker endpoint config: ", why));
  };
  for (const auto& [key, value] : options) {
    bool known = key == "host" || key == "ca" || key == "cert" || key == "key" || key == "from" ||
                 key == "skip-tls-verify";
    if (!known) return bad("unrecognized config key: " + key);
  }
  if (options.contains("from")) {
    TRY_ASSIGN(Context other, read_context(session, options["from"]));
    context.host = other.host;
    context.skip_tls_verify = other.skip_tls_verify;
    context.tls = std::move(other.tls);
    return {};
  }
  context.host = options["host"];
  context.tls.clear();
  context.skip_tls_verify = false;
  if (std::string& skip = options["skip-tls-verify"]; !skip.empty()) {
    auto parsed = parse_bool(skip);
    if (!parsed) {
      return bad(cat("strconv.ParseBool: parsing ", quoted(skip), ": invalid syntax"));
    }
    context.skip_tls_verify = *parsed;
  }
  for (const char* name : {"ca", "cert", "key"}) {
    const std::string& path = options[name];
    if (path.empty()) continue;
    auto content = read_file(path);
    if (!content) return bad(cat("open ", path, ": ", errno_text(content.error().sys_errno())));
    // What it really is shows when it is used.
    if (content->find("-----BEGIN ") == std::string::npos) {
      return bad(cat("invalid docker endpoint options: failed to retrieve context tls info: ", name,
                     ".pem seems invalid"));
    }
    context.tls[cat(name, ".pem")] = std::move(*content);
  }
  return {};
}

Status check_new_name(const ContextStore& store, std::string_view name) {
  TRY(check_context_name(name));
  if (!store.contains(name)) return {};
  return fail(Code::kAlreadyExists, cat("context ", quoted(name), " already exists"));
}

Result<int> run_context_create(Session& session, const Arguments& arguments) {
  std::string name(arguments.positional(0));
  ContextStore store(session.config_folder());
  TRY(check_new_name(store, name));
  Context context;
  if (std::string_view from = arguments.string("from"); !from.empty()) {
    TRY_ASSIGN(context, read_context(session, from));
  } else if (arguments.has("docker")) {
    TRY(set_endpoint(session, arguments.string("docker"), context));
  } else {
    TRY_ASSIGN(std::string current, session.context_name());
    TRY_ASSIGN(context, read_context(session, current));
    if (current == kDefaultContext) context.description = kDefaultDescription;
  }
  context.name = name;
  if (arguments.has("description")) context.description = arguments.string("description");
  TRY(store.write(context));
  session.print_line(name);
  session.complain_line(cat("Successfully created context ", quoted(name)));
  return 0;
}

Result<int> run_context_update(Session& session, const Arguments& arguments) {
  std::string_view name = arguments.positional(0);
  ContextStore store(session.config_folder());
  TRY(check_context_name(name));
  TRY_ASSIGN(Context context, store.read(name));
  if (arguments.has("description")) context.description = arguments.string("description");
  if (arguments.has("docker")) TRY(set_endpoint(session, arguments.string("docker"), context));
  TRY(store.write(context));
  session.print_line(name);
  session.complain_line(cat("Successfully updated context ", quoted(name)));
  return 0;
}

Result<int> run_context_use(Session& session, const Arguments& arguments) {
  std::string_view name = arguments.positional(0);
  TRY(read_context(session, name));
  TRY(set_current(session, name));
  session.print_line(name);
  session.complain_line(cat("Current context is now ", quoted(name)));
  if (name != kDefaultContext && !environment("DOCKER_HOST").empty()) {
    session.complain_line(
        cat("Warning: DOCKER_HOST environment variable overrides the active context. To use ",
            quoted(name),
            ", either set the global --context flag, or unset DOCKER_HOST environment "
            "variable."));
  }
  return 0;
}

Result<int> run_context_show(Session& session, const Arguments&) {
  TRY_ASSIGN(std::string name, session.context_name());
  session.print_line(name);
  return 0;
}

constexpr Column kContextColumns[] = {
    {"Current", "CURRENT",
     [](oci::JsonValue row, const RowOptions&) -> Value {
       return row.find("Current").as_boolean().value_or(false);
     }},
    {"Description", "DESCRIPTION",
     [](oci::JsonValue row, const RowOptions& options) -> Value {
       std::string text = text_member(row, "Description");
       return options.truncate ? ellipsis(text, 60) : text;
     }},
    {"DockerEndpoint", "DOCKER ENDPOINT",
     [](oci::JsonValue row, const RowOptions&) -> Value {
       return text_member(row, "DockerEndpoint");
     }},
    {"Error", "ERROR",
     [](oci::JsonValue row, const RowOptions& options) -> Value {
       std::string text = text_member(row, "Error");
       return options.truncate ? ellipsis(text, 45) : text;
     }},
    {"Name", "NAME",
     [](oci::JsonValue row, const RowOptions& options) -> Value {
       bool marks = options.truncate && row.find("Current").as_boolean().value_or(false);
       return text_member(row, "Name") + (marks ? " *" : "");
     }},
};

constexpr RowKind kContextRows{"*formatter.clientContextContext", kContextColumns};

void add_row(oci::JsonWriter& json, const Context& context, bool is_current,
             std::string_view error) {
  json.begin_object().member("Name", context.name).member("Description", context.description);
  json.member("DockerEndpoint", context.host).member("Error", error);
  json.member_boolean("Current", is_current).end_object();
}

// All of them with the default one, and the current one where that isn't there.
Result<std::string> context_rows(Session& session, std::vector<std::string>& names) {
  TRY_ASSIGN(std::string current, session.context_name());
  ContextStore store(session.config_folder());
  std::vector<Context> contexts = store.list();
  contexts.push_back(default_context(session));
  contexts.back().description = kDefaultDescription;
  std::string fault;
  if (std::ranges::find(contexts, current, &Context::name) == contexts.end()) {
    Context& gone = contexts.emplace_back();
    gone.name = current;
    auto read = store.read(current);
    fault = read ? "" : read.error().message();
  }
  std::ranges::sort(contexts, {}, &Context::name);
  oci::JsonWriter json;
  json.begin_array();
  for (const Context& context : contexts) {
    names.push_back(context.name);
    add_row(json, context, context.name == current, context.name == current ? fault : "");
  }
  json.end_array();
  return json.text();
}

Result<int> run_context_ls(Session& session, const Arguments& arguments) {
  std::vector<std::string> names;
  TRY_ASSIGN(std::string text, context_rows(session, names));
  if (arguments.boolean("quiet")) {
    for (const std::string& name : names) session.print_line(name);
    return 0;
  }
  TRY_ASSIGN(RowFormat format,
             RowFormat::make(arguments.string("format"),
                             "{{.Name}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}"));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(text));
  RowOptions options;
  options.truncate = format.is_table();
  TRY_ASSIGN(std::string output, format.render(kContextRows, document.root(), options));
  session.print(output);
  if (!environment("DOCKER_HOST").empty()) {
    session.complain_line(
        "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, "
        "either set the global --context flag, or unset DOCKER_HOST environment variable.");
  }
  return 0;
}

std::string inspected(const Session& session, const Context& context) {
  bool is_default = context.name == kDefaultContext;
  ContextStore store(session.config_folder());
  std::string json = context_json(context);
  json.pop_back();
  oci::JsonWriter more;
  more.begin_object();
  if (!context.tls.empty()) {
    more.key("docker").begin_array();
    for (const auto& [name, content] : context.tls) more.string(name);
    more.end_array();
  }
  more.end_object();
  oci::JsonWriter storage;
  storage.begin_object()
      .member("MetadataPath", is_default ? "<IN MEMORY>" : store.meta_folder(context.name))
      .member("TLSPath", is_default ? "<IN MEMORY>" : store.tls_folder(context.name))
      .end_object();
  return cat(json, ",\"TLSMaterial\":", more.text(), ",\"Storage\":", storage.text(), "}");
}

Result<int> run_context_inspect(Session& session, const Arguments& arguments) {
  std::vector<std::string_view> names = arguments.positionals();
  TRY_ASSIGN(std::string current, session.context_name());
  if (names.empty()) names.emplace_back(current);
  return inspect_each(session, arguments.string("format"), names,
                      [&](std::string_view name) -> Result<std::string> {
                        TRY_ASSIGN(Context context, read_context(session, name));
                        return inspected(session, context);
                      });
}

Result<int> run_context_rm(Session& session, const Arguments& arguments) {
  ContextStore store(session.config_folder());
  TRY_ASSIGN(std::string current, session.context_name());
  EachName each(session);
  for (std::string_view name : arguments.positionals()) {
    auto removed = [&]() -> Status {
      bool force = arguments.boolean("force");
      if (name == kDefaultContext) {
        return fail(Code::kInvalidArgument, "context \"default\" cannot be removed");
      }
      if (!store.contains(name) && !force) {
        return fail(Code::kNotFound, cat("context ", quoted(name), " does not exist"));
      }
      if (name == current && !force) {
        return fail(Code::kFailedPrecondition,
                    cat("context ", quoted(name), " is in use, set -f flag to force remove"));
      }
      if (name == current) TRY(set_current(session, kDefaultContext));
      return store.remove(name);
    }();
    if (removed) {
      each.done(name);
    } else {
      each.failed(removed.error());
    }
  }
  return each.finish();
}

Result<int> run_context_export(Session& session, const Arguments& arguments) {
  std::string_view name = arguments.positional(0);
  TRY(check_context_name(name));
  std::string path(arguments.positional(1));
  if (path.empty()) path = cat(name, ".dockercontext");
  TRY_ASSIGN(Context context, ContextStore(session.config_folder()).read(name));
  if (path == "-") {
    if (session.output_is_terminal()) {
      return fail(Code::kInvalidArgument,
                  "cowardly refusing to export to a terminal, please specify a file path");
    }
    session.flush();
    TRY(write_context_archive(context, FdRef(STDOUT_FILENO)));
    return 0;
  }
  auto file = open_at(kCwd, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) {
    return fail(file.error().code(),
                cat("open ", path, ": ", lower_text(errno_text(file.error().sys_errno()))));
  }
  TRY(write_context_archive(context, *file));
  session.complain_line(cat("Written file ", quoted(path)));
  return 0;
}

Result<Fd> duplicate_input() {
  Fd copy(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno(errno, "duplicate standard input");
  return copy;
}

Result<int> run_context_import(Session& session, const Arguments& arguments) {
  std::string name(arguments.positional(0));
  std::string path(arguments.positional(1));
  ContextStore store(session.config_folder());
  TRY(check_new_name(store, name));
  auto file = path == "-" ? duplicate_input() : open_at(kCwd, path, O_RDONLY);
  if (!file) {
    return fail(file.error().code(),
                cat("open ", path, ": ", lower_text(errno_text(file.error().sys_errno()))));
  }
  TRY_ASSIGN(Context context, read_context_archive(std::move(*file)));
  context.name = name;
  TRY(store.write(context));
  session.print_line(name);
  session.complain_line(cat("Successfully imported context ", quoted(name)));
  return 0;
}

constexpr Flag kCreateFlags[] = {
    {"description", kString, 0, "TEXT", "description of the context"},
    {"docker", kString, 0, "KEY=VALUE,...",
     "the engine: host=, ca=, cert=, key=, skip-tls-verify=, or from=CONTEXT"},
    {"from", kString, 0, "CONTEXT", "make it of another context", "contexts"},
};
constexpr Flag kContextLsFlags[] = {
    {"format", kString, 0, "FORMAT",
     "\"table\", \"table TEMPLATE\", \"json\", or a template of Go"},
    {"quiet", kBool, 'q', "", "only the names"},
};
constexpr Flag kContextInspectFlags[] = {
    {"format", kString, 'f', "FORMAT", "\"json\", or a template of Go"},
};
constexpr Flag kContextRmFlags[] = {
    {"force", kBool, 'f', "", "also one that is in use"},
};

constexpr Command kContextCommands[] = {
    {.names = "context create",
     .summary = "Create a context",
     .usage = "[OPTIONS] CONTEXT",
     .details =
         "A context is an engine with a name. Without --docker and --from it leads to where the "
         "current one does.",
     .handler = run_context_create,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kCreateFlags},
    {.names = "context export",
     .summary = "Write a context to an archive",
     .usage = "CONTEXT [FILE|-]",
     .handler = run_context_export,
     .min_arguments = 1,
     .max_arguments = 2},
    {.names = "context import",
     .summary = "Make a context of an archive",
     .usage = "CONTEXT FILE|-",
     .handler = run_context_import,
     .min_arguments = 2,
     .max_arguments = 2},
    {.names = "context inspect",
     .summary = "Show all about contexts",
     .usage = "[OPTIONS] [CONTEXT...]",
     .handler = run_context_inspect,
     .max_arguments = kNoLimit,
     .flags = kContextInspectFlags},
    {.names = "context ls|context list",
     .summary = "List contexts",
     .usage = "[OPTIONS]",
     .handler = run_context_ls,
     .flags = kContextLsFlags},
    {.names = "context rm|context remove",
     .summary = "Remove contexts",
     .usage = "[OPTIONS] CONTEXT [CONTEXT...]",
     .handler = run_context_rm,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kContextRmFlags},
    {.names = "context show",
     .summary = "Print the name of the current context",
     .handler = run_context_show},
    {.names = "context update",
     .summary = "Change a context",
     .usage = "[OPTIONS] CONTEXT",
     .handler = run_context_update,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = std::span<const Flag>(kCreateFlags).first(2)},
    {.names = "context use",
     .summary = "Make a context the current one",
     .usage = "CONTEXT",
     .handler = run_context_use,
     .min_arguments = 1,
     .max_arguments = 1},
};

}  // namespace

std::span<const Command> context_commands() { return kContextCommands; }

}  // namespace dhow::cli
