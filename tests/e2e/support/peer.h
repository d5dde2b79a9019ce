// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "e2e/support/bundle.h"

// The other ends of what a runtime talks to: sockets that get descriptors, terminals.
namespace dhow::e2e {

// An owned descriptor of a test.
class TestFd {
 public:
  explicit TestFd(int fd = -1) : fd_(fd) {}
  TestFd(TestFd&& other) noexcept : fd_(other.release()) {}
  TestFd& operator=(TestFd&& other) noexcept;
  ~TestFd() { close(); }
  int get() const { return fd_; }
  int release();
  void close();

 private:
  int fd_;
};

struct Received {
  std::string payload;
  std::vector<TestFd> fds;
};

// A listening or bound UNIX socket in a folder of its own.
class Peer {
 public:
  enum class Kind { kStream, kDatagram };
  explicit Peer(Kind kind = Kind::kStream);
  const std::string& path() const { return path_; }
  // Waits for one message (with kStream: of the next connection), at most 20 s; then the test
  // fails and the result is empty. `connection` keeps a stream open and gets it.
  Received receive(TestFd* connection = nullptr);

 private:
  TempDir folder_;
  std::string path_;
  Kind kind_;
  TestFd socket_;
};

// A pseudo terminal: the master is the test's, the slave a program's standard streams.
struct Terminal {
  TestFd master;
  TestFd slave;
  Terminal();
  void resize(unsigned short rows, unsigned short columns) const;
};

// What comes from `fd` until it contains `text`, at most 20 s; then the test fails.
std::string read_until(int fd, std::string_view text);

}  // namespace dhow::e2e
