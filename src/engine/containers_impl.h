// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/container_filter.h"
#include "engine/container_record.h"
#include "engine/containers.h"
#include "engine/engine.h"
#include "engine/id_remap.h"
#include "engine/image_details.h"
#include "engine/spec/seccomp_filters.h"
#include "engine/spec/spec.h"
#include "engine/volumes.h"
#include "engine/workers.h"
#include "network/local_networks.h"
#include "snapshot/mount_plan.h"
#include "sys/dir_fd.h"
#include "sys/mount_fd.h"
#include "task/tasks.h"

// What is behind containers.h. Private to this folder; the methods are in a file a use case.
namespace dhow::engine {

using RecordPtr = std::shared_ptr<const ContainerRecord>;

// Whether it has a health check.
bool is_probed(const ContainerRecord& record);

// What a container is found by on a network with names, its own name first. The configuration may
// be nullptr.
std::vector<std::string> dns_names(const ContainerRecord& record, const EndpointConfig* config);

// A callback that is called once at most, and not after drop(), which waits for a call that is
// under way, but for one that it is in.
template <typename Argument>
class OneCall {
 public:
  explicit OneCall(std::function<void(Argument)> function) : function_(std::move(function)) {}
  void call(Argument argument) {
    std::lock_guard lock(mutex_);
    if (auto function = std::exchange(function_, nullptr))
      function(std::forward<Argument>(argument));
  }
  void drop() {
    std::lock_guard lock(mutex_);
    function_ = nullptr;
  }

 private:
  std::recursive_mutex mutex_;
  std::function<void(Argument)> function_;
};

// Somebody who waits for an end.
struct Waiter : OneCall<const WaitAnswer&> {
  Waiter(WaitCondition wanted, std::function<void(const WaitAnswer&)> done)
      : OneCall(std::move(done)), condition(wanted) {}
  const WaitCondition condition;
};

// Somebody who wants to be connected when the container starts.
struct PendingAttach : OneCall<Result<Fd>> {
  PendingAttach(const AttachOptions& wanted, std::function<void(Result<Fd>)> connected)
      : OneCall(std::move(connected)), options(wanted) {}
  const AttachOptions options;
};

struct Exec {
  std::string id;
  std::string container;
  ExecConfig config;
  // Guarded by the container's mutex.
  bool started = false;
  bool running = false;
  std::optional<int> exit_code;
  std::int64_t pid = 0;
  std::int64_t started_at = 0;
};

// A container in memory. `operation` is held by what changes it, for as long as that takes; `mutex`
// guards the members after it and is never held for long. The record is replaced, never changed.
class Container {
 public:
  explicit Container(ContainerRecord record)
      : id(record.id), record_(std::make_shared<const ContainerRecord>(std::move(record))) {}

  const std::string id;
  std::mutex operation;

  RecordPtr record() const {
    std::lock_guard lock(mutex);
    return record_;
  }
  void set_record(RecordPtr record) {
    std::lock_guard lock(mutex);
    record_ = std::move(record);
  }

  mutable std::mutex mutex;
  bool removed = false;
  std::list<std::shared_ptr<Waiter>> waiters;
  std::list<std::shared_ptr<PendingAttach>> pending;
  std::map<std::string, std::shared_ptr<Exec>> execs;
  // How often it was started: what belongs to a former run has another number.
  std::uint64_t run = 0;
  // A restart by hand is under way: --rm waits.
  bool kept = false;
  // The stop that is under way wants no restart.
  bool stopping = false;
  bool oom_seen = false;
  // The attach socket can be connected to.
  bool io_ready = false;
  // Of the restart policy: nanoseconds to the next try; 0: none so far.
  std::int64_t backoff = 0;
  std::uint64_t restart_timer = 0;
  std::uint64_t health_timer = 0;

 private:
  RecordPtr record_;
};

using ContainerPtr = std::shared_ptr<Container>;

// What the use cases work on. Borrowed, but for the options.
struct ContainerStores {
  metadata::Database& database;
  ImageStores& images;
  Events& events;
  ImageReader& reader;
  Volumes& volumes;
  network::LocalNetworks* networks = nullptr;  // none: containers have the loopback interface alone
};

// Signals by their names and numbers, as docker takes them: "SIGTERM", "term", "15", "RTMIN+3".
// None: there is no such.
std::optional<int> parse_signal(std::string_view text);
std::string signal_name(int signal);

// Makes a bind mount's missing source a folder.
Status make_source(const std::string& path);

class ContainersImpl {
 public:
  // Makes Tasks: Tasks::open, or a test's own.
  using OpenTasks = std::function<Result<std::unique_ptr<task::Tasks>>(task::TasksOptions)>;
  ContainersImpl(const EngineOptions& options, const ContainerStores& stores, OpenTasks open_tasks);
  ~ContainersImpl();

  // Reads the rows, connects to the shims that are there, and settles the rest.
  Status open();

  Result<CreateAnswer> create(const CreateRequest& request);
  Result<bool> start(std::string_view ref);
  Result<bool> stop(std::string_view ref, const StopOptions& options);
  Status restart(std::string_view ref, const StopOptions& options);
  Status kill(std::string_view ref, std::string_view signal);
  Status pause(std::string_view ref);
  Status unpause(std::string_view ref);
  Result<std::vector<std::string>> update(std::string_view ref, const HostConfig& changes);
  Status rename(std::string_view ref, std::string_view name);
  Status remove(std::string_view ref, const RemoveOptions& options);
  Status remove_link(std::string_view path);
  Result<PruneAnswer> prune(const Filters& filters);
  Result<Inspection> inspect(std::string_view ref, bool size) const;
  Status for_each(const ListOptions& options,
                  const std::function<Status(const ContainerSummary&)>& take) const;
  Result<std::unique_ptr<Subscription>> watch(std::string_view ref, WaitCondition condition,
                                              std::function<void(const WaitAnswer&)> done);
  Result<std::unique_ptr<Subscription>> attach(std::string_view ref, const AttachOptions& options,
                                               std::function<void(Result<Fd>)> connected);
  Status resize(std::string_view ref, std::uint32_t height, std::uint32_t width);
  Status logs(std::string_view ref, const LogOptions& options,
              const std::function<Status(const LogRecord&)>& each, std::stop_token stop);
  Result<TopAnswer> top(std::string_view ref, std::string_view ps_arguments);
  Result<StatsSample> stats(std::string_view ref);
  Result<std::string> create_exec(std::string_view ref, const ExecConfig& config);
  Result<Fd> start_exec(std::string_view exec, const ExecStartOptions& options);
  Result<ExecState> inspect_exec(std::string_view exec) const;
  Status resize_exec(std::string_view exec, std::uint32_t height, std::uint32_t width);
  Result<std::vector<Change>> changes(std::string_view ref);
  Result<std::string> commit(std::string_view ref, const CommitOptions& options);
  Status export_root(std::string_view ref, unpack::ByteSink& sink);
  Result<PathStat> stat_path(std::string_view ref, std::string_view path);
  Status export_volume(std::string_view name, unpack::ByteSink& sink) const;
  Status import_volume(const std::string& name, unpack::ByteSource& archive);
  Status copy_volume(const std::string& from, const std::string& to);
  Status get_archive(std::string_view ref, std::string_view path, unpack::ByteSink& sink,
                     const std::function<void(const PathStat&)>& known);
  Status put_archive(std::string_view ref, std::string_view path, unpack::ByteSource& archive,
                     const ArchivePutOptions& options);

  Status connect(std::string_view ref, std::string_view network, const EndpointConfig& config);
  Status disconnect(std::string_view ref, std::string_view network, bool force);

  // By name, id, or the beginning of an id.
  Result<ContainerPtr> find(std::string_view ref) const;

  // For recovery and tests: how many containers there are.
  std::size_t size() const { return all().size(); }

 private:
  // container_create.cc
  // The ids of a container outside; null: they are the same.
  const IdRemap* remap_of(const HostConfig& host) const;
  Status check_remap(const HostConfig& host) const;
  Status merge_image(CreateConfig& config, const oci::ImageConfig& image) const;
  Status settle_facts(const CreateRequest& request, ContainerRecord& record) const;
  Status fill_defaults(ContainerRecord& record, std::vector<std::string>& warnings);
  Result<ContainerPtr> find_other(std::string_view ref) const;
  Status check_joined(const ContainerRecord& record) const;
  Result<std::string> reserve_name(const std::string& wanted, const std::string& id);
  void release_name(const std::string& name);

  // container_mounts.cc
  // The root with all that is mounted in it, as a copy that nobody else sees.
  Result<MountFd> mount_all(const ContainerRecord& record) const;
  // /dev/shm of a container with ipc mode "shareable": made before its task, dropped after it.
  Status make_shm(const ContainerRecord& record) const;
  void drop_shm(const std::string& id) const;
  std::string shm_folder(const std::string& id) const { return options_.state + "/shm/" + id; }
  // What was made outside of a container for its run.
  void drop_run_files(const std::string& id) const;
  void drop_stray_run_files() const;
  // The folder that is to be /dev/shm; "": one of its own.
  Result<std::string> shm_of(const ContainerRecord& record) const;

  // container_volumes.cc
  // Makes out what is mounted, and makes the volumes that are not there. What of them is to go
  // again when the container comes to nothing is in `made`.
  Status settle_mounts(ContainerRecord& record, std::vector<std::string>& made);
  Status inherit_mounts(const ContainerRecord& record, std::vector<WantedMount>& mounts) const;
  // Puts into new volumes what the image has in their places.
  Status fill_volumes(const ContainerRecord& record) const;
  // The folders of volumes, "" for other mounts.
  std::vector<std::string> volume_folders(const std::vector<WantedMount>& mounts) const;
  std::vector<Event> volume_events(const ContainerRecord& record, std::string_view action) const;
  bool is_own_runtime(const std::string& name) const;
  // Images that are mounted: a view each, which goes with the container.
  Status view_images(const ContainerRecord& record, std::vector<std::string>& made) const;
  Result<VolumeSource> image_source(const ContainerRecord& record, const WantedMount& mount) const;
  void drop_image_views(const ContainerRecord& record) const;
  // Of a row from before volumes had names.
  Status convert_volumes(ContainerRecord& record);

  // container_volume_mounts.cc
  // Where the content of a volume is; `makes`: it is to be used, so that it is mounted if need be.
  Result<VolumeSource> volume_source(const WantedMount& mount, bool makes) const;
  Result<VolumeSource> overlay_source(const ContainerRecord& record, const WantedMount& mount,
                                      VolumeSource below) const;
  // Of any mount: nothing where a bind of its source is all.
  Result<VolumeSource> mount_source(const ContainerRecord& record, const WantedMount& mount,
                                    bool makes) const;
  Result<std::vector<VolumeSource>> mount_sources(const ContainerRecord& record) const;
  // Where the file system of a volume is mounted while containers have it.
  std::string volume_place(const std::string& name) const {
    return options_.state + "/volumes/" + name;
  }
  Status mount_volume(const std::string& name, VolumeSource source) const;
  // Unless a container that runs, or is about to, has it.
  void unmount_volume(const std::string& name) const;
  // After its end: what nobody has is unmounted, and plugins are told.
  void release_volumes(const ContainerRecord& record) const;
  void unmount_stray_volumes() const;
  // container_networks.cc
  // Whether there are networks to be in; else there is the loopback interface.
  bool has_networks() const { return stores_.networks != nullptr && stores_.networks->is_usable(); }
  // Docker's refusals about networks and ports, when a container is made.
  Status check_networks(const ContainerRecord& record, std::vector<std::string>& warnings) const;
  Result<network::AttachRequest> attach_request(const ContainerRecord& record) const;
  // In `space`; -1: in a new one, which is the result. No descriptor: it has no networks.
  Result<Fd> attach_networks(const ContainerRecord& record, FdRef space) const;
  // Of a container whose task has gone.
  void detach_networks(const std::string& id) const;
  // What /proc has of the first process of one that runs; kFailedPrecondition when it has ended.
  Result<Fd> proc_file(const ContainerRecord& record, std::string_view name) const;
  // "connect" or "disconnect", for each network that it is in.
  std::vector<Event> network_events(const ContainerRecord& record, std::string_view action) const;
  std::vector<NetworkStatus> network_statuses(const ContainerRecord& record) const;
  std::vector<PortStatus> port_statuses(const ContainerRecord& record) const;
  Status settle_networks() const;
  // Those that it is to be in, that of its mode first; none: it has no network of its own, or one
  // of them is not there.
  std::vector<network::NetworkRecord> wanted_networks(const ContainerRecord& record) const;
  Status finish_connecting(const ContainerRecord& record) const;

  // container_names.cc
  // Its shim is ours, so it can have a resolver.
  bool has_resolver(const ContainerRecord& record) const;
  // And it is in a network with names.
  bool asks_resolver(const ContainerRecord& record) const;
  static bool has_names(const network::NetworkRecord& network) {
    return network.has_interfaces() && !network.is_default();
  }
  // As dns::parse_settings() reads it.
  std::string resolver_settings(const ContainerRecord& record) const;
  // Tells the shim of one that runs, and has or needs a resolver.
  Status settle_resolver(const ContainerRecord& record) const;
  Status serve_local_ports(const std::string& id, bool had) const;
  std::string names_folder(const std::string& network) const;
  std::string names_on(const network::NetworkRecord& network) const;
  // Writes the names on these networks anew.
  void tell_neighbours(const std::vector<std::string>& networks) const;
  // For a container without a resolver.
  std::vector<std::string> neighbour_lines(const ContainerRecord& record) const;
  std::vector<std::string> networks_of(const std::string& id) const;
  void drop_stray_names() const;

  // container_hosts.cc
  // Where they are: those of the container whose network it is in.
  std::string files_folder(const ContainerRecord& record) const;
  // What that one is called, it is called too.
  Status adopt_host_name(Container& container, ContainerRecord& record) const;
  // Its files hosts, hostname and resolv.conf, for a start. None for one in another's network.
  Status write_files(const ContainerRecord& record) const;
  std::string run_folder(const std::string& id) const;
  std::vector<std::string> own_lines(const ContainerRecord& record,
                                     const network::Endpoint& endpoint) const;
  std::string hosts_text(const ContainerRecord& record) const;
  std::vector<std::string> changing_lines(const ContainerRecord& record) const;
  // Of one that runs: these lines go, those of its addresses are there.
  void change_hosts(const ContainerRecord& record, const std::vector<std::string>& gone) const;
  std::string resolv_text(const ContainerRecord& record) const;
  void change_resolv_conf(const ContainerRecord& record) const;

  // container_links.cc
  struct Linked {
    std::string alias;
    RecordPtr child;
  };
  // Of what does not go with the network of another, or of the host.
  Status check_conflicts(const CreateConfig& config) const;
  Status settle_links(ContainerRecord& record);
  std::vector<Linked> links_of(const ContainerRecord& record) const;
  // As inspect shows them.
  std::vector<std::string> shown_links(const ContainerRecord& record) const;
  std::optional<network::Endpoint> default_endpoint(const std::string& id) const;
  Result<std::vector<std::string>> link_variables(const ContainerRecord& record) const;
  std::vector<std::string> link_lines(const ContainerRecord& record) const;
  // That a container has got an address on the default network.
  void tell_linked(const std::string& id) const;

  // container_volume_content.cc
  // Has `fill` make the content of a volume anew, and puts it in its place at once.
  Status replace_content(const std::string& name,
                         const std::function<Status(const volume::Store::Draft&)>& fill);
  Status check_idle(const std::string& name) const;

  // container_start.cc; the caller holds `operation`.
  Status start_locked(Container& container);
  Status create_task(Container& container, const ContainerRecord& record);
  // All of what the task needs but its runtime and its streams. `space` gets the network namespace
  // that is ready for it, if any, which has to be there until the container is made.
  Status fill_task(const ContainerRecord& record, task::CreateOptions& create, Fd& space);
  // `space` is a network namespace that is ready for it, if any.
  Result<std::string> bundle_config(const ContainerRecord& record, FdRef space) const;
  Result<ContainerUser> user_of(const ContainerRecord& record, const std::string& text) const;
  Status connect_pending(Container& container);
  void fail_pending(Container& container, const Error& error);
  void failed_start(Container& container, const Error& error);
  task::Key key(const std::string& id) const { return {options_.name_space, id}; }
  Result<task::Streams> streams_of(const ContainerRecord& record, bool is_foreign) const;
  Result<RuntimeChoice> choice_of(const std::string& name) const;
  Result<task::Runtime> runtime_of(const std::string& name) const;
  void watch_exit(const ContainerPtr& container, std::uint64_t run);

  // container_exit.cc
  void handle_exit(const ContainerPtr& container, std::uint64_t run,
                   const Result<task::Exit>& exit);
  // What its row says once it has been started, but for its pid.
  static void begin_run(ContainerRecord& record);
  // What is told when it has been started.
  std::vector<Event> start_events(const ContainerRecord& record) const;
  // What a container that runs holds outside of its task.
  void release_held(const ContainerRecord& record);
  void cleanup_or_warn(const Container& container);
  void drop_task(Container& container);
  // Ends what there is of a task that is not to run, of which the row says nothing from then on.
  void abandon_task(Container& container);
  // How it has ended: status, time in nanoseconds, and whether the kernel had no memory for it.
  struct Ending {
    int status;
    std::int64_t at;
    bool oom = false;
    bool ran = true;  // false: a restart that failed, of which no events tell
  };
  void settle_exit(const ContainerPtr& container, const Ending& ending);
  static Ending ending_of(const task::Exit& exit, bool oom = false);
  // What is told when it has ended.
  std::vector<Event> end_events(const ContainerRecord& record) const;
  bool wants_restart(const Container& container, const ContainerRecord& record, int status) const;
  void plan_restart(const ContainerPtr& container);
  void on_event(const rpc::events::Envelope& envelope);
  // Calls those whose condition holds. Without locks.
  void notify_waiters(Container& container, bool ended, bool gone);

  // container_stop.cc
  Result<bool> stop_container(const ContainerPtr& container, const StopOptions& options);
  Status send_signal(Container& container, int signal);
  // False: it did not end in time.
  bool wait_end(Container& container, std::optional<std::int64_t> seconds);

  // container_remove.cc; the caller holds `operation`.
  Status remove_locked(const ContainerPtr& container, bool volumes);
  // Of one that has just ended and is not to stay. Who waits hears of it before shim and folder are
  // gone, which takes longest; it holds nothing then that another container could want.
  Status remove_ended(const ContainerPtr& container, const ContainerRecord& ended,
                      std::vector<Event> events);
  // Ends the row, with those events before its last one, and the names; tells who waits.
  Status remove_row(const ContainerPtr& container, bool volumes, std::vector<Event> events);
  // What others can see of one without a row: its snapshot, and the volumes that go with it. Only
  // renamed and unlisted here; the files are reclaimed later.
  void drop_stored(const ContainerRecord& record, bool volumes);
  // The rest of it on the disk.
  void drop_files(const ContainerRecord& record);
  void empty_trash_soon();

  // container_exec.cc
  Result<std::shared_ptr<Exec>> find_exec(std::string_view id) const;
  Result<std::shared_ptr<Exec>> add_exec(Container& container, const ExecConfig& config);
  void watch_exec(const ContainerPtr& container, const std::shared_ptr<Exec>& exec, bool quiet);
  // Where who attaches to it connects.
  std::string exec_socket(const Container& container, const Exec& exec) const;
  Result<task::ExecOptions> exec_request(const ContainerRecord& record, const Exec& exec,
                                         const ExecStartOptions& options,
                                         const std::string& socket) const;
  Result<Fd> run_exec(const ContainerPtr& container, const std::shared_ptr<Exec>& exec,
                      const ExecStartOptions& options, bool quiet);

  // container_health.cc
  void begin_health(const ContainerPtr& container);
  void end_health(Container& container);
  void plan_probe(const ContainerPtr& container, std::uint64_t run, std::int64_t delay);
  void probe(const ContainerPtr& container, std::uint64_t run);
  void settle_probe(const ContainerPtr& container, std::uint64_t run, HealthResult result);

  // container_list.cc
  Result<ListFilter> parse_filter(const Filters& filters) const;
  Result<ContainerSummary> summary_of(const ContainerRecord& record, bool size,
                                      std::map<std::string, std::string>& names) const;

  // container_recover.cc
  Status load_rows();
  void settle_recovered(const task::Recovered& recovered);
  void settle_row(const ContainerPtr& container);
  Status drop_strays();
  bool has_row(const std::string& id) const {
    return by_id_.contains(id) || unreadable_.contains(id);
  }

  // container_files.cc
  Result<snapshot::MountPlan> plan_of(const ContainerRecord& record) const;
  Result<std::string> read_small(const ContainerRecord& record, std::string_view path) const;
  Result<DirFd> open_root(const ContainerRecord& record, MountFd& mount) const;

  // Writes a new record, with events in the same transaction, and puts it in place.
  Status commit_record(Container& container, ContainerRecord record, std::vector<Event> events);
  Status commit_config(Container& container, const ContainerRecord& record) const;
  // For where nobody can be told that it failed.
  void commit_or_warn(Container& container, ContainerRecord record, std::vector<Event> events);
  Event make_event(const ContainerRecord& record, std::string action, TextMap more = {}) const;
  void publish(const ContainerRecord& record, std::string action, TextMap more = {});
  std::string folder(const std::string& id) const { return options_.root + "/containers/" + id; }
  std::vector<ContainerPtr> all() const;

  const EngineOptions& options_;
  ContainerStores stores_;
  OpenTasks open_tasks_;
  std::unique_ptr<const SeccompFilters> seccomp_;
  std::optional<IdRemap> remap_;
  bool unified_ = false;
  std::string init_;  // of --init
  std::string shim_;  // our shim

  mutable std::shared_mutex mutex_;  // guards the three below
  std::map<std::string, ContainerPtr, std::less<>> by_id_;
  std::map<std::string, std::string, std::less<>> by_name_;  // to ids; also of those being made
  std::map<std::string, std::weak_ptr<Container>, std::less<>> execs_;  // by the exec's id

  std::atomic<bool> has_links_ = false;      // any container, ever
  std::atomic<bool> empties_trash_ = false;  // soon
  mutable std::mutex names_mutex_;           // one at a time writes names of neighbours

  std::set<std::string> unreadable_;  // ids whose rows can't be read; set at the start

  Workers workers_;
  std::unique_ptr<task::Tasks> tasks_;  // last: its threads use all of the above
};

}  // namespace dhow::engine
