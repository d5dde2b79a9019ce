// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::shim_test {

// A program that a test talks to while it runs. Killed and reaped when this goes.
class Child {
 public:
  // With pipes as its standard streams, its errors among its output; or with a terminal of its own.
  static Result<Child> start(std::vector<std::string> arguments, bool terminal = false);
  Child(Child&& other) noexcept;
  ~Child();

  Status write(const std::string& text);
  void close_input() { input_.reset(); }
  Status resize(unsigned short rows, unsigned short columns);
  // Blocks until what it wrote has the text. False when it ended or was silent for too long before.
  bool await(const std::string& text);
  // Whether it has written, or writes within that time.
  bool hears(int milliseconds) const;
  // All that it wrote until now.
  const std::string& said() const { return said_; }
  // Reads the rest, and waits for its end: the exit code, or -1 when it hung.
  int finish();

 private:
  Child() = default;
  // False at the end, or after kPatience.
  bool read_some();

  pid_t pid_ = -1;
  Fd input_, output_;
  std::string said_;
  bool hung_ = false;
};

}  // namespace dhow::shim_test
