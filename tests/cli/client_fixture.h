// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "daemon/daemon_fixture.h"
#include "shim/child.h"

namespace dhow::cli_test {

using daemon_test::BusyboxTest;
using shim_test::Child;
using Words = std::vector<std::string>;

// Tests with a dhowd of their own that each command line goes through: docker's as it is, and ours.
class ClientTest : public BusyboxTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static bool is_docker() { return std::string_view(GetParam()) == "docker"; }
  // The path of the program; "" when it isn't there.
  static std::string client_program();
  void SetUp() override;

  // The command line with the environment that leads to the engine; `more` over it.
  Words client_words(Words words, Words more = {}) const;
  // Runs it to its end.
  SpawnOutput call(Words words, std::string_view input = {}, Words environment = {});
  // The output of one that must succeed, without blanks at its end.
  std::string output(Words words, std::string_view input = {});
  // Runs it on a terminal of its own.
  Child on_terminal(Words words, unsigned short rows = 24, unsigned short columns = 80);
  std::string config_folder() const { return (folder_ / "client").string(); }
};

// What tells apart the lines of two programs but the programs: their names.
std::string without_name(std::string text);

}  // namespace dhow::cli_test
