// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "rpc/events.h"
#include "rpc/frame.h"
#include "shim/loop.h"
#include "sys/fd.h"

namespace dhow::shim {

// Tells the engine what happens, by the Events service on its ttrpc socket: in order, one after the
// other, each until it has been taken. While the engine is away events wait, 2048 of them at most
// (then the oldest is dropped), and it is looked for again after 1, 2, 4 and then each 10 seconds,
// or with the next event. Nothing here blocks.
class Publisher {
 public:
  // `address`: "unix://PATH" or a path; empty: nobody is told.
  Publisher(Loop& loop, std::string_view address, std::string name_space);

  template <rpc::MessageType M>
  void publish(const M& event) {
    add(rpc::encode(rpc::events::forward(event, name_space_)));
  }
  bool is_idle() const { return waiting_.empty(); }
  // The engine is there again, so what could not be told is told now, not when its time comes.
  void retry_now();
  // Called when is_idle() has become true.
  void on_idle(std::function<void()> idle) { idle_ = std::move(idle); }

 private:
  void add(std::string payload);
  void send_next();
  bool connect();
  void disconnect();
  void on_ready(std::uint32_t events);
  void take_answers();

  Loop& loop_;
  std::string path_;
  std::string name_space_;
  std::deque<std::string> waiting_;  // ForwardRequest, encoded; the first one may be under way
  Fd socket_;
  Loop::Watch watch_;
  rpc::FrameReader reader_;
  rpc::FrameWriter writer_;
  std::uint32_t stream_ = 0;  // of the call that is under way; 0: none
  std::uint32_t last_stream_ = 0;
  Loop::Watch retry_;
  std::int64_t retry_ms_ = 1000;
  std::function<void()> idle_;
};

}  // namespace dhow::shim
