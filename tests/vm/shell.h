// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <gtest/gtest.h>
#include <string>

// What checks in a guest do with its shell.
namespace dhow::vm {

struct Outcome {
  int code = -1;
  std::string text;  // standard output and error
};

// Runs a shell command to its end.
inline Outcome sh(const std::string& command) {
  Outcome outcome;
  FILE* pipe = popen(("exec 2>&1; " + command).c_str(), "r");
  if (pipe == nullptr) return outcome;
  char piece[4096];
  for (size_t got = 0; (got = fread(piece, 1, sizeof piece, pipe)) > 0;)
    outcome.text.append(piece, got);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
  while (!outcome.text.empty() && outcome.text.back() == '\n') outcome.text.pop_back();
  return outcome;
}

// What a command that has to work says.
inline std::string say(const std::string& command) {
  Outcome outcome = sh(command);
  EXPECT_EQ(outcome.code, 0) << command << "\n" << outcome.text;
  return outcome.text;
}

}  // namespace dhow::vm
