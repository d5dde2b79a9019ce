// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "crash/api.h"
#include "crash/ledger.h"

namespace dhow::crash_test {

// The gate that all users pass in front of each thing that they do. Closed, they gather there, so
// that what they know can be looked at.
class Gate {
 public:
  explicit Gate(int users) : users_(users) {}
  // Waits while it is closed. False: it is over.
  bool pass();
  void open();
  void close();
  void end();
  void await_all();
  bool is_open() const;

  void tell_sent();
  // Until a request is on its way, or that time is over.
  void await_sent(std::chrono::milliseconds limit);

  void report(std::string fault);
  std::vector<std::string> faults() const;

 private:
  const int users_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  bool over_ = false;
  int waiting_ = 0;
  std::uint64_t sent_ = 0;
  std::vector<std::string> faults_;
};

// Somebody who makes, uses and removes containers at random: a thread of its own.
class User {
 public:
  User(Gate& gate, const std::string& socket, int number, std::uint64_t seed);
  ~User() { thread_.join(); }
  User(const User&) = delete;
  User& operator=(const User&) = delete;

  // To be looked at while the thread waits at the gate.
  Entries& entries() { return entries_; }
  std::uint64_t operations() const { return operations_; }

 private:
  void run();
  void act();
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  void fault(const Entry& entry, std::string_view what);

  // operations.cc
  void create();
  void start(Entry& entry);
  void wait(Entry& entry);
  void stop(Entry& entry);
  void kill(Entry& entry);
  void kill_shim(Entry& entry);
  void pause(Entry& entry);
  void rename(Entry& entry);
  void remove(Entry& entry, bool force);
  void read_logs(Entry& entry);
  void attach(Entry& entry);
  void execute(Entry& entry);
  void look();

  Gate& gate_;
  const int number_;
  std::mt19937_64 random_;
  Api api_;
  Entries entries_;
  int made_ = 0;
  std::uint64_t operations_ = 0;
  std::thread thread_;
};

}  // namespace dhow::crash_test
