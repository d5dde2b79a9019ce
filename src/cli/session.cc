// SPDX-License-Identifier: Apache-2.0
#include "cli/session.h"

#include <unistd.h>

#include <cstdlib>

#include "base/strings.h"
#include "cli/contexts.h"
#include "client/start_engine.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

void write_text(int fd, std::string_view text) {
  // A reader that has gone is no reason to say anything: SIGPIPE ends the program as a rule.
  std::ignore = write_all(FdRef(fd), text);
}

}  // namespace

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string Session::given_host() const {
  std::string host(globals_.string("host"));
  if (host.empty()) host = environment("DHOW_HOST");
  return host.empty() ? environment("DOCKER_HOST") : host;
}

std::string Session::default_host() const {
  std::string host = given_host();
  return host.empty() ? client::default_endpoint().text : host;
}

Result<std::string> Session::context_name() {
  if (globals_.has("context")) return std::string(globals_.string("context"));
  if (!given_host().empty()) return std::string(kDefaultContext);
  if (std::string name = environment("DOCKER_CONTEXT"); !name.empty()) return name;
  TRY_ASSIGN(const ConfigFile* file, config());
  return file->current_context.empty() ? std::string(kDefaultContext) : file->current_context;
}

// Of docker's flags and variables for TLS.
Result<client::Endpoint> Session::default_endpoint() const {
  bool verifies = globals_.has("tlsverify") ? globals_.boolean("tlsverify")
                                            : !environment("DOCKER_TLS_VERIFY").empty();
  bool is_tls = verifies || globals_.boolean("tls") || !environment("DOCKER_TLS").empty();
  std::string host = given_host();
  if (host.empty()) return client::default_endpoint();
  TRY_ASSIGN(client::Endpoint endpoint, client::parse_endpoint(host, is_tls));
  if (!is_tls || endpoint.kind != client::Endpoint::Kind::kTcp) return endpoint;
  std::string folder = environment("DOCKER_CERT_PATH");
  if (folder.empty()) folder = config_folder();
  // One that is named has to be there; one that may be there is taken when it is.
  auto file = [&](std::string_view flag, std::string_view name) -> std::string {
    if (globals_.has(flag)) return std::string(globals_.string(flag));
    std::string path = cat(folder, "/", name);
    return ::access(path.c_str(), F_OK) == 0 ? path : "";
  };
  endpoint.tls = {file("tlscacert", "ca.pem"), file("tlscert", "cert.pem"),
                  file("tlskey", "key.pem"), verifies};
  return endpoint;
}

Result<client::Endpoint> Session::endpoint() {
  TRY_ASSIGN(std::string name, context_name());
  if (name == kDefaultContext) return default_endpoint();
  ContextStore store(config_folder());
  auto context = store.read(name);
  if (!context) {
    return fail(context.error().code(),
                cat("Failed to initialize: unable to resolve docker endpoint: ",
                    context.error().message()));
  }
  return store.endpoint(*context);
}

Result<client::Client*> Session::client() {
  if (client_) return client_.get();
  TRY_ASSIGN(client::Endpoint endpoint, this->endpoint());
  client::Client::Starter starter;
  // One that may be started.
  if (endpoint.text == client::default_endpoint().text) {
    starter = [path = endpoint.address] { return client::start_engine(path); };
  }
  client_ = std::make_unique<client::Client>(std::move(endpoint), environment("DOCKER_API_VERSION"),
                                             std::move(starter));
  TRY_ASSIGN(const ConfigFile* file, config());
  for (const auto& [name, value] : file->http_headers) client_->add_header({name, value});
  return client_.get();
}

std::string Session::config_folder() const {
  std::string folder(globals_.string("config"));
  if (folder.empty()) folder = environment("DOCKER_CONFIG");
  return folder.empty() ? environment("HOME") + "/.docker" : folder;
}

Result<const ConfigFile*> Session::config() {
  if (!config_) {
    TRY_ASSIGN(config_, read_config_file(config_folder()));
  }
  return &*config_;
}

void Session::print(std::string_view text) {
  constexpr std::size_t kMuch = 65536;
  output_ += text;
  if (output_.size() >= kMuch) flush();
}

void Session::complain(std::string_view text) {
  flush();
  write_text(STDERR_FILENO, text);
}

void Session::complain_line(std::string_view text) { complain(cat(text, "\n")); }

void Session::flush() {
  if (output_.empty()) return;
  write_text(STDOUT_FILENO, output_);
  output_.clear();
}

bool Session::input_is_terminal() const { return ::isatty(STDIN_FILENO) == 1; }
bool Session::output_is_terminal() const { return ::isatty(STDOUT_FILENO) == 1; }
bool Session::error_is_terminal() const { return ::isatty(STDERR_FILENO) == 1; }

bool Session::colours() const {
  return error_is_terminal() && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
}

int EachName::finish() {
  if (failures_.empty()) return 0;
  session_.complain_line(failures_);
  return 1;
}

}  // namespace dhow::cli
