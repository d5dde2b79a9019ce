// SPDX-License-Identifier: Apache-2.0
#include "task/local_tasks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::task {
namespace {

constexpr char kEventsSocket[] = "events.sock";

}  // namespace

Result<std::unique_ptr<Tasks>> Tasks::open(TasksOptions options) {
  TRY_ASSIGN(auto made, LocalTasks::open(std::move(options)));
  return std::unique_ptr<Tasks>(std::move(made));
}

Result<std::unique_ptr<LocalTasks>> LocalTasks::open(TasksOptions options) {
  TRY_ASSIGN(Bundles bundles, Bundles::open(options.state));
  std::unique_ptr<LocalTasks> made(new LocalTasks(std::move(options), std::move(bundles)));
  if (!made->options_.shim_program.empty()) {
    TRY_ASSIGN(made->image_, ShimImage::load(made->options_.shim_program));
  }
  TRY_ASSIGN(made->thread_, rpc::EventThread::start());
  TRY(made->listen_for_events());
  return made;
}

LocalTasks::~LocalTasks() {
  {
    std::unique_lock lock(mutex_);
    // Fails whoever waits. On this thread, and not with the lock: they may look at other tasks.
    auto gone = std::exchange(shims_, {});
    lock.unlock();
    gone.clear();
  }
  if (server_ && thread_) thread_->remove(server_id_, server_->fd());
  thread_.reset();
}

Status LocalTasks::listen_for_events() {
  events_.on<rpc::events::ForwardRequest>([this](const rpc::events::ForwardRequest& request) {
    if (options_.on_event && request.envelope) options_.on_event(*request.envelope);
    return Status();
  });
  TRY_ASSIGN(Fd folder, open_at(kCwd, options_.state, O_RDONLY | O_DIRECTORY));
  if (::unlinkat(folder.get(), kEventsSocket, 0) != 0 && errno != ENOENT) {
    return fail_errno(errno, cat("remove ", options_.state, "/", kEventsSocket));
  }
  TRY_ASSIGN(Fd socket, listen_unix(folder, kEventsSocket, SOCK_STREAM | SOCK_NONBLOCK, 0600));
  TRY_ASSIGN(server_, rpc::Server::make());
  server_->add(rpc::events::kService, events_);
  TRY(server_->listen(std::move(socket)));
  TRY_ASSIGN(server_id_, thread_->add(server_->fd(), EPOLLIN, [this](std::uint32_t) {
    if (auto done = server_->dispatch(); !done) log::error(done.error().message());
  }));
  return {};
}

ShimSite LocalTasks::site(const Key& key) const {
  return {key, bundles_.path(key), cat(options_.state, "/", kEventsSocket)};
}

Result<std::shared_ptr<Shim>> LocalTasks::find(const Key& key) const {
  std::unique_lock lock(mutex_);
  auto found = shims_.find(key);
  if (found != shims_.end()) return found->second;
  return fail(Code::kNotFound,
              cat("task ", key.id, " in namespace ", key.name_space, ": no such task"));
}

// A child that has ended is a zombie until it is waited for.
void LocalTasks::reap(PidFd process) {
  struct Child {
    std::mutex mutex;
    PidFd process;
    std::uint64_t id = 0;
  };
  auto child = std::make_shared<Child>();
  child->process = std::move(process);
  std::unique_lock lock(child->mutex);
  // Not by thread_, which is null already while it is being destroyed.
  auto id = thread_->add(child->process.fd(), EPOLLIN, [on = thread_.get(), child](std::uint32_t) {
    std::unique_lock ready(child->mutex);  // the number is known then
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(child->process.fd().get()), &info, WEXITED | WNOHANG);
    on->remove(child->id, child->process.fd());
  });
  if (id) {
    child->id = *id;
  } else {
    log::warning(cat("watch shim: ", id.error().message()));
  }
}

Result<std::shared_ptr<Shim>> LocalTasks::start_shim(const Key& key, const Fd& bundle,
                                                     const Runtime& runtime) {
  Bootstrap bootstrap;
  if (!runtime.shim.empty()) {
    TRY_ASSIGN(std::string program, find_shim(runtime.shim));
    TRY_ASSIGN(bootstrap,
               start_foreign(site(key), bundle, program, runtime.options, options_.limits.load));
  } else if (image_) {
    TRY_ASSIGN(auto started, image_->start(site(key), bundle, options_.shim_arguments));
    reap(std::move(started.process));
    bootstrap = std::move(started.bootstrap);
  } else {
    return fail(Code::kFailedPrecondition, "this engine has no shim of its own");
  }
  // An engine that comes after us finds it by this. Were we killed before, recover() would find a
  // bundle with a socket.
  TRY(replace_file(bundle, kBootstrapFile, bootstrap_json(bootstrap), 0600));
  return Shim::connect(*thread_, key, std::move(bootstrap));
}

// What a shim that has died said before; of ours, the end of its log.
std::string LocalTasks::last_words(const Key& key) const {
  auto bundle = bundles_.find(key);
  if (!bundle) return "";
  auto text = read_file(*bundle, kShimLog);
  if (!text) return "";
  std::string_view words = trim(*text);
  if (words.size() > 400) words.remove_prefix(words.size() - 400);
  return words.empty() ? "" : cat(" (", words, ")");
}

Result<pid_t> LocalTasks::create_in(const std::shared_ptr<Shim>& shim,
                                    const CreateOptions& options) {
  rpc::task::CreateTaskRequest request;
  request.id = shim->key().id;
  request.bundle = bundles_.path(shim->key());
  request.rootfs = options.rootfs;
  request.terminal = options.streams.terminal;
  request.stdin_uri = options.streams.in;
  request.stdout_uri = options.streams.out;
  request.stderr_uri = options.streams.err;
  request.checkpoint = options.checkpoint;
  request.options = options.runtime.options;
  auto limit = options_.limits.create;
  auto created = shim->call<rpc::task::CreateTaskResponse>(request, limit);
  if (!created && shim->fall_back(created.error())) {
    created = shim->call<rpc::task::CreateTaskResponse>(request, limit);
  }
  if (created) return static_cast<pid_t>(created->pid);
  if (created.error().code() != Code::kUnavailable) return fail(std::move(created.error()));
  return fail(Code::kUnavailable, cat(created.error().message(), last_words(shim->key())));
}

Result<pid_t> LocalTasks::create(const Key& key, const CreateOptions& options) {
  TRY(check_key(key));
  {
    std::unique_lock lock(mutex_);
    if (shims_.contains(key) || !making_.insert(key).second) {
      return fail(Code::kAlreadyExists,
                  cat("task ", key.id, " in namespace ", key.name_space, ": exists already"));
    }
  }
  Cleanup made([&] {
    std::unique_lock lock(mutex_);
    making_.erase(key);
  });
  auto bundle = bundles_.make(key);
  if (!bundle && bundle.error().code() == Code::kAlreadyExists) return fail(bundle.error());
  Cleanup undo([&] { clean_after(key, read_bootstrap(key)); });
  if (!bundle) return fail(std::move(bundle.error()));
  CreateOptions full = options;
  auto fill_in = [&]() -> Status {
    if (options.complete) TRY(options.complete(full));
    TRY_ASSIGN(Fd file, open_at(*bundle, "config.json", O_WRONLY | O_CREAT | O_EXCL, 0600));
    TRY(write_all(file, full.config));
    if (!full.resolver.empty()) TRY(replace_file(*bundle, kResolverFile, full.resolver, 0600));
    return {};
  };
  // A foreign shim reads the configuration as it starts.
  bool is_ours = options.runtime.shim.empty();
  if (!is_ours) TRY(fill_in());
  TRY_ASSIGN(auto shim, start_shim(key, *bundle, options.runtime));
  auto pid = [&]() -> Result<pid_t> {
    if (is_ours) TRY(fill_in());
    return create_in(shim, full);
  }();
  if (!pid) {
    // The container isn't there as a rule: then the shim just ends.
    bool is_clean = pid.error().code() != Code::kUnavailable &&
                    pid.error().code() != Code::kDeadlineExceeded && end_in(*shim).has_value();
    if (is_clean) {
      undo.dismiss();
      if (auto removed = bundles_.remove(key); !removed) log::warning(removed.error().message());
    }
    return pid;
  }
  if (shim->bootstrap().pid == 0) {
    shim->learn_pid(options_.limits.state);
    TRY(replace_file(*bundle, kBootstrapFile, bootstrap_json(shim->bootstrap()), 0600));
  }
  undo.dismiss();
  std::unique_lock lock(mutex_);
  shims_.emplace(key, std::move(shim));
  return pid;
}

}  // namespace dhow::task
