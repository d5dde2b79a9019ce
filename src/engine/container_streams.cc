// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "base/strings.h"
#include "engine/attach_socket.h"
#include "engine/containers_impl.h"
#include "engine/log_settings.h"
#include "logging/reader.h"
#include "oci/json_value.h"

namespace dhow::engine {
namespace {

class WaitSubscription final : public Subscription {
 public:
  WaitSubscription(ContainerPtr container, std::shared_ptr<Waiter> waiter)
      : container_(std::move(container)), waiter_(std::move(waiter)) {}
  ~WaitSubscription() override {
    {
      std::lock_guard lock(container_->mutex);
      container_->waiters.remove(waiter_);
    }
    waiter_->drop();
  }

 private:
  ContainerPtr container_;
  std::shared_ptr<Waiter> waiter_;
};

class AttachSubscription final : public Subscription {
 public:
  AttachSubscription(ContainerPtr container, std::shared_ptr<PendingAttach> pending)
      : container_(std::move(container)), pending_(std::move(pending)) {}
  ~AttachSubscription() override {
    {
      std::lock_guard lock(container_->mutex);
      container_->pending.remove(pending_);
    }
    pending_->drop();
  }

 private:
  ContainerPtr container_;
  std::shared_ptr<PendingAttach> pending_;
};

// An eventfd that is readable once it has been set.
class Flag {
 public:
  static Result<Flag> make() {
    Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) return fail_errno(errno, "eventfd");
    return Flag(std::move(fd));
  }
  void set() const { ::eventfd_write(fd_.get(), 1); }
  int get() const { return fd_.get(); }

 private:
  explicit Flag(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

TextMap attributes_of(const std::string& json) {
  TextMap attributes;
  if (json.empty()) return attributes;
  auto document = oci::JsonDocument::parse(json);
  if (!document) return attributes;
  for (std::size_t i = 0; i < document->root().size(); ++i) {
    oci::JsonMember member = document->root().member(i);
    if (auto text = member.value.as_string()) attributes.emplace(member.name, *text);
  }
  return attributes;
}

}  // namespace

Result<std::unique_ptr<Subscription>> ContainersImpl::watch(
    std::string_view ref, WaitCondition condition, std::function<void(const WaitAnswer&)> done) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  auto waiter = std::make_shared<Waiter>(condition, std::move(done));
  bool gone = false;
  {
    std::lock_guard lock(container->mutex);
    container->waiters.push_back(waiter);
    gone = container->removed;
  }
  // What has happened before the waiter was there is told by the record. The answer comes once.
  RecordPtr record = container->record();
  const ContainerState& state = record->progress.state;
  bool holds = gone || (condition == WaitCondition::kNotRunning && !state.is_running());
  if (holds) waiter->call({.exit_code = state.exit_code, .error = state.error});
  return std::make_unique<WaitSubscription>(std::move(container), std::move(waiter));
}

Result<std::unique_ptr<Subscription>> ContainersImpl::attach(
    std::string_view ref, const AttachOptions& options, std::function<void(Result<Fd>)> connected) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  if (record->progress.state.phase == Phase::kPaused) {
    return fail(Code::kFailedPrecondition, cat("container ", container->id,
                                               " is paused, unpause the container before attach"));
  }
  auto pending = std::make_shared<PendingAttach>(options, std::move(connected));
  bool now = false;
  {
    std::lock_guard lock(container->mutex);
    now = container->io_ready;
    if (!now) container->pending.push_back(pending);
  }
  if (now) {
    TRY_ASSIGN(Fd socket, connect_attach(tasks_->bundle(key(container->id)) + "/io.sock", options));
    pending->call(std::move(socket));
  }
  publish(*record, "attach");
  return std::make_unique<AttachSubscription>(std::move(container), std::move(pending));
}

Status ContainersImpl::logs(std::string_view ref, const LogOptions& options,
                            const std::function<Status(const LogRecord&)>& each,
                            std::stop_token stop) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  if (!is_readable_log(record->config.host.log_config)) {
    return fail(Code::kUnimplemented, "configured logging driver does not support reading");
  }
  if (!options.standard_output && !options.standard_error) {
    return fail(Code::kInvalidArgument, "You must choose at least one stream");
  }
  TRY_ASSIGN(Flag ended, Flag::make());
  TRY_ASSIGN(Flag cancelled, Flag::make());
  logging::ReadOptions reading;
  reading.since_ns = options.since;
  reading.until_ns = options.until;
  if (options.tail && *options.tail >= 0) reading.tail = static_cast<std::uint64_t>(*options.tail);
  reading.follow = options.follow;
  reading.ended = ended.get();
  reading.cancelled = cancelled.get();
  std::unique_ptr<Subscription> subscription;
  if (options.follow) {
    TRY_ASSIGN(subscription, watch(container->id, WaitCondition::kNotRunning,
                                   [&](const WaitAnswer&) { ended.set(); }));
  }
  std::stop_callback stopping(stop, [&] { cancelled.set(); });
  TRY_ASSIGN(std::unique_ptr<logging::Reader> reader,
             logging::Reader::open(log_path(options_, container->id), reading));
  while (!stop.stop_requested()) {
    TRY_ASSIGN(std::optional<logging::Line> line, reader->next());
    if (!line) break;
    LogRecord out;
    out.is_error = line->stream == logging::Stream::kStderr;
    if (!(out.is_error ? options.standard_error : options.standard_output)) continue;
    out.time = line->time_ns;
    out.text = line->text;
    out.attributes = attributes_of(line->attrs);
    TRY(each(out));
  }
  return {};
}

}  // namespace dhow::engine
