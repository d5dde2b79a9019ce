// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "logging/entry.h"
#include "shim/hub.h"
#include "shim/loop.h"
#include "shim/outflow.h"
#include "shim/worker.h"
#include "sys/fd.h"

namespace dhow::shim {

// The standard streams of one process as its request names them.
struct IoRequest {
  std::string in, out, err;  // URIs; empty: /dev/null
  bool terminal = false;
  std::string container_id;
  std::string name_space;
};

// Keeps the standard streams of one process, from before it is made until its output has been
// delivered. A process without a terminal gets fifos, files and pipes of loggers themselves, so
// that what it writes takes no way through the shim, which only holds a second end open: neither
// side sees the other one come and go. A terminal, and all of dhow-io, goes through the shim.
class ProcessIo {
 public:
  // Opens everything but loggers (binary://), which prepare() starts.
  static Result<std::unique_ptr<ProcessIo>> open(Loop& loop, const IoRequest& request);
  // For a process that somebody else runs, whose output comes from two descriptors: dhow-io only.
  static Result<std::unique_ptr<ProcessIo>> keep(Loop& loop, const Uri& uri, Fd out, Fd err);
  ~ProcessIo();
  ProcessIo(const ProcessIo&) = delete;
  ProcessIo& operator=(const ProcessIo&) = delete;

  void prepare(Workers& workers, std::function<void(Status)> done);

  // For the worker that makes the process; valid until made().
  WorkerStreams streams() const;
  // The process has its streams: closes the shim's copies, and takes the terminal.
  Status made();

  // CloseIO: the process's input ends when what was sent has been read.
  void close_stdin();
  Status resize(std::uint32_t width, std::uint32_t height);
  // Takes all output that there is, without waiting for more. To be called when the process has
  // ended, before that is told.
  void drain();
  // To be called when the end of the process has been told: only now do the streams of those who
  // are attached end, so that whoever sees that and asks gets the exit status.
  void told();
  // As drain() and told(), and takes no more: others that hold the streams are on their own.
  void finish();
  // Everything has been delivered, as far as anybody wants it.
  bool is_done() const;
  // Called when is_done() may have become true.
  void on_done(std::function<void()> done) { on_done_ = std::move(done); }

 private:
  struct Source;
  struct Logger;

  ProcessIo(Loop& loop, IoRequest request);
  Status open_input(const std::string& text);
  Status open_plain_output(const std::string& text, int index);
  Status open_logger(const Uri& uri);
  Status open_hub(const Uri& uri);
  Status open_terminal();
  Status add_source(Fd fd, logging::Stream stream);
  void read_source(Source& source);
  void end_source(Source& source);
  void end_output();
  void update_sources();
  bool take_input(std::string_view bytes);
  void input_ended();
  Status read_awaited();
  void read_fifo();
  Status take_master();

  Loop& loop_;
  IoRequest request_;
  // What the process gets: input, output, errors.
  Fd child_[3];
  // Output that is read once somebody has attached, and errors.
  std::pair<Fd, Fd> awaited_;
  // The other ends that are held open, and nothing else.
  std::vector<Fd> held_;
  Fd input_end_;  // a writing end of the fifo that is the process's input
  Fd console_, console_child_;
  Fd master_;
  std::unique_ptr<Outflow> input_;  // to the process
  bool stdin_once_ = false;
  bool told_ = false;
  Fd input_fifo_;
  Loop::Watch input_fifo_watch_;
  std::unique_ptr<Logger> logger_;
  std::unique_ptr<Output> output_;
  Hub* hub_ = nullptr;  // output_, when it is one
  std::vector<std::unique_ptr<Source>> sources_;
  std::function<void()> on_done_;
};

}  // namespace dhow::shim
