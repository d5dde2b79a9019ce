// SPDX-License-Identifier: Apache-2.0
#include "shim/process_io.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "shim/logger.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

constexpr std::size_t kMaxInput = std::size_t{64} << 10;
// One buffer for all streams: what is read is passed on at once.
char shared_buffer[16384];

// Bytes that go to one descriptor as they are: the output of a terminal.
class PlainOutput final : public Output {
 public:
  PlainOutput(Loop& loop, Fd fd, std::function<void()> changed)
      : out_(loop, std::move(fd), std::move(changed)) {}
  void put(logging::Stream stream, std::string_view bytes) override {
    static_cast<void>(stream);
    out_.put(bytes);
  }
  bool is_full() const override { return out_.waiting() != 0; }
  void end() override { out_.end(); }
  bool is_done() const override { return !out_.is_open(); }

 private:
  Outflow out_;
};

Status set_nonblocking(const Fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK) == 0) return {};
  return fail_errno(errno, "make a descriptor non-blocking");
}

Status set_blocking(const Fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK) == 0) return {};
  return fail_errno(errno, "make a descriptor blocking");
}

}  // namespace

struct ProcessIo::Source {
  Fd fd;
  logging::Stream stream;
  Loop::Watch watch;
};

struct ProcessIo::Logger {
  LoggerCommand command;
  Fd out, err;  // the ends that it reads
};

ProcessIo::ProcessIo(Loop& loop, IoRequest request) : loop_(loop), request_(std::move(request)) {}
ProcessIo::~ProcessIo() = default;

Result<std::unique_ptr<ProcessIo>> ProcessIo::open(Loop& loop, const IoRequest& request) {
  std::unique_ptr<ProcessIo> io(new ProcessIo(loop, request));
  if (request.terminal) TRY(io->open_terminal());
  Uri out;
  if (!request.out.empty()) {
    TRY_ASSIGN(out, parse_uri(request.out));
  }
  if (out.scheme == "dhow-io") {
    TRY(io->open_hub(out));
    return io;
  }
  if (!request.in.empty()) TRY_CONTEXT(io->open_input(request.in), "stdin");
  if (out.scheme == "binary" || out.scheme == "binary-v2") {
    TRY_CONTEXT(io->open_logger(out), "stdout");
    return io;
  }
  if (!request.out.empty()) TRY_CONTEXT(io->open_plain_output(request.out, 1), "stdout");
  if (!request.err.empty() && !request.terminal) {
    TRY_CONTEXT(io->open_plain_output(request.err, 2), "stderr");
  }
  return io;
}

Result<std::unique_ptr<ProcessIo>> ProcessIo::keep(Loop& loop, const Uri& uri, Fd out, Fd err) {
  std::unique_ptr<ProcessIo> io(new ProcessIo(loop, {}));
  io->request_.terminal = uri.value("terminal") == "1";
  // A terminal has one output, and the writing end of the other one stays open in containerd's
  // shim until it happens to collect its garbage.
  if (io->request_.terminal) err.reset();
  TRY(io->open_hub(uri));
  io->told_ = true;  // of the process itself this one knows nothing
  for (Fd& end : io->child_) end.reset();
  io->sources_.clear();
  std::string fifo(uri.value("stdin-fifo"));
  if (!fifo.empty()) {
    // Both ends: the process's side may open it later.
    TRY_ASSIGN(Fd fd, open_at(kCwd, fifo, O_RDWR | O_NONBLOCK));
    io->input_ = std::make_unique<Outflow>(loop, std::move(fd), [raw = io.get()] {
      if (raw->hub_ != nullptr) raw->hub_->input_has_room();
    });
  }
  io->awaited_ = {std::move(out), std::move(err)};
  if (uri.value("await") != "1") TRY(io->read_awaited());
  return io;
}

Status ProcessIo::open_terminal() {
  TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_STREAM));
  console_ = std::move(pair.first);
  console_child_ = std::move(pair.second);
  return {};
}

Status ProcessIo::open_input(const std::string& text) {
  TRY_ASSIGN(Uri uri, parse_uri(text));
  if (uri.scheme != "fifo") {
    return fail(Code::kUnimplemented, cat("stream URI ", quoted(text), ": not offered for input"));
  }
  TRY_ASSIGN(Fd reader, open_at(kCwd, uri.path, O_RDONLY | O_NONBLOCK));
  // A writing end of our own: one client may go and the next one come. CloseIO closes it.
  TRY_ASSIGN(input_end_, open_at(kCwd, uri.path, O_WRONLY | O_NONBLOCK));
  if (request_.terminal) {
    input_fifo_ = std::move(reader);
    return {};
  }
  TRY(set_blocking(reader));
  child_[0] = std::move(reader);
  return {};
}

Status ProcessIo::open_plain_output(const std::string& text, int index) {
  TRY_ASSIGN(Uri uri, parse_uri(text));
  Fd fd;
  if (uri.scheme == "file") {
    constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT;
    TRY_ASSIGN(fd, open_at(kCwd, uri.path, kFlags, 0644));
  } else if (uri.scheme == "fifo") {
    // Doesn't wait for a reader, and is one: whoever reads may go and come back.
    auto both = open_at(kCwd, uri.path, O_RDWR | O_NONBLOCK);
    if (!both) return fail(std::move(both).error());
    TRY_ASSIGN(fd, open_at(kCwd, uri.path, O_WRONLY | O_APPEND));
    held_.push_back(std::move(*both));
  } else {
    return fail(Code::kUnimplemented, cat("stream URI ", quoted(text), ": unknown scheme"));
  }
  if (!request_.terminal) {
    child_[index] = std::move(fd);
    return {};
  }
  output_ = std::make_unique<PlainOutput>(loop_, std::move(fd), [this] { update_sources(); });
  return {};
}

Status ProcessIo::open_logger(const Uri& uri) {
  logger_ = std::make_unique<Logger>();
  logger_->command = {uri, request_.container_id, request_.name_space};
  TRY_ASSIGN(Pipe out, make_pipe());
  TRY_ASSIGN(Pipe err, make_pipe());
  logger_->out = std::move(out.read);
  logger_->err = std::move(err.read);
  if (request_.terminal) {
    output_ =
        std::make_unique<PlainOutput>(loop_, std::move(out.write), [this] { update_sources(); });
    return {};
  }
  child_[1] = std::move(out.write);
  child_[2] = std::move(err.write);
  return {};
}

Status ProcessIo::open_hub(const Uri& uri) {
  stdin_once_ = uri.value("stdin-once") == "1";
  Hub::Events events{.has_room = [this] { update_sources(); },
                     .input = [this](std::string_view bytes) { return take_input(bytes); },
                     .input_ended = [this] { input_ended(); },
                     .attached =
                         [this] {
                           if (auto begun = read_awaited(); !begun)
                             log::error(begun.error().message());
                         }};
  TRY_ASSIGN(auto hub, Hub::open(loop_, uri, std::move(events)));
  hub_ = hub.get();
  output_ = std::move(hub);
  if (request_.terminal) return {};
  if (uri.value("stdin") == "1") {
    TRY_ASSIGN(Pipe pipe, make_pipe());
    child_[0] = std::move(pipe.read);
    input_ = std::make_unique<Outflow>(loop_, std::move(pipe.write), [this] {
      if (hub_ != nullptr) hub_->input_has_room();
    });
  }
  for (int index : {1, 2}) {
    TRY_ASSIGN(Pipe pipe, make_pipe());
    child_[index] = std::move(pipe.write);
    TRY(add_source(std::move(pipe.read),
                   index == 1 ? logging::Stream::kStdout : logging::Stream::kStderr));
  }
  return {};
}

void ProcessIo::prepare(Workers& workers, std::function<void(Status)> done) {
  if (!logger_) return done({});
  start_logger(workers, logger_->command, logger_->out, logger_->err,
               [this, done = std::move(done)](Status started) {
                 // Held, so that a logger that dies doesn't take the process with it.
                 held_.push_back(std::move(logger_->out));
                 held_.push_back(std::move(logger_->err));
                 logger_.reset();
                 done(std::move(started));
               });
}

WorkerStreams ProcessIo::streams() const {
  return {.in = child_[0].get(),
          .out = child_[1].get(),
          .err = child_[2].get(),
          .console = console_child_.get()};
}

Status ProcessIo::made() {
  for (Fd& end : child_) end.reset();
  console_child_.reset();
  if (!request_.terminal) return {};
  return take_master();
}

Status ProcessIo::take_master() {
  TRY_ASSIGN(Message message, receive_message(console_, 4096));
  if (message.fds.empty()) return fail(Code::kInternal, "console: no terminal came");
  master_ = std::move(message.fds[0]);
  console_.reset();
  TRY_ASSIGN(Fd writer, master_.duplicate());
  TRY_ASSIGN(Fd reader, master_.duplicate());
  input_ = std::make_unique<Outflow>(loop_, std::move(writer), [this] {
    if (hub_ != nullptr) hub_->input_has_room();
    if (input_fifo_watch_) input_fifo_watch_.set_events(EPOLLIN);
  });
  if (!output_) {
    // Nobody wants it, but it must be read.
    TRY_ASSIGN(Fd null, open_at(kCwd, "/dev/null", O_WRONLY));
    output_ = std::make_unique<PlainOutput>(loop_, std::move(null), [] {});
  }
  TRY(add_source(std::move(reader), logging::Stream::kStdout));
  if (input_fifo_) {
    TRY_ASSIGN(input_fifo_watch_,
               loop_.watch(input_fifo_, EPOLLIN, [this](std::uint32_t) { read_fifo(); }));
  }
  return {};
}

void ProcessIo::read_fifo() {
  ssize_t count = ::read(input_fifo_.get(), shared_buffer, sizeof shared_buffer);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    input_fifo_watch_.reset();
    return input_fifo_.reset();
  }
  if (!take_input({shared_buffer, static_cast<std::size_t>(count)}))
    input_fifo_watch_.set_events(0);
}

bool ProcessIo::take_input(std::string_view bytes) {
  if (!input_) return true;  // nobody reads it
  input_->put(bytes);
  return input_->waiting() < kMaxInput;
}

Status ProcessIo::read_awaited() {
  auto [out, err] = std::exchange(awaited_, {});
  if (out) TRY(add_source(std::move(out), logging::Stream::kStdout));
  if (err) TRY(add_source(std::move(err), logging::Stream::kStderr));
  return {};
}

void ProcessIo::input_ended() {
  // A terminal has no end: closing it would hang the process up.
  if (stdin_once_ && input_ && !request_.terminal) input_->end();
}

void ProcessIo::close_stdin() {
  input_end_.reset();
  if (input_ && !request_.terminal) input_->end();
}

Status ProcessIo::resize(std::uint32_t width, std::uint32_t height) {
  if (!master_) return {};
  struct winsize size{};
  size.ws_col = static_cast<unsigned short>(std::min(width, 0xFFFFU));
  size.ws_row = static_cast<unsigned short>(std::min(height, 0xFFFFU));
  if (::ioctl(master_.get(), TIOCSWINSZ, &size) != 0) return fail_errno(errno, "resize terminal");
  return {};
}

Status ProcessIo::add_source(Fd fd, logging::Stream stream) {
  TRY(set_nonblocking(fd));
  auto source = std::make_unique<Source>();
  source->fd = std::move(fd);
  source->stream = stream;
  Source* raw = source.get();
  TRY_ASSIGN(source->watch,
             loop_.watch(raw->fd, EPOLLIN, [this, raw](std::uint32_t) { read_source(*raw); }));
  sources_.push_back(std::move(source));
  return {};
}

void ProcessIo::end_source(Source& source) {
  source.watch.reset();
  source.fd.reset();
  output_->end_stream(source.stream);
  end_output();
}

void ProcessIo::end_output() {
  bool all = std::ranges::all_of(sources_, [](const auto& each) { return !each->fd; });
  if (!all || !output_ || (hub_ != nullptr && !told_)) return;
  output_->end();
  if (on_done_) loop_.later(on_done_);
}

void ProcessIo::told() {
  told_ = true;
  end_output();
}

void ProcessIo::read_source(Source& source) {
  ssize_t count = ::read(source.fd.get(), shared_buffer, sizeof shared_buffer);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // A terminal whose last process has closed it gives EIO.
  if (count <= 0) return end_source(source);
  output_->put(source.stream, {shared_buffer, static_cast<std::size_t>(count)});
  output_->flush();
  if (output_->is_full()) update_sources();
}

void ProcessIo::update_sources() {
  bool full = output_->is_full();
  for (auto& source : sources_) {
    if (source->fd) source->watch.set_events(full ? 0U : std::uint32_t{EPOLLIN});
  }
  if (on_done_ && is_done()) loop_.later(on_done_);
}

void ProcessIo::drain() {
  for (auto& source : sources_) {
    // What is in a pipe or a terminal now, and not what somebody else goes on writing.
    constexpr std::size_t kMostInAPipe = std::size_t{1} << 20;
    std::size_t taken = 0;
    while (source->fd && taken < kMostInAPipe) {
      ssize_t count = ::read(source->fd.get(), shared_buffer, sizeof shared_buffer);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) break;
      if (count <= 0) {
        end_source(*source);
        break;
      }
      output_->put(source->stream, {shared_buffer, static_cast<std::size_t>(count)});
      taken += static_cast<std::size_t>(count);
    }
  }
  if (output_) output_->flush();
}

void ProcessIo::finish() {
  told_ = true;
  drain();
  for (auto& source : sources_) {
    if (source->fd) end_source(*source);
  }
  end_output();
}

bool ProcessIo::is_done() const {
  bool read = std::ranges::all_of(sources_, [](const auto& source) { return !source->fd; });
  return read && (!output_ || output_->is_done());
}

}  // namespace dhow::shim
