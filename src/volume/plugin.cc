// SPDX-License-Identifier: Apache-2.0
#include "volume/plugin.h"

#include <sys/stat.h>

#include <curl/curl.h>
#include <memory>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_value.h"

namespace dhow::volume {
namespace {

constexpr long kLongestPluginCall = 60;  // seconds
constexpr std::size_t kMostAnswer = std::size_t{1} << 20;
constexpr const char* kPluginType = "application/vnd.docker.plugins.v1.2+json";

using Easy = std::unique_ptr<CURL, decltype([](CURL* handle) { curl_easy_cleanup(handle); })>;
using HeaderList =
    std::unique_ptr<curl_slist, decltype([](curl_slist* list) { curl_slist_free_all(list); })>;

std::size_t take_answer(char* data, std::size_t, std::size_t size, void* text) {
  auto& answer = *static_cast<std::string*>(text);
  if (answer.size() + size > kMostAnswer) return 0;
  answer.append(data, size);
  return size;
}

bool is_socket(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

bool is_plugin_name(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && name.find('/') == std::string_view::npos;
}

std::string named_body(const std::string& volume, const std::string& user = {}) {
  oci::JsonWriter json;
  json.begin_object().member("Name", volume);
  if (!user.empty()) json.member("ID", user);
  json.end_object();
  return json.text();
}

std::string text_of(const oci::JsonValue& value) {
  return std::string(value.as_string().value_or(""));
}

}  // namespace

Result<Plugin> Plugin::find(const std::vector<std::string>& folders, const std::string& name) {
  for (const std::string& folder : folders) {
    if (!is_plugin_name(name)) break;
    for (const std::string& path :
         {cat(folder, "/", name, ".sock"), cat(folder, "/", name, "/", name, ".sock")}) {
      if (!is_socket(path)) continue;
      Plugin plugin(name, path);
      TRY_ASSIGN(std::string answer, plugin.post("/Plugin.Activate", ""));
      TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
      oci::JsonValue kinds = document.root().find("Implements");
      for (std::size_t i = 0; i < kinds.size(); ++i) {
        if (kinds.item(i).as_string() == "VolumeDriver") return plugin;
      }
      return fail(Code::kNotFound, cat("error looking up volume plugin ", name, ": plugin ",
                                       quoted(name), " does not implement VolumeDriver"));
    }
  }
  return fail(Code::kNotFound, cat("error looking up volume plugin ", name, ": plugin ",
                                   quoted(name), " not found"));
}

Result<std::string> Plugin::post(std::string_view path, const std::string& body) const {
  // Safe from several threads since libcurl 7.84; never undone, as others may use it too.
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  Easy handle(started == CURLE_OK ? curl_easy_init() : nullptr);
  HeaderList headers(curl_slist_append(nullptr, cat("Content-Type: ", kPluginType).c_str()));
  if (!handle || !headers) return fail(Code::kResourceExhausted, "start libcurl: no handle");
  std::ignore = curl_slist_append(headers.get(), cat("Accept: ", kPluginType).c_str());
  std::string answer;
  std::string url = cat("http://plugin", path);
  CURL* easy = handle.get();
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, kLongestPluginCall);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
  if (CURLcode code = curl_easy_perform(easy); code != CURLE_OK) {
    return fail(Code::kUnavailable,
                cat("plugin ", quoted(name_), ": POST ", path, ": ", curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  std::string refused;
  if (auto document = oci::JsonDocument::parse(answer)) {
    refused = text_of(document->root().find("Err"));
  } else if (status == 200) {
    return fail(Code::kUnknown, cat("plugin ", quoted(name_), ": POST ", path, ": no JSON"));
  }
  if (status == 200 && refused.empty()) return answer;
  if (refused.empty()) refused = cat("status ", status, ": ", trim(answer));
  return fail(Code::kUnknown,
              cat("VolumeDriver.", path.substr(path.rfind('.') + 1), ": ", refused));
}

Result<std::string> Plugin::ask(std::string_view method, const std::string& body) const {
  TRY_ASSIGN(std::string answer, post(cat("/VolumeDriver.", method), body));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
  return text_of(document.root().find("Mountpoint"));
}

Status Plugin::create(const std::string& volume, const metadata::Labels& options) const {
  oci::JsonWriter json;
  json.begin_object().member("Name", volume).key("Opts").begin_object();
  for (const auto& [key, value] : options) json.member(key, value);
  json.end_object().end_object();
  TRY(post("/VolumeDriver.Create", json.text()));
  return {};
}

Status Plugin::remove(const std::string& volume) const {
  TRY(post("/VolumeDriver.Remove", named_body(volume)));
  return {};
}

Result<std::string> Plugin::mount(const std::string& volume, const std::string& user) const {
  TRY_ASSIGN(std::string place, ask("Mount", named_body(volume, user)));
  if (place.starts_with('/')) return place;
  return fail(Code::kUnknown, cat("VolumeDriver.Mount: no absolute path: ", quoted(place)));
}

Status Plugin::unmount(const std::string& volume, const std::string& user) const {
  TRY(post("/VolumeDriver.Unmount", named_body(volume, user)));
  return {};
}

Result<std::string> Plugin::path(const std::string& volume) const {
  return ask("Path", named_body(volume));
}

}  // namespace dhow::volume
