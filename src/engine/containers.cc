// SPDX-License-Identifier: Apache-2.0
#include "engine/containers.h"

#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/names.h"
#include "metadata/lease_store.h"

namespace dhow::engine {
namespace {

// Threads that end, restart and probe containers at the same time.
constexpr unsigned kWorkers = 64;

}  // namespace

ContainersImpl::ContainersImpl(const EngineOptions& options, const ContainerStores& stores,
                               OpenTasks open_tasks)
    : options_(options), stores_(stores), open_tasks_(std::move(open_tasks)), workers_(kWorkers) {}

// What still comes from shims finds nobody to do it: the next engine sees to it.
ContainersImpl::~ContainersImpl() {
  workers_.close();
  tasks_.reset();
}

std::vector<ContainerPtr> ContainersImpl::all() const {
  std::shared_lock lock(mutex_);
  std::vector<ContainerPtr> result;
  result.reserve(by_id_.size());
  for (const auto& [id, container] : by_id_) result.push_back(container);
  return result;
}

Result<ContainerPtr> ContainersImpl::find(std::string_view ref) const {
  auto missing = [&] { return fail(Code::kNotFound, cat("No such container: ", ref)); };
  std::string_view text = ref.starts_with('/') ? ref.substr(1) : ref;
  if (text.empty()) return missing();
  std::shared_lock lock(mutex_);
  if (auto found = by_id_.find(text); found != by_id_.end()) return found->second;
  if (auto named = by_name_.find(text); named != by_name_.end()) {
    auto found = by_id_.find(named->second);
    if (found != by_id_.end()) return found->second;
  }
  auto first = by_id_.lower_bound(text);
  if (first == by_id_.end() || !first->first.starts_with(text)) return missing();
  auto second = std::next(first);
  if (second != by_id_.end() && second->first.starts_with(text)) {
    return fail(Code::kInvalidArgument, cat("multiple IDs found with provided prefix: ", text));
  }
  return first->second;
}

Event ContainersImpl::make_event(const ContainerRecord& record, std::string action,
                                 TextMap more) const {
  Event event;
  event.type = "container";
  event.action = std::move(action);
  event.actor = record.id;
  event.attributes = record.config.config.labels;
  event.attributes["image"] = record.config.config.image;
  event.attributes["name"] = record.name;
  event.attributes.merge(more);
  event.time = metadata::now();
  return event;
}

void ContainersImpl::publish(const ContainerRecord& record, std::string action, TextMap more) {
  // Whoever reads events misses one when the disk is full; the use case goes on.
  std::ignore = stores_.events.publish(make_event(record, std::move(action), std::move(more)));
}

Status ContainersImpl::commit_record(Container& container, ContainerRecord record,
                                     std::vector<Event> events) {
  TRY(stores_.database.write([&](metadata::Transaction& transaction) -> Status {
    TRY(ContainerRows(transaction, options_.name_space).set_progress(record));
    for (const Event& event : events) TRY(Events::append(transaction, event));
    return {};
  }));
  container.set_record(std::make_shared<const ContainerRecord>(std::move(record)));
  stores_.events.notify();
  return {};
}

Status ContainersImpl::commit_config(Container& container, const ContainerRecord& record) const {
  TRY(stores_.database.write([&](metadata::Transaction& transaction) {
    return ContainerRows(transaction, options_.name_space).set_config(record);
  }));
  container.set_record(std::make_shared<const ContainerRecord>(record));
  return {};
}

Containers::Containers(std::unique_ptr<ContainersImpl> impl) : impl_(std::move(impl)) {}
Containers::~Containers() = default;

Result<CreateAnswer> Containers::create(const CreateRequest& request) {
  return impl_->create(request);
}
Result<bool> Containers::start(std::string_view ref) { return impl_->start(ref); }
Result<bool> Containers::stop(std::string_view ref, const StopOptions& options) {
  return impl_->stop(ref, options);
}
Status Containers::restart(std::string_view ref, const StopOptions& options) {
  return impl_->restart(ref, options);
}
Status Containers::kill(std::string_view ref, std::string_view signal) {
  return impl_->kill(ref, signal);
}
Status Containers::pause(std::string_view ref) { return impl_->pause(ref); }
Status Containers::unpause(std::string_view ref) { return impl_->unpause(ref); }
Result<std::vector<std::string>> Containers::update(std::string_view ref,
                                                    const HostConfig& changes) {
  return impl_->update(ref, changes);
}
Status Containers::rename(std::string_view ref, std::string_view name) {
  return impl_->rename(ref, name);
}
Status Containers::remove(std::string_view ref, const RemoveOptions& options) {
  return impl_->remove(ref, options);
}
Status Containers::remove_link(std::string_view path) { return impl_->remove_link(path); }
Result<PruneAnswer> Containers::prune(const Filters& filters) { return impl_->prune(filters); }
Status Containers::connect(std::string_view ref, std::string_view network,
                           const EndpointConfig& config) {
  return impl_->connect(ref, network, config);
}
Status Containers::disconnect(std::string_view ref, std::string_view network, bool force) {
  return impl_->disconnect(ref, network, force);
}
Result<std::string> Containers::find(std::string_view ref) const {
  TRY_ASSIGN(ContainerPtr found, impl_->find(ref));
  return found->id;
}
Result<Inspection> Containers::inspect(std::string_view ref, bool size) const {
  return impl_->inspect(ref, size);
}
Result<std::vector<ContainerSummary>> Containers::list(const ListOptions& options) const {
  std::vector<ContainerSummary> all;
  TRY(for_each(options, [&](const ContainerSummary& one) -> Status {
    all.push_back(one);
    return {};
  }));
  return all;
}
Status Containers::for_each(const ListOptions& options,
                            const std::function<Status(const ContainerSummary&)>& take) const {
  return impl_->for_each(options, take);
}
Result<std::unique_ptr<Subscription>> Containers::watch(
    std::string_view ref, WaitCondition condition, std::function<void(const WaitAnswer&)> done) {
  return impl_->watch(ref, condition, std::move(done));
}

Result<WaitAnswer> Containers::wait(std::string_view ref, WaitCondition condition,
                                    std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<WaitAnswer> answer;
  TRY_ASSIGN(std::unique_ptr<Subscription> subscription,
             impl_->watch(ref, condition, [&](const WaitAnswer& got) {
               std::lock_guard lock(mutex);
               answer = got;
               changed.notify_all();
             }));
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, stop, [&] { return answer.has_value(); });
  }
  subscription.reset();
  if (answer) return *answer;
  return fail(Code::kCancelled, cat("wait for ", ref, ": cancelled"));
}

Result<std::unique_ptr<Subscription>> Containers::attach(
    std::string_view ref, const AttachOptions& options, std::function<void(Result<Fd>)> connected) {
  return impl_->attach(ref, options, std::move(connected));
}
Status Containers::resize(std::string_view ref, std::uint32_t height, std::uint32_t width) {
  return impl_->resize(ref, height, width);
}
Status Containers::logs(std::string_view ref, const LogOptions& options,
                        const std::function<Status(const LogRecord&)>& each, std::stop_token stop) {
  return impl_->logs(ref, options, each, std::move(stop));
}
Result<TopAnswer> Containers::top(std::string_view ref, std::string_view ps_arguments) {
  return impl_->top(ref, ps_arguments);
}
Result<StatsSample> Containers::stats(std::string_view ref) { return impl_->stats(ref); }
Result<std::string> Containers::create_exec(std::string_view ref, const ExecConfig& config) {
  return impl_->create_exec(ref, config);
}
Result<Fd> Containers::start_exec(std::string_view exec, const ExecStartOptions& options) {
  return impl_->start_exec(exec, options);
}
Result<ExecState> Containers::inspect_exec(std::string_view exec) const {
  return impl_->inspect_exec(exec);
}
Status Containers::resize_exec(std::string_view exec, std::uint32_t height, std::uint32_t width) {
  return impl_->resize_exec(exec, height, width);
}
Result<std::vector<Change>> Containers::changes(std::string_view ref) {
  return impl_->changes(ref);
}
Result<std::string> Containers::commit(std::string_view ref, const CommitOptions& options) {
  return impl_->commit(ref, options);
}
Status Containers::export_root(std::string_view ref, unpack::ByteSink& sink) {
  return impl_->export_root(ref, sink);
}
Result<PathStat> Containers::stat_path(std::string_view ref, std::string_view path) {
  return impl_->stat_path(ref, path);
}
Status Containers::get_archive(std::string_view ref, std::string_view path, unpack::ByteSink& sink,
                               const std::function<void(const PathStat&)>& known) {
  return impl_->get_archive(ref, path, sink, known);
}
Status Containers::export_volume(std::string_view name, unpack::ByteSink& sink) const {
  return impl_->export_volume(name, sink);
}
Status Containers::import_volume(const std::string& name, unpack::ByteSource& archive) {
  return impl_->import_volume(name, archive);
}
Status Containers::copy_volume(const std::string& from, const std::string& to) {
  return impl_->copy_volume(from, to);
}
Status Containers::put_archive(std::string_view ref, std::string_view path,
                               unpack::ByteSource& archive, const ArchivePutOptions& options) {
  return impl_->put_archive(ref, path, archive, options);
}

}  // namespace dhow::engine
