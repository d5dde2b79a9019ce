// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/json.h"
#include "oci/json_value.h"

namespace dhow::cli {

// What dhow uses of docker's config.json. Members that are not named here stay in the file when
// auths are changed (credentials.h).
struct ConfigFile {
  struct Auth {
    std::string auth;  // base64 of NAME:PASSWORD
    std::string identity_token;
    std::string registry_token;
  };
  std::map<std::string, Auth> auths;
  std::string credentials_store;                          // credsStore
  std::map<std::string, std::string> credential_helpers;  // credHelpers
  std::map<std::string, std::string> http_headers;
  std::string detach_keys;
  std::string current_context;  // "": the default one
  // Default formats by their member: "psFormat", "imagesFormat", ….
  std::map<std::string, std::string> formats;
  // Environment for new containers: http_proxy and the like, already by their variable.
  std::map<std::string, std::string> default_proxies;
};

// Reads FOLDER/config.json. A missing file is an empty configuration; one that is no JSON is
// kInvalidArgument and names the file.
Result<ConfigFile> read_config_file(const std::string& folder);

// Replaces FOLDER/config.json by what `write` makes of it: the members of its object.
Status change_config_file(
    const std::string& folder,
    const std::function<void(oci::JsonValue root, oci::JsonWriter& json)>& write);
// The value again, and all members of an object but one.
void copy_json(oci::JsonValue value, oci::JsonWriter& json);
void copy_members(oci::JsonValue object, std::string_view but, oci::JsonWriter& json);

}  // namespace dhow::cli
