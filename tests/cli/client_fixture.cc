// SPDX-License-Identifier: Apache-2.0
#include "cli/client_fixture.h"

#include <unistd.h>

#include <cstdlib>

#include "base/strings.h"

namespace dhow::cli_test {

std::string ClientTest::client_program() {
  if (!is_docker()) {
    const char* own = std::getenv("DHOW_PROGRAM");
    return own != nullptr ? own : "";
  }
  return ::access("/usr/local/bin/docker", X_OK) == 0 ? "/usr/local/bin/docker" : "";
}

void ClientTest::SetUp() {
  if (client_program().empty()) GTEST_SKIP() << "there is no " << GetParam();
  BusyboxTest::SetUp();
}

Words ClientTest::client_words(Words words, Words more) const {
  Words all = {"/usr/bin/env",
               "-i",
               "PATH=/usr/bin:/bin",
               "HOME=/nonexistent",
               "TERM=xterm",
               "LANG=C.UTF-8",
               "DOCKER_HOST=unix://" + socket(),
               "DOCKER_CONFIG=" + config_folder()};
  all.insert(all.end(), more.begin(), more.end());
  all.push_back(client_program());
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

SpawnOutput ClientTest::call(Words words, std::string_view input, Words environment) {
  SpawnOptions options;
  options.arguments = client_words(std::move(words), std::move(environment));
  options.input = input;
  options.timeout_ms = 120'000;
  auto output = spawn_and_wait(options);
  EXPECT_TRUE(output.has_value()) << output.error().message();
  return output ? std::move(*output) : SpawnOutput{};
}

std::string ClientTest::output(Words words, std::string_view input) {
  std::string line = join(words, " ");
  SpawnOutput result = call(std::move(words), input);
  EXPECT_EQ(result.exit_code, 0) << line << ": " << result.error_text;
  return std::string(trim(result.output));
}

Child ClientTest::on_terminal(Words words, unsigned short rows, unsigned short columns) {
  // The size is there before the program is: it looks at it once, when it starts.
  Words waits = {"/bin/sh", "-c", "read go; stty -echo 2>/dev/null; stty sane; exec \"$@\"", "sh"};
  Words client = client_words(std::move(words));
  waits.insert(waits.end(), client.begin(), client.end());
  auto child = Child::start(std::move(waits), true);
  EXPECT_TRUE(child.has_value()) << child.error().message();
  EXPECT_TRUE(child->resize(rows, columns).has_value());
  EXPECT_TRUE(child->write("\n").has_value());
  return std::move(*child);
}

std::string without_name(std::string text) {
  for (std::string_view name : {"docker", "dhow"}) {
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
      text.erase(at, name.size());
    }
  }
  return text;
}

}  // namespace dhow::cli_test
