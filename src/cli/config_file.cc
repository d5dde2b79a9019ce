// SPDX-License-Identifier: Apache-2.0
#include "cli/config_file.h"

#include <fcntl.h>

#include <charconv>

#include "base/strings.h"
#include "oci/json_value.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

std::string text_of(JsonValue value) { return std::string(value.as_string().value_or("")); }

std::map<std::string, std::string> text_members_of(JsonValue object) {
  std::map<std::string, std::string> result;
  for (std::size_t i = 0; i < object.size(); ++i) {
    oci::JsonMember member = object.member(i);
    if (auto text = member.value.as_string()) result.emplace(member.name, *text);
  }
  return result;
}

void read_proxies(JsonValue proxies, ConfigFile& file) {
  // Each is set in both cases of letters, as docker does.
  struct Proxy {
    std::string_view member;
    std::string_view upper;
    std::string_view lower;
  };
  constexpr Proxy kProxies[] = {{"httpProxy", "HTTP_PROXY", "http_proxy"},
                                {"httpsProxy", "HTTPS_PROXY", "https_proxy"},
                                {"noProxy", "NO_PROXY", "no_proxy"},
                                {"ftpProxy", "FTP_PROXY", "ftp_proxy"},
                                {"allProxy", "ALL_PROXY", "all_proxy"}};
  JsonValue settings = proxies.find("default");
  for (const Proxy& proxy : kProxies) {
    std::string value = text_of(settings.find(proxy.member));
    if (value.empty()) continue;
    file.default_proxies.emplace(proxy.upper, value);
    file.default_proxies.emplace(proxy.lower, value);
  }
}

}  // namespace

void copy_json(oci::JsonValue value, oci::JsonWriter& json) {
  switch (value.kind()) {
    case oci::JsonKind::kNull:
      json.null();
      return;
    case oci::JsonKind::kBoolean:
      json.boolean(*value.as_boolean());
      return;
    case oci::JsonKind::kString:
      json.string(*value.as_string());
      return;
    case oci::JsonKind::kNumber:
      if (auto number = value.as_int64()) {
        json.number(*number);
      } else {
        char digits[64];
        auto [end, error] =
            std::to_chars(digits, digits + sizeof digits, value.as_double().value_or(0));
        static_cast<void>(error);
        json.raw(std::string_view(digits, static_cast<std::size_t>(end - digits)));
      }
      return;
    case oci::JsonKind::kArray:
      json.begin_array();
      for (std::size_t i = 0; i < value.size(); ++i) copy_json(value.item(i), json);
      json.end_array();
      return;
    case oci::JsonKind::kObject:
      json.begin_object();
      for (std::size_t i = 0; i < value.size(); ++i) {
        json.key(value.member(i).name);
        copy_json(value.member(i).value, json);
      }
      json.end_object();
      return;
  }
}

void copy_members(oci::JsonValue object, std::string_view but, oci::JsonWriter& json) {
  for (std::size_t i = 0; i < object.size(); ++i) {
    if (object.member(i).name == but) continue;
    json.key(object.member(i).name);
    copy_json(object.member(i).value, json);
  }
}

Status change_config_file(
    const std::string& folder,
    const std::function<void(oci::JsonValue root, oci::JsonWriter& json)>& write) {
  std::string text = read_file(folder + "/config.json").value_or("{}");
  if (trim(text).empty()) text = "{}";
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(text));
  oci::JsonWriter json("\t");
  json.begin_object();
  write(document.root(), json);
  json.end_object();
  TRY(make_dirs(folder, 0700));
  TRY_ASSIGN(Fd directory, open_at(kCwd, folder, O_RDONLY | O_DIRECTORY));
  return replace_file(directory, "config.json", json.text() + "\n", 0600);
}

Result<ConfigFile> read_config_file(const std::string& folder) {
  std::string path = folder + "/config.json";
  auto text = read_file(path);
  if (!text && text.error().code() == Code::kNotFound) return ConfigFile{};
  if (!text) return std::unexpected(std::move(text).error());
  ConfigFile file;
  if (trim(*text).empty()) return file;
  TRY_ASSIGN(auto document, [&]() -> Result<oci::JsonDocument> {
    auto parsed = oci::JsonDocument::parse(*text);
    if (!parsed) return std::unexpected(std::move(parsed).error().add_context(path));
    return parsed;
  }());
  JsonValue root = document.root();
  JsonValue auths = root.find("auths");
  for (std::size_t i = 0; i < auths.size(); ++i) {
    oci::JsonMember member = auths.member(i);
    file.auths[std::string(member.name)] = {text_of(member.value.find("auth")),
                                            text_of(member.value.find("identitytoken")),
                                            text_of(member.value.find("registrytoken"))};
  }
  file.credentials_store = text_of(root.find("credsStore"));
  file.credential_helpers = text_members_of(root.find("credHelpers"));
  file.http_headers = text_members_of(root.find("HttpHeaders"));
  file.current_context = text_of(root.find("currentContext"));
  file.detach_keys = text_of(root.find("detachKeys"));
  read_proxies(root.find("proxies"), file);
  for (std::size_t i = 0; i < root.size(); ++i) {
    oci::JsonMember member = root.member(i);
    if (member.name.ends_with("Format")) file.formats.emplace(member.name, text_of(member.value));
  }
  return file;
}

}  // namespace dhow::cli
