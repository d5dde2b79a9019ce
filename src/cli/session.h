// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/command.h"
#include "cli/config_file.h"
#include "client/client.h"

namespace dhow::cli {

// The variable of that name; "" where there is none.
std::string environment(const char* name);

// What a command works with: the engine, the user's configuration and the standard streams. For one
// thread.
class Session {
 public:
  // `name` is what the program was called as: "dhow".
  Session(std::string_view name, const Arguments& globals) : name_(name), globals_(globals) {}
  ~Session() { flush(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::string_view name() const { return name_; }
  const Command& command() const { return *command_; }
  void set_command(const Command& command) { command_ = &command; }

  // The name of the context in force: --context, else "default" where a host is given, else
  // $DOCKER_CONTEXT, else that of the configuration, else "default".
  Result<std::string> context_name();
  // Where the default context leads, as -H has it.
  std::string default_host() const;
  // Made at the first call; connects when it is used. Fails for a host that can't be read.
  Result<client::Client*> client();
  // Read at the first call; a missing file is an empty configuration.
  Result<const ConfigFile*> config();
  // Folder of the configuration: --config, $DOCKER_CONFIG, or ~/.docker.
  std::string config_folder() const;

  // Standard output; kept until it is much, the command ends or flush() is called.
  void print(std::string_view text);
  void print_line(std::string_view text) {
    print(text);
    print("\n");
  }
  // Standard error; what was printed before comes first.
  void complain(std::string_view text);
  void complain_line(std::string_view text);
  void flush();

  bool input_is_terminal() const;
  bool output_is_terminal() const;
  bool error_is_terminal() const;
  // Escapes for colours may be written to standard error.
  bool colours() const;

 private:
  std::string given_host() const;
  Result<client::Endpoint> default_endpoint() const;
  Result<client::Endpoint> endpoint();

  std::string_view name_;
  const Arguments& globals_;
  const Command* command_ = nullptr;
  std::unique_ptr<client::Client> client_;
  std::optional<ConfigFile> config_;
  std::string output_;
};

// Reports the outcome for each name: prints it, or keeps the error's text. Handlers for
// `rm A B C` go on after a failure and end with code 1.
class EachName {
 public:
  explicit EachName(Session& session) : session_(session) {}
  void done(std::string_view name) { session_.print_line(name); }
  void failed(const Error& error) {
    if (!failures_.empty()) failures_ += '\n';
    failures_ += error.message();
  }
  // 0, or 1 after the failures have been printed.
  int finish();

 private:
  Session& session_;
  std::string failures_;
};

}  // namespace dhow::cli
