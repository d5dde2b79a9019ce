// SPDX-License-Identifier: Apache-2.0
// Where a shim is to be found: as shims tell it, and as it is kept in a bundle.
#include "rpc/bootstrap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cctype>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/file_io.h"
#include "task/bundle.h"

namespace dhow::task {
namespace {

constexpr std::int32_t kMaxVersion = 3;

// The fields that containerd writes too: {"version":3,"address":"unix://…","protocol":"ttrpc"}.
Result<Bootstrap> read_common(const oci::JsonValue& root) {
  Bootstrap bootstrap;
  auto version = root.find("version").as_int64();
  auto address = root.find("address").as_string();
  if (!version || !address) {
    return fail(Code::kInvalidArgument, "no version or no address in what a shim has told");
  }
  bootstrap.version = static_cast<std::int32_t>(std::clamp<std::int64_t>(*version, 0, 1000));
  bootstrap.address = *address;
  bootstrap.protocol = root.find("protocol").as_string().value_or("");
  return bootstrap;
}

bool is_whole(const rpc::bootstrap::BootstrapResult& result) {
  return result.address.starts_with("unix://") && result.version > 0;
}

Result<Bootstrap> read_any_form(std::string_view output) {
  Bootstrap bootstrap;
  auto message = rpc::decode<rpc::bootstrap::BootstrapResult>(output);
  if (message && is_whole(*message)) {
    bootstrap.version = message->version;
    bootstrap.address = message->address;
    bootstrap.protocol = message->protocol;
    return bootstrap;
  }
  std::string_view text = trim(output);
  if (text.starts_with("{")) {
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(text));
    return read_common(document.root());
  }
  bootstrap.version = 2;
  bootstrap.address = text;
  return bootstrap;
}

}  // namespace

Result<Bootstrap> parse_start_output(std::string_view output) {
  TRY_ASSIGN(Bootstrap bootstrap, read_any_form(output));
  if (bootstrap.protocol.empty()) bootstrap.protocol = "ttrpc";
  if (bootstrap.version < 2 || bootstrap.version > kMaxVersion) {
    return fail(Code::kUnimplemented, cat("shim speaks version ", bootstrap.version,
                                          " of the Task service; 2 and 3 are known"));
  }
  if (bootstrap.protocol != "ttrpc") {
    return fail(Code::kUnimplemented,
                cat("shim speaks ", quoted(bootstrap.protocol), "; only ttrpc is known"));
  }
  if (!bootstrap.address.starts_with("unix:///")) {
    return fail(Code::kInvalidArgument,
                cat("shim's address ", quoted(bootstrap.address.substr(0, 200)),
                    " does not begin with unix:///"));
  }
  return bootstrap;
}

std::string bootstrap_json(const Bootstrap& bootstrap) {
  oci::JsonWriter json;
  json.begin_object();
  json.member_number("version", bootstrap.version);
  json.member("address", bootstrap.address);
  json.member("protocol", bootstrap.protocol);
  if (!bootstrap.program.empty()) json.member("program", bootstrap.program);
  if (bootstrap.pid != 0) {
    json.member_number("pid", bootstrap.pid);
    json.key("startTime").number_unsigned(bootstrap.start_time);
  }
  return json.end_object().text();
}

Result<Bootstrap> parse_bootstrap_json(std::string_view text) {
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(text));
  oci::JsonValue root = document.root();
  TRY_ASSIGN(Bootstrap bootstrap, read_common(root));
  bootstrap.program = root.find("program").as_string().value_or("");
  bootstrap.pid = static_cast<pid_t>(root.find("pid").as_int64().value_or(0));
  bootstrap.start_time = root.find("startTime").as_uint64().value_or(0);
  return bootstrap;
}

namespace {

bool is_program(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

// "io.containerd.runc.v2" is containerd-shim-runc-v2: the last two parts.
Result<std::string> program_name(std::string_view name) {
  auto parts = split(name, '.');
  auto is_plain = [](std::string_view part) {
    return !part.empty() && part.find('/') == std::string_view::npos;
  };
  if (parts.size() < 3 || !is_plain(parts[parts.size() - 2]) || !is_plain(parts.back())) {
    return fail(Code::kInvalidArgument, cat("runtime ", quoted(name),
                                            ": neither a name like io.containerd.runc.v2 nor an "
                                            "absolute path"));
  }
  return cat("containerd-shim-", parts[parts.size() - 2], "-", parts.back());
}

}  // namespace

Result<std::string> find_shim(std::string_view name) {
  if (name.starts_with("/")) {
    std::string path(name);
    if (is_program(path)) return path;
    return fail(Code::kNotFound, cat("runtime ", quoted(name), ": no such program"));
  }
  TRY_ASSIGN(std::string program, program_name(name));
  char self[4096];
  ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
  std::string_view own(self, size > 0 ? static_cast<std::size_t>(size) : 0);
  std::string beside = cat(own.substr(0, own.rfind('/') + 1), program);
  if (beside.starts_with("/") && is_program(beside)) return beside;
  const char* path = ::getenv("PATH");
  for (std::string_view folder : split(path != nullptr ? path : "/usr/bin:/bin", ':')) {
    std::string candidate = cat(folder, "/", program);
    if (folder.starts_with("/") && is_program(candidate)) return candidate;
  }
  return fail(Code::kNotFound, cat("runtime ", quoted(name), ": no program ", program,
                                   " beside this one or in $PATH"));
}

}  // namespace dhow::task
