// SPDX-License-Identifier: Apache-2.0
#include "shim/hub.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "logging/time_text.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

constexpr std::size_t kMaxWaiting = std::size_t{1} << 20;
constexpr std::size_t kMaxGreeting = 4096;
// How long a log server may take for what it has not got by the end.
constexpr std::int64_t kLastLinesMs = 10'000;
// Parameters of the URI that are ours; the others are the log driver's.
constexpr std::string_view kOwnParameters[] = {"driver",     "stdin",    "stdin-once",
                                               "stdin-fifo", "terminal", "await"};

logging::DriverOptions driver_options(const Uri& uri) {
  logging::DriverOptions options;
  options.driver = uri.value("driver").empty() ? "none" : std::string(uri.value("driver"));
  for (const auto& [name, value] : uri.query) {
    if (std::ranges::find(kOwnParameters, name) == std::end(kOwnParameters)) {
      options.options[name] = value;
    }
  }
  return options;
}

// Docker's frames: the stream, three zeros, the length in four bytes, big-endian (API "Attach to a
// container").
std::string frame_header(logging::Stream stream, std::size_t size) {
  std::string header(8, '\0');
  header[0] = stream == logging::Stream::kStderr ? 2 : 1;
  for (int i = 0; i < 4; ++i)
    header[static_cast<std::size_t>(7 - i)] = static_cast<char>((size >> (8 * i)) & 0xFF);
  return header;
}

}  // namespace

struct Hub::Client {
  Client(Loop& loop, Fd fd, std::function<void()> changed)
      : out(loop, std::move(fd), std::move(changed)) {}

  Outflow out;
  Loop::Watch watch;  // before `out` closes the descriptor
  std::string greeting;
  bool greeted = false;
  bool wants_in = false, wants_out = false, wants_err = false, framed = false;
  bool input_ended = false;
  bool gone = false;
};

Result<std::unique_ptr<Hub>> Hub::open(Loop& loop, const Uri& uri, Events events) {
  std::unique_ptr<Hub> hub(new Hub(loop, std::move(events)));
  TRY_ASSIGN(hub->log_, logging::make_driver(driver_options(uri)));
  TRY(hub->listen(uri.path));
  return hub;
}

Hub::Hub(Loop& loop, Events events) : loop_(loop), events_(std::move(events)) {}

bool Hub::is_done() const {
  return ended_ && clients_.empty() && (gave_up_log_ || log_->waiting_fd() < 0);
}

Hub::~Hub() {
  if (listener_) std::ignore = ::unlink(path_.c_str());
}

Status Hub::listen(const std::string& path) {
  std::size_t slash = path.rfind('/');
  TRY_ASSIGN(Fd folder, open_at(kCwd, path.substr(0, slash + 1), O_PATH | O_DIRECTORY));
  std::string name = path.substr(slash + 1);
  if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return fail_errno(errno, cat("remove ", quoted(path)));
  }
  TRY_ASSIGN(listener_, listen_unix(folder, name, SOCK_STREAM, 0600));
  path_ = path;
  if (::fcntl(listener_.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "fcntl");
  TRY_ASSIGN(listener_watch_,
             loop_.watch(listener_, EPOLLIN, [this](std::uint32_t) { accept_clients(); }));
  return {};
}

void Hub::accept_clients() {
  while (true) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    auto client = std::make_unique<Client>(loop_, std::move(fd), [this] {
      forget_gone();
      events_.has_room();
    });
    Client* raw = client.get();
    auto watch = loop_.watch(raw->out.fd(), EPOLLIN, [this, raw](std::uint32_t events) {
      raw->greeted ? read_input(*raw, (events & EPOLLHUP) != 0) : greet(*raw);
      forget_gone();
    });
    if (!watch) continue;
    raw->watch = std::move(*watch);
    clients_.push_back(std::move(client));
  }
}

void Hub::answer(Client& client, std::string_view error) {
  if (error.empty()) return client.out.put("{}\n");
  client.out.put(cat("{\"error\":", oci::json_quoted(error), "}\n"));
  client.gone = true;
}

void Hub::greet(Client& client) {
  // Byte by byte: what follows the line is input, and stays where it is until it is wanted.
  char c = 0;
  while (client.greeting.size() < kMaxGreeting) {
    ssize_t count = ::read(client.out.fd().get(), &c, 1);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      client.gone = true;
      return;
    }
    if (c == '\n') break;
    client.greeting += c;
  }
  auto document = oci::JsonDocument::parse(client.greeting);
  if (!document) return answer(client, document.error().message());
  auto flag = [&](std::string_view name) {
    return document->root().find(name).as_boolean().value_or(false);
  };
  if (flag("reopen")) {
    auto reopened = reopen_log();
    answer(client, reopened ? "" : reopened.error().message());
    client.gone = true;
    return;
  }
  client.greeted = true;
  client.wants_in = flag("stdin");
  client.wants_out = flag("stdout");
  client.wants_err = flag("stderr");
  client.framed = flag("framed");
  std::string().swap(client.greeting);
  answer(client, "");
  if (events_.attached) events_.attached();
}

void Hub::read_input(Client& client, bool hung_up) {
  char buffer[4096];
  ssize_t count = ::read(client.out.fd().get(), buffer, sizeof buffer);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count < 0) {
    client.gone = true;
    return;
  }
  if (count == 0) {
    // A half-close, after which the client may go on reading; its full end is a hang-up.
    if (hung_up || (!client.wants_out && !client.wants_err)) client.gone = true;
    if (!client.input_ended && client.wants_in) events_.input_ended();
    client.input_ended = true;
    client.watch.set_events(EPOLLPRI);
    return;
  }
  if (!client.wants_in) return;
  if (!events_.input({buffer, static_cast<std::size_t>(count)})) client.watch.set_events(0);
}

void Hub::input_has_room() {
  for (auto& client : clients_) {
    if (client->greeted && client->wants_in && !client->input_ended && !client->gone &&
        client->out.is_open()) {
      client->watch.set_events(EPOLLIN);
    }
  }
}

// After the event that made them go: their watches may be the ones that are running.
void Hub::forget_gone() {
  std::erase_if(clients_, [](const std::unique_ptr<Client>& client) {
    if (client->gone && client->out.waiting() != 0) return false;
    bool done = client->gone || !client->out.is_open();
    if (done) client->watch.reset();
    return done;
  });
  if (is_done()) events_.has_room();
}

void Hub::put(logging::Stream stream, std::string_view bytes) {
  auto& splitter = splitters_[stream == logging::Stream::kStderr ? 1 : 0];
  splitter.feed(bytes, logging::now_ns(),
                [this](const logging::Entry& entry) { log_->write(entry); });
  bool is_err = stream == logging::Stream::kStderr;
  for (auto& client : clients_) {
    if (!client->greeted || client->gone || !(is_err ? client->wants_err : client->wants_out))
      continue;
    if (client->framed) {
      std::string frame = frame_header(stream, bytes.size());
      frame += bytes;
      client->out.put(frame);
    } else {
      client->out.put(bytes);
    }
  }
}

void Hub::flush() {
  log_->flush();
  watch_log();
}

// A log server that doesn't keep up is waited for.
void Hub::watch_log() {
  log_watch_.reset();
  int fd = log_->waiting_fd();
  if (fd < 0) return;
  auto watch = loop_.watch(FdRef(fd), EPOLLOUT, [this](std::uint32_t) {
    flush();
    events_.has_room();
  });
  if (watch) log_watch_ = std::move(*watch);
}

bool Hub::is_full() const {
  return log_->is_full() || std::ranges::any_of(clients_, [](const auto& client) {
           return client->out.waiting() >= kMaxWaiting;
         });
}

void Hub::end_stream(logging::Stream stream) {
  splitters_[stream == logging::Stream::kStderr ? 1 : 0].finish(
      logging::now_ns(), [this](const logging::Entry& entry) { log_->write(entry); });
  flush();
}

void Hub::end() {
  if (ended_) return;
  ended_ = true;
  // Those who are just connecting get an answer, and the end at once.
  accept_clients();
  for (auto& client : clients_) {
    if (!client->greeted && !client->gone) greet(*client);
    client->watch.reset();
    client->gone = true;
    client->out.end();
  }
  listener_watch_.reset();
  listener_.reset();
  std::ignore = ::unlink(path_.c_str());
  wait_for_log();
  forget_gone();
}

void Hub::wait_for_log() {
  if (log_->waiting_fd() < 0) return;
  auto timer = loop_.after(kLastLinesMs, [this] {
    log::warning("log: the server has not taken the last lines, which are dropped");
    gave_up_log_ = true;
    log_watch_.reset();
    events_.has_room();
  });
  gave_up_log_ = !timer;
  if (timer) log_deadline_ = std::move(*timer);
}

Status Hub::reopen_log() { return log_->reopen(); }

}  // namespace dhow::shim
