// SPDX-License-Identifier: Apache-2.0
// version and info.
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/rows.h"
#include "cli/system_verbs.h"
#include "cli/units.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

std::string architecture() {
  utsname name{};
  ::uname(&name);
  std::string_view machine = name.machine;
  return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : std::string(machine);
}

Value client_version(const client::Client& client, std::string_view server_api) {
  std::string api(client.version().empty() ? server_api : client.version());
  ValueObject version;
  version.members = {
      {"Version", DHOW_VERSION},  {"ApiVersion", api},         {"DefaultAPIVersion", api},
      {"GitCommit", DHOW_COMMIT}, {"GoVersion", "none (C++)"}, {"Os", "linux"},
      {"Arch", architecture()},   {"BuildTime", ""},           {"Context", "default"}};
  return version;
}

// One `{{…}}` of a whole document.
Status print_template(Session& session, std::string_view format, const Value& value) {
  auto parsed = Template::parse(format == "json" ? "{{json .}}" : format);
  if (!parsed)
    return fail(Code::kInvalidArgument, cat("template parsing error: ", parsed.error().message()));
  std::string output;
  TRY(parsed->execute(value, output));
  session.print_line(output);
  return {};
}

class Listing {
 public:
  // "  Name:   value", the values in one column.
  void line(int depth, std::string_view name, std::string_view value) {
    text_ += cat(std::string(static_cast<std::size_t>(depth), ' '), name, ":",
                 value.empty() ? "" : " ", value, "\n");
  }
  void item(int depth, std::string_view value) {
    text_ += cat(std::string(static_cast<std::size_t>(depth), ' '), value, "\n");
  }
  // Only when there is a value.
  void given(int depth, std::string_view name, const std::string& value) {
    if (!value.empty()) line(depth, name, value);
  }
  void aligned(std::string_view name, std::string_view value) {
    constexpr std::size_t kColumn = 20;
    std::string left = cat(" ", name, ":");
    left.resize(std::max(kColumn, left.size() + 1), ' ');
    text_ += cat(left, value, "\n");
  }
  void heading(std::string_view text) { text_ += cat(text, "\n"); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string switch_text(JsonValue value) {
  return value.as_boolean().value_or(false) ? "true" : "false";
}

void show_client_version(const Value& version, Listing& listing) {
  listing.heading("Client:");
  for (const auto& [name, value] : version.object()->members) {
    if (name == "Version") listing.aligned("Version", value.text());
    if (name == "ApiVersion") listing.aligned("API version", value.text());
    if (name == "GitCommit") listing.aligned("Git commit", value.text());
    if (name == "Arch") listing.aligned("OS/Arch", cat("linux/", value.text()));
  }
  listing.aligned("Context", "default");
}

// "Thu May  7 21:09:36 2026", as Go's time.ANSIC.
std::string build_time(const std::string& text) {
  auto seconds = parse_rfc3339(text);
  if (!seconds) return text;
  auto time = static_cast<time_t>(*seconds);
  tm broken{};
  ::gmtime_r(&time, &broken);
  char line[64];
  return {line, ::strftime(line, sizeof line, "%a %b %e %H:%M:%S %Y", &broken)};
}

void show_server_version(JsonValue server, Listing& listing) {
  listing.heading(cat("\nServer:", text_member(server.find("Platform"), "Name").empty() ? "" : " ",
                      text_member(server.find("Platform"), "Name")));
  JsonValue components = server.find("Components");
  for (std::size_t i = 0; i < components.size(); ++i) {
    JsonValue component = components.item(i);
    JsonValue details = component.find("Details");
    listing.heading(cat(" ", text_member(component, "Name"), ":"));
    auto show = [&listing](std::string_view name, const std::string& value) {
      listing.aligned(cat(" ", name), value);
    };
    show("Version", text_member(component, "Version"));
    if (std::string api = text_member(details, "ApiVersion"); !api.empty()) {
      show("API version",
           cat(api, " (minimum version ", text_member(details, "MinAPIVersion"), ")"));
    }
    for (auto [name, member] :
         {std::pair("Go version", "GoVersion"), std::pair("Git commit", "GitCommit"),
          std::pair("GitCommit", "GitCommit"), std::pair("Built", "BuildTime")}) {
      bool engine = text_member(component, "Name") == "Engine";
      bool other_spelling = std::string_view(name) == (engine ? "GitCommit" : "Git commit");
      if (other_spelling || details.find(member).is_null()) continue;
      show(name, member == std::string_view("BuildTime") ? build_time(text_member(details, member))
                                                         : text_member(details, member));
    }
    if (std::string arch = text_member(details, "Arch"); !arch.empty())
      show("OS/Arch", cat(text_member(details, "Os"), "/", arch));
    if (std::string flag = text_member(details, "Experimental"); !flag.empty())
      show("Experimental", flag);
  }
}

std::string names_text(JsonValue list) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list.size(); ++i)
    names.emplace_back(list.item(i).as_string().value_or(""));
  return join(names, " ");
}

void show_engine(JsonValue info, Listing& listing) {
  listing.line(1, "Containers", cat(number_member(info, "Containers")));
  listing.line(2, "Running", cat(number_member(info, "ContainersRunning")));
  listing.line(2, "Paused", cat(number_member(info, "ContainersPaused")));
  listing.line(2, "Stopped", cat(number_member(info, "ContainersStopped")));
  listing.line(1, "Images", cat(number_member(info, "Images")));
  listing.given(1, "Server Version", text_member(info, "ServerVersion"));
  listing.line(1, "Storage Driver", text_member(info, "Driver"));
  JsonValue status = info.find("DriverStatus");
  for (std::size_t i = 0; i < status.size(); ++i) {
    listing.line(2, status.item(i).item(0).as_string().value_or(""),
                 status.item(i).item(1).as_string().value_or(""));
  }
  listing.line(1, "Logging Driver", text_member(info, "LoggingDriver"));
  listing.given(1, "Cgroup Driver", text_member(info, "CgroupDriver"));
  listing.given(1, "Cgroup Version", text_member(info, "CgroupVersion"));
  listing.heading(" Plugins:");
  for (std::string_view kind : {"Volume", "Network", "Authorization", "Log"}) {
    std::string names = names_text(info.find("Plugins").find(kind));
    if (!names.empty() || kind == "Volume" || kind == "Network") listing.line(2, kind, names);
  }
  std::string swarm = text_member(info.find("Swarm"), "LocalNodeState");
  listing.line(1, "Swarm", swarm.empty() ? "inactive" : swarm);
  std::string runtimes;
  JsonValue table = info.find("Runtimes");
  for (std::size_t i = 0; i < table.size(); ++i)
    runtimes += cat(i == 0 ? "" : " ", table.member(i).name);
  listing.given(1, "Runtimes", runtimes);
  listing.given(1, "Default Runtime", text_member(info, "DefaultRuntime"));
  listing.given(1, "Init Binary", text_member(info, "InitBinary"));
}

void show_parts(JsonValue info, Listing& listing) {
  for (auto [name, member] : {std::pair("containerd", "ContainerdCommit"),
                              std::pair("runc", "RuncCommit"), std::pair("init", "InitCommit")}) {
    if (!info.find(member).is_null())
      listing.line(1, cat(name, " version"), text_member(info.find(member), "ID"));
  }
  JsonValue options = info.find("SecurityOptions");
  if (options.size() != 0) listing.heading(" Security Options:");
  for (std::size_t i = 0; i < options.size(); ++i) {
    // "name=seccomp,profile=default"
    for (std::string_view pair : split(options.item(i).as_string().value_or(""), ',')) {
      std::size_t equals = pair.find('=');
      std::string key(pair.substr(0, equals));
      std::string_view value = equals == std::string_view::npos ? "" : pair.substr(equals + 1);
      if (key == "name") {
        listing.item(2, value);
      } else {
        if (!key.empty() && key[0] >= 'a' && key[0] <= 'z') key[0] = static_cast<char>(key[0] - 32);
        listing.line(3, key, value);
      }
    }
  }
}

void show_host(JsonValue info, Listing& listing) {
  listing.given(1, "Kernel Version", text_member(info, "KernelVersion"));
  listing.given(1, "Operating System", text_member(info, "OperatingSystem"));
  listing.given(1, "OSType", text_member(info, "OSType"));
  listing.given(1, "Architecture", text_member(info, "Architecture"));
  listing.line(1, "CPUs", cat(number_member(info, "NCPU")));
  listing.line(1, "Total Memory",
               binary_size(static_cast<double>(number_member(info, "MemTotal"))));
  listing.given(1, "Name", text_member(info, "Name"));
  listing.given(1, "ID", text_member(info, "ID"));
  listing.line(1, "Docker Root Dir", text_member(info, "DockerRootDir"));
  listing.line(1, "Debug Mode", switch_text(info.find("Debug")));
  for (auto [name, member] :
       {std::pair("HTTP Proxy", "HttpProxy"), std::pair("HTTPS Proxy", "HttpsProxy"),
        std::pair("No Proxy", "NoProxy")}) {
    listing.given(1, name, text_member(info, member));
  }
  JsonValue labels = info.find("Labels");
  if (labels.size() != 0) listing.heading(" Labels:");
  for (std::size_t i = 0; i < labels.size(); ++i)
    listing.item(2, labels.item(i).as_string().value_or(""));
  listing.line(1, "Experimental", switch_text(info.find("ExperimentalBuild")));
  JsonValue registries = info.find("RegistryConfig").find("InsecureRegistryCIDRs");
  if (registries.size() != 0) listing.heading(" Insecure Registries:");
  for (std::size_t i = 0; i < registries.size(); ++i)
    listing.item(2, registries.item(i).as_string().value_or(""));
  listing.line(1, "Live Restore Enabled", switch_text(info.find("LiveRestoreEnabled")));
}

}  // namespace

Result<int> run_version(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  auto body = client->call({.path = "/version"});
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body ? *body : "{}"));
  Value own = client_version(*client, text_member(document.root(), "ApiVersion"));
  std::string_view format = arguments.string("format");
  if (!format.empty()) {
    ValueObject both;
    both.members = {{"Client", own}, {"Server", body ? value_from_json(document.root()) : Value()}};
    TRY(print_template(session, format, both));
  } else {
    Listing listing;
    show_client_version(own, listing);
    if (body) show_server_version(document.root(), listing);
    session.print(listing.text());
  }
  if (!body) return std::unexpected(std::move(body).error());
  return 0;
}

Result<int> run_info(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  auto body = client->call({.path = "/info"});
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body ? *body : "{}"));
  JsonValue info = document.root();
  ValueObject own;
  own.members = {{"Debug", false},
                 {"Version", DHOW_VERSION},
                 {"GitCommit", DHOW_COMMIT},
                 {"Context", "default"}};
  if (std::string_view format = arguments.string("format"); !format.empty()) {
    Value all = value_from_json(info);
    ValueObject whole{all.object()->members, false, {}};
    whole.members.emplace_back("ClientInfo", own);
    TRY(print_template(session, format, whole));
  } else {
    Listing listing;
    listing.heading("Client:\n Version:    " DHOW_VERSION
                    "\n Context:    default\n Debug Mode: false\n\nServer:");
    if (body) {
      show_engine(info, listing);
      show_parts(info, listing);
      show_host(info, listing);
      listing.heading("");
    }
    session.print(listing.text());
  }
  if (!body) return std::unexpected(std::move(body).error());
  JsonValue warnings = info.find("Warnings");
  for (std::size_t i = 0; i < warnings.size(); ++i)
    session.complain_line(warnings.item(i).as_string().value_or(""));
  return 0;
}

}  // namespace dhow::cli
