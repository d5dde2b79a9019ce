// SPDX-License-Identifier: Apache-2.0
// Volumes and mounts of new containers.
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "cli/create_request.h"

namespace dhow::cli {
namespace {

using oci::JsonWriter;

std::unexpected<Error> wrong_mount(const std::string& text) {
  return fail(Code::kInvalidArgument, text);
}

// A path that begins with "." is below the working folder.
std::string absolute(std::string_view path) {
  if (!path.starts_with('.')) return std::string(path);
  char folder[4096];
  if (::getcwd(folder, sizeof folder) == nullptr) return std::string(path);
  std::vector<std::string_view> parts;
  for (std::string_view part : split(path, '/')) {
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
  }
  std::string result = folder;
  for (std::string_view part : parts) {
    if (part == "..") {
      result.resize(std::max<std::size_t>(result.rfind('/'), 1));
    } else {
      result += cat(result.ends_with('/') ? "" : "/", part);
    }
  }
  return result;
}

// What a --mount says, by its own names.
struct MountFields {
  std::string type = "volume";
  std::string source;
  std::string target;
  bool read_only = false;
  std::string consistency;
  std::map<std::string, std::string> bind;    // members of BindOptions
  std::map<std::string, std::string> volume;  // of VolumeOptions, with JSON values
  std::map<std::string, std::string> memory;  // of TmpfsOptions
  std::map<std::string, std::string> image;   // of ImageOptions
  std::vector<std::string> driver_options;
  std::vector<std::string> labels;
  std::string driver;
  std::string id_map;  // of a bind or a volume

  bool says_volume() const {
    return !volume.empty() || !driver.empty() || !driver_options.empty() || !labels.empty();
  }
};

Result<bool> switch_of(std::string_view name, std::string_view value, bool given) {
  if (!given) return true;
  auto on = parse_bool(value);
  if (!on) return wrong_mount(cat("invalid value for ", name, ": ", value));
  return *on;
}

Status set_recursive(std::string_view value, MountFields& mount) {
  if (value == "enabled") return {};
  if (value == "disabled") {
    mount.bind["NonRecursive"] = "true";
  } else if (value == "writable") {
    mount.bind["ReadOnlyNonRecursive"] = "true";
  } else if (value == "readonly") {
    mount.bind["ReadOnlyForceRecursive"] = "true";
  } else {
    return wrong_mount(cat("invalid value for bind-recursive: ", value,
                           " (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"));
  }
  return {};
}

Status set_memory(std::string_view name, std::string_view value, MountFields& mount) {
  if (name == "tmpfs-size") {
    auto size = parse_bytes(value);
    if (!size) return wrong_mount(cat("invalid value for tmpfs-size: ", value));
    mount.memory["SizeBytes"] = cat(*size);
  } else {
    auto mode = parse_number<std::uint32_t>(value, 8);
    if (!mode) return wrong_mount(cat("invalid value for tmpfs-mode: ", value));
    mount.memory["Mode"] = cat(*mode);
  }
  return {};
}

Status set_field(std::string_view name, std::string_view value, bool given, MountFields& mount) {
  if (name == "readonly" || name == "ro") {
    TRY_ASSIGN(mount.read_only, switch_of(name, value, given));
    return {};
  }
  if (name == "volume-nocopy" || name == "bind-nonrecursive" || name == "bind-create-src") {
    TRY_ASSIGN(bool on, switch_of(name, value, given));
    std::string text = on ? "true" : "false";
    if (name == "volume-nocopy") {
      mount.volume["NoCopy"] = text;
    } else {
      mount.bind[name == "bind-nonrecursive" ? "NonRecursive" : "CreateMountpoint"] = text;
    }
    return {};
  }
  if (!given) return wrong_mount(cat("invalid field '", name, "' must be a key=value pair"));
  if (name == "type") {
    mount.type = lower_text(value);
  } else if (name == "source" || name == "src") {
    mount.source = absolute(value);
  } else if (name == "target" || name == "dst" || name == "destination") {
    mount.target = value;
  } else if (name == "consistency") {
    mount.consistency = lower_text(value);
  } else if (name == "bind-propagation") {
    mount.bind["Propagation"] = oci::json_quoted(lower_text(value));
  } else if (name == "idmap") {
    mount.id_map = value;
  } else if (name == "bind-recursive") {
    return set_recursive(value, mount);
  } else if (name == "volume-subpath") {
    mount.volume["Subpath"] = oci::json_quoted(value);
  } else if (name == "volume-driver") {
    mount.driver = value;
  } else if (name == "volume-opt") {
    mount.driver_options.emplace_back(value);
  } else if (name == "volume-label") {
    mount.labels.emplace_back(value);
  } else if (name == "image-subpath") {
    mount.image["Subpath"] = oci::json_quoted(value);
  } else if (name == "tmpfs-size" || name == "tmpfs-mode") {
    return set_memory(name, value, mount);
  } else {
    return wrong_mount(cat("unexpected key '", name, "' in '", name, "=", value, "'"));
  }
  return {};
}

// What recursion asks for beside it.
Status check_recursive(const MountFields& mount) {
  bool forced = mount.bind.contains("ReadOnlyForceRecursive");
  if (!forced && !mount.bind.contains("ReadOnlyNonRecursive")) return {};
  std::string option =
      cat("option 'bind-recursive=", forced ? "readonly" : "writable", "' requires ");
  if (!mount.read_only) {
    return wrong_mount(option + "'readonly' to be specified in conjunction");
  }
  auto propagation = mount.bind.find("Propagation");
  if (forced && (propagation == mount.bind.end() || propagation->second != "\"rprivate\"")) {
    return wrong_mount(option + "'bind-propagation=rprivate' to be specified in conjunction");
  }
  return {};
}

// What one type of mount has and the others have not.
Status check_kinds(const MountFields& mount) {
  if (mount.says_volume() && mount.type != "volume")
    return wrong_mount(cat("cannot mix 'volume-*' options with mount type '", mount.type, "'"));
  if (!mount.bind.empty() && mount.type != "bind")
    return wrong_mount(cat("cannot mix 'bind-*' options with mount type '", mount.type, "'"));
  if (!mount.memory.empty() && mount.type != "tmpfs")
    return wrong_mount(cat("cannot mix 'tmpfs-*' options with mount type '", mount.type, "'"));
  if (!mount.image.empty() && mount.type != "image")
    return wrong_mount(cat("cannot mix 'image-*' options with mount type '", mount.type, "'"));
  return {};
}

void write_members(JsonWriter& json, const std::map<std::string, std::string>& members) {
  for (const auto& [name, value] : members) json.key(name).raw(value);
}

}  // namespace

Status write_mount(std::string_view text, JsonWriter& json) {
  MountFields mount;
  TRY_ASSIGN(auto fields, split_csv(text));
  for (const std::string& field : fields) {
    std::size_t equals = field.find('=');
    bool given = equals != std::string::npos;
    std::string name = lower_text(field.substr(0, equals));
    TRY(set_field(name, given ? std::string_view(field).substr(equals + 1) : "", given, mount));
  }
  if (mount.type.empty()) return wrong_mount("type is required");
  if (mount.target.empty()) return wrong_mount("target is required");
  if (!mount.id_map.empty()) {
    if (mount.type != "volume" && mount.type != "bind")
      return wrong_mount(cat("cannot mix 'idmap' with mount type '", mount.type, "'"));
    (mount.type == "bind" ? mount.bind : mount.volume)["IDMap"] = oci::json_quoted(mount.id_map);
  }
  TRY(check_kinds(mount));
  TRY(check_recursive(mount));
  json.begin_object().member("Type", mount.type);
  if (!mount.source.empty()) json.member("Source", mount.source);
  json.member("Target", mount.target);
  if (mount.read_only) json.member_boolean("ReadOnly", true);
  if (!mount.consistency.empty()) json.member("Consistency", mount.consistency);
  if (!mount.bind.empty()) {
    json.key("BindOptions").begin_object();
    write_members(json, mount.bind);
    json.end_object();
  }
  if (mount.says_volume()) {
    json.key("VolumeOptions").begin_object();
    write_members(json, mount.volume);
    write_map(json, "Labels", {mount.labels.begin(), mount.labels.end()});
    if (!mount.driver.empty() || !mount.driver_options.empty()) {
      json.key("DriverConfig").begin_object().member("Name", mount.driver);
      write_map(json, "Options", {mount.driver_options.begin(), mount.driver_options.end()});
      json.end_object();
    }
    json.end_object();
  }
  if (!mount.memory.empty()) {
    json.key("TmpfsOptions").begin_object();
    write_members(json, mount.memory);
    json.end_object();
  }
  if (!mount.image.empty()) {
    json.key("ImageOptions").begin_object();
    write_members(json, mount.image);
    json.end_object();
  }
  json.end_object();
  return {};
}

std::vector<std::string> anonymous_volumes(const Arguments& arguments) {
  std::vector<std::string> volumes;
  for (std::string_view text : arguments.list("volume")) {
    if (text.find(':') == std::string_view::npos) volumes.emplace_back(text);
  }
  return volumes;
}

Status write_mounts(const Arguments& arguments, JsonWriter& json) {
  std::vector<std::string> binds;
  for (std::string_view text : arguments.list("volume")) {
    std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) continue;
    if (colon == 0)
      return wrong_mount(cat("invalid spec: ", text, ": empty section between colons"));
    binds.push_back(absolute(text.substr(0, colon)) + std::string(text.substr(colon)));
  }
  write_strings(json, "Binds", {binds.begin(), binds.end()});
  if (auto driver = arguments.string("volume-driver"); !driver.empty())
    json.member("VolumeDriver", driver);
  write_strings(json, "VolumesFrom", arguments.list("volumes-from"));
  auto memory = arguments.list("tmpfs");
  if (!memory.empty()) {
    json.key("Tmpfs").begin_object();
    for (std::string_view text : memory) {
      std::size_t colon = text.find(':');
      json.member(text.substr(0, colon),
                  colon == std::string_view::npos ? "" : text.substr(colon + 1));
    }
    json.end_object();
  }
  auto mounts = arguments.list("mount");
  if (!mounts.empty()) {
    json.key("Mounts").begin_array();
    for (std::string_view text : mounts) TRY(write_mount(text, json));
    json.end_array();
  }
  // Links on networks of one's own are of the network (read_networks()).
  auto networks = arguments.list("network");
  std::string_view mode = networks.empty() ? "default" : networks.front();
  bool plain = mode == "default" || mode == "bridge" || mode == "host" || mode == "none" ||
               mode.starts_with("container:");
  if (plain) write_strings(json, "Links", arguments.list("link"));
  return {};
}

}  // namespace dhow::cli
