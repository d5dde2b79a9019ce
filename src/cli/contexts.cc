// SPDX-License-Identifier: Apache-2.0
#include "cli/contexts.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/rows.h"
#include "cli/sha256.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

constexpr std::string_view kTlsFiles[] = {"ca.pem", "cert.pem", "key.pem"};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string ContextStore::meta_folder(std::string_view name) const {
  return cat(folder_, "/meta/", sha256_hex(name));
}

std::string ContextStore::tls_folder(std::string_view name) const {
  return cat(folder_, "/tls/", sha256_hex(name));
}

bool ContextStore::contains(std::string_view name) const {
  return ::access((meta_folder(name) + "/meta.json").c_str(), F_OK) == 0;
}

Result<Context> ContextStore::read(std::string_view name) const {
  std::string path = meta_folder(name) + "/meta.json";
  auto text = read_file(path);
  if (!text && text.error().sys_errno() == ENOENT) {
    return fail(Code::kNotFound, cat("context ", quoted(name), ": context not found: open ", path,
                                     ": no such file or directory"));
  }
  if (!text) return std::unexpected(std::move(text).error());
  auto context = parse_context(*text);
  if (!context) return fail(std::move(context).error().add_context(path));
  for (std::string_view file : kTlsFiles) {
    auto content = read_file(cat(tls_folder(name), "/docker/", file));
    if (content) context->tls.emplace(file, std::move(*content));
  }
  return context;
}

std::vector<Context> ContextStore::list() const {
  std::vector<Context> contexts;
  auto folder = open_at(kCwd, folder_ + "/meta", O_RDONLY | O_DIRECTORY);
  if (!folder) return contexts;
  auto names = list_dir(*folder);
  if (!names) return contexts;
  for (const std::string& name : *names) {
    auto text = read_file(cat(folder_, "/meta/", name, "/meta.json"));
    if (!text) continue;
    auto context = parse_context(*text);
    if (context) contexts.push_back(std::move(*context));
  }
  return contexts;
}

Status ContextStore::write(const Context& context) const {
  std::string meta = meta_folder(context.name);
  TRY(make_dirs(meta, 0755));
  std::string tls = tls_folder(context.name);
  // What it had before is not what it has.
  TRY(remove_tree(kCwd, tls));
  if (!context.tls.empty()) {
    TRY(make_dirs(tls + "/docker", 0700));
    TRY_ASSIGN(Fd folder, open_at(kCwd, tls + "/docker", O_RDONLY | O_DIRECTORY));
    for (const auto& [name, content] : context.tls) {
      TRY(replace_file(folder, name, content, 0600));
    }
  }
  TRY_ASSIGN(Fd folder, open_at(kCwd, meta, O_RDONLY | O_DIRECTORY));
  return replace_file(folder, "meta.json", context_json(context), 0644);
}

Status ContextStore::remove(std::string_view name) const {
  TRY(remove_tree(kCwd, meta_folder(name)));
  return remove_tree(kCwd, tls_folder(name));
}

Result<client::Endpoint> ContextStore::endpoint(const Context& context) const {
  bool has_tls = !context.tls.empty() || context.skip_tls_verify;
  TRY_ASSIGN(client::Endpoint endpoint, client::parse_endpoint(context.host, has_tls));
  if (!has_tls || endpoint.kind != client::Endpoint::Kind::kTcp) return endpoint;
  auto file = [&](const char* name) {
    return context.tls.contains(name) ? cat(tls_folder(context.name), "/docker/", name)
                                      : std::string();
  };
  endpoint.tls = {file("ca.pem"), file("cert.pem"), file("key.pem"), !context.skip_tls_verify};
  return endpoint;
}

std::string context_json(const Context& context) {
  oci::JsonWriter json;
  json.begin_object().member("Name", context.name).key("Metadata").begin_object();
  if (!context.description.empty()) json.member("Description", context.description);
  json.end_object().key("Endpoints").begin_object().key("docker").begin_object();
  json.member("Host", context.host).member_boolean("SkipTLSVerify", context.skip_tls_verify);
  json.end_object().end_object().end_object();
  return json.text();
}

Result<Context> parse_context(std::string_view json) {
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(json));
  oci::JsonValue root = document.root();
  oci::JsonValue docker = root.find("Endpoints").find("docker");
  Context context;
  context.name = text_member(root, "Name");
  context.description = text_member(root.find("Metadata"), "Description");
  context.host = text_member(docker, "Host");
  context.skip_tls_verify = docker.find("SkipTLSVerify").as_boolean().value_or(false);
  return context;
}

Status check_context_name(std::string_view name) {
  if (name == kDefaultContext) {
    return fail(Code::kInvalidArgument, "\"default\" is a reserved context name");
  }
  bool fits = name.size() > 1 && is_word(name[0]) && std::ranges::all_of(name, [](char c) {
                return is_word(c) || c == '_' || c == '.' || c == '+' || c == '-';
              });
  if (fits) return {};
  return fail(Code::kInvalidArgument, cat("context name ", quoted(name),
                                          " is invalid, names are validated against regexp "
                                          "\"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\""));
}

}  // namespace dhow::cli
