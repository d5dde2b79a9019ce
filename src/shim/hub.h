// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "logging/driver.h"
#include "logging/splitter.h"
#include "shim/loop.h"
#include "shim/outflow.h"
#include "shim/uri.h"

namespace dhow::shim {

// Where the output of a process goes.
class Output {
 public:
  virtual ~Output() = default;
  virtual void put(logging::Stream stream, std::string_view bytes) = 0;
  // After a batch of put().
  virtual void flush() {}
  // True while the process is to be held up.
  virtual bool is_full() const = 0;
  // One of the streams has ended; no more of it comes.
  virtual void end_stream(logging::Stream) {}
  // All of them have.
  virtual void end() = 0;
  // Everything has reached who it was for.
  virtual bool is_done() const = 0;
};

// What a dhow-io URI asks for (docs/engine.md, "Standard streams"): the log of a process, and a
// socket for those who attach to it. Not thread safe.
//
// A client says first what it wants, in one line of JSON; {"reopen":true} instead begins a new log
// file. Then it gets what is written from that moment on. One that has 1 MiB waiting holds the
// process up; one that goes is forgotten.
class Hub final : public Output {
 public:
  struct Events {
    std::function<void()> has_room;                     // is_full() may have become false
    std::function<bool(std::string_view bytes)> input;  // false: wait for input_has_room()
    std::function<void()> input_ended;                  // of one client
    std::function<void()> attached = {};                // one more, who gets what comes from now on
  };

  // Listens and opens the log. A socket that a dead shim has left is replaced. The events are
  // called from the loop.
  static Result<std::unique_ptr<Hub>> open(Loop& loop, const Uri& uri, Events events);
  ~Hub() override;

  void put(logging::Stream stream, std::string_view bytes) override;
  void flush() override;
  bool is_full() const override;
  void end_stream(logging::Stream stream) override;
  // Those who are attached get the rest, then the end; nobody can attach any more. A log server
  // has ten seconds for what waits for it.
  void end() override;
  bool is_done() const override;

  // Clients go on sending.
  void input_has_room();
  Status reopen_log();

 private:
  struct Client;

  Hub(Loop& loop, Events events);
  Status listen(const std::string& path);
  void accept_clients();
  void greet(Client& client);
  void answer(Client& client, std::string_view error);
  void read_input(Client& client, bool hung_up);
  void forget_gone();
  void watch_log();
  void wait_for_log();

  Loop& loop_;
  Events events_;
  std::unique_ptr<logging::Driver> log_;
  logging::Splitter splitters_[2] = {logging::Splitter(logging::Stream::kStdout),
                                     logging::Splitter(logging::Stream::kStderr)};
  std::string path_;
  Fd listener_;
  Loop::Watch listener_watch_;
  Loop::Watch log_watch_;
  Loop::Watch log_deadline_;
  std::vector<std::unique_ptr<Client>> clients_;
  bool ended_ = false;
  bool gave_up_log_ = false;
};

}  // namespace dhow::shim
