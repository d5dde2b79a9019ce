// SPDX-License-Identifier: Apache-2.0
#include "cli/session.h"

#include <unistd.h>

#include <cstdlib>

#include "base/strings.h"
#include "client/start_engine.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

void write_text(int fd, std::string_view text) {
  // A reader that has gone is no reason to say anything: SIGPIPE ends the program as a rule.
  std::ignore = write_all(FdRef(fd), text);
}

}  // namespace

Result<client::Client*> Session::client() {
  if (client_) return client_.get();
  std::string host(globals_.string("host"));
  if (host.empty()) host = environment("DHOW_HOST");
  if (host.empty()) host = environment("DOCKER_HOST");
  client::Endpoint endpoint = client::default_endpoint();
  bool own = host.empty() || host == endpoint.text;
  if (!own) {
    TRY_ASSIGN(endpoint, client::parse_endpoint(host));
  }
  if (globals_.boolean("tls") || globals_.boolean("tlsverify") ||
      !environment("DOCKER_TLS_VERIFY").empty()) {
    return fail(Code::kUnimplemented,
                "TLS to the engine is not supported; use a unix:// socket, or tunnel the port");
  }
  client::Client::Starter starter;
  if (own) {
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
