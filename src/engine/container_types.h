// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/container_config.h"
#include "engine/events.h"
#include "engine/interface_use.h"
#include "oci/image.h"
#include "oci/platform.h"
#include "sys/fd.h"

// What the use cases of containers.h take and answer. Times are nanoseconds since 1970, 0: never.
namespace dhow::engine {

enum class Phase { kCreated, kRunning, kPaused, kRestarting, kRemoving, kExited, kDead };
// Docker's word: "created", "running", …
std::string_view phase_name(Phase phase);

struct HealthResult {
  std::int64_t start = 0;
  std::int64_t end = 0;
  int exit_code = 0;
  std::string output;  // at most 4096 bytes
};

struct HealthState {
  std::string status;  // "starting", "healthy", "unhealthy"
  std::int64_t failing_streak = 0;
  std::vector<HealthResult> log;  // the last five
};

struct ContainerState {
  Phase phase = Phase::kCreated;
  bool oom_killed = false;
  std::int64_t pid = 0;  // 0: none
  int exit_code = 0;
  std::string error;
  std::int64_t started = 0;
  std::int64_t finished = 0;
  std::optional<HealthState> health;

  // A process is there: running or paused. Docker says so of restarting ones too.
  bool has_process() const { return phase == Phase::kRunning || phase == Phase::kPaused; }
  bool is_running() const { return has_process() || phase == Phase::kRestarting; }
};

// A mount of a container, as `inspect` shows it.
struct MountPoint {
  std::string type;  // "bind", "volume", "tmpfs", "image"
  std::string name;  // of a volume
  std::string source;
  std::string destination;
  std::string driver;
  std::string mode;
  bool writable = true;
  std::string propagation;
};

// A network that a container is in, or is to be in with its next start: then without addresses.
struct NetworkStatus {
  std::string name;
  std::string network_id;
  EndpointConfig config;  // as it was asked for
  std::string endpoint_id;
  std::string gateway;
  std::string address;
  int prefix_length = 0;
  std::string gateway6;
  std::string address6;
  int prefix_length6 = 0;
  std::string mac;
  std::vector<std::string> dns_names;
  bool is_gateway = false;
};

// A port of a container, as it can be reached.
struct PortStatus {
  std::uint16_t container_port = 0;
  std::string protocol;
  std::string host;             // "": it is not published
  std::uint16_t host_port = 0;  // 0: at the container's own address alone
};

struct CreateRequest {
  std::string name;  // "": one is made up
  std::optional<oci::Platform> platform;
  CreateConfig config;
};

struct CreateAnswer {
  std::string id;
  std::vector<std::string> warnings;
};

// All that is known of a container.
struct Inspection {
  std::string id;
  std::string name;  // without the slash
  std::int64_t created = 0;
  std::string path;  // of the program, and its arguments
  std::vector<std::string> args;
  ContainerState state;
  std::string image_id;  // "sha256:…": digest of the image's manifest or index
  oci::Descriptor image_manifest;
  std::string resolv_conf_path;
  std::string hostname_path;
  std::string hosts_path;
  std::string log_path;  // "": the driver has no file
  std::int64_t restart_count = 0;
  std::string driver;    // the snapshotter: "overlayfs"
  std::string platform;  // "linux"
  std::string mount_label;
  std::string process_label;
  std::string apparmor_profile;
  std::vector<std::string> exec_ids;
  CreateConfig config;  // image and request put together, defaults filled in
  std::vector<MountPoint> mounts;
  std::string sandbox_key;  // of the network namespace; "": none
  std::vector<NetworkStatus> networks;
  std::vector<PortStatus> ports;        // of one that runs
  std::optional<std::int64_t> size_rw;  // bytes; only when asked for
  std::optional<std::int64_t> size_root;
};

// What a list shows of a container.
struct ContainerSummary {
  std::string id;
  std::string name;
  std::string image;  // as asked for, or the id when that is of another image now
  std::string image_id;
  std::string command;
  std::int64_t created = 0;
  ContainerState state;
  std::string status;  // docker's words: "Up 2 minutes (healthy)", "Exited (0) 3 seconds ago"
  TextMap labels;
  std::string network_mode;
  std::vector<NetworkStatus> networks;
  std::vector<PortStatus> ports;
  TextMap annotations;
  std::vector<MountPoint> mounts;
  std::optional<std::int64_t> size_rw;
  std::optional<std::int64_t> size_root;
};

struct ListOptions {
  bool all = false;   // also those that don't run
  bool size = false;  // count bytes: looks at the files of each
  int limit = 0;      // the newest so many, running or not; 0: all
  // ancestor, before, expose, exited, health, id, is-task, isolation, label, name, network,
  // publish, since, status, volume
  Filters filters;
};

enum class WaitCondition { kNotRunning, kNextExit, kRemoved };

struct WaitAnswer {
  int exit_code = 0;
  std::string error;  // "": none
};

// Ends what it stands for when it goes; then nothing is called any more, and a call that is under
// way has returned; it may be dropped inside of that call.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

struct LogOptions {
  bool standard_output = true;
  bool standard_error = true;
  bool follow = false;
  std::optional<std::int64_t> since;
  std::optional<std::int64_t> until;
  std::optional<std::int64_t> tail;  // lines; none: all
};

struct LogRecord {
  bool is_error = false;  // of the standard error
  std::int64_t time = 0;
  std::string_view text;  // with the newline, unless the line is longer than a record
  TextMap attributes;     // with log options that name labels or variables
};

struct AttachOptions {
  bool standard_input = false;
  bool standard_output = false;
  bool standard_error = false;
  bool framed = false;  // docker's 8-byte frames; only without a terminal
};

struct StopOptions {
  std::string signal;                   // "": the container's
  std::optional<std::int64_t> timeout;  // seconds before SIGKILL; -1: wait; none: the container's
};

struct RemoveOptions {
  bool force = false;    // also one that runs: it is killed
  bool volumes = false;  // with its anonymous volumes
};

struct ExecState {
  std::string id;
  std::string container;
  bool running = false;
  std::optional<int> exit_code;
  std::int64_t pid = 0;
  bool can_remove = false;
  ExecConfig config;
};

struct ExecStartOptions {
  bool detach = false;
  bool tty = false;
  std::optional<std::vector<std::int64_t>> console_size;  // height, width
  bool framed = true;                                     // as of AttachOptions
};

struct TopAnswer {
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> processes;
};

// One sample, from the container's control groups. Times in nanoseconds, sizes in bytes.
struct StatsSample {
  std::string id;
  std::string name;
  std::int64_t read = 0;
  std::uint64_t cpu_total = 0;
  std::uint64_t cpu_user = 0;
  std::uint64_t cpu_kernel = 0;
  std::vector<std::uint64_t> cpu_each;  // cgroup v1 only
  std::uint64_t system_cpu = 0;         // of the machine
  std::uint32_t online_cpus = 0;
  std::uint64_t throttling_periods = 0;
  std::uint64_t throttled_periods = 0;
  std::uint64_t throttled_time = 0;
  std::uint64_t memory_usage = 0;
  std::uint64_t memory_max_usage = 0;  // cgroup v1 only
  std::uint64_t memory_limit = 0;      // the machine's memory when there is none
  std::uint64_t memory_failcnt = 0;
  std::map<std::string, std::uint64_t> memory_stats;
  std::uint64_t pids_current = 0;
  std::optional<std::uint64_t> pids_limit;  // none: no limit
  struct BlockIo {
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    std::string op;
    std::uint64_t value = 0;
  };
  std::vector<BlockIo> io_bytes;
  std::vector<BlockIo> io_operations;
  std::vector<InterfaceUse> interfaces;  // those of its networks
  bool unified = false;                  // of cgroup v2
  bool running = false;                  // false: all of the above is 0
};

enum class ChangeKind { kModified = 0, kAdded = 1, kDeleted = 2 };
struct Change {
  std::string path;
  ChangeKind kind = ChangeKind::kModified;
};

struct CommitOptions {
  std::string reference;  // "repo:tag"; "": no name
  std::string author;
  std::string comment;
  bool pause = true;
  std::vector<std::string> changes;       // Dockerfile instructions
  std::optional<ContainerConfig> config;  // over the container's
};

// The file at a path of a container: docker's X-Docker-Container-Path-Stat.
struct PathStat {
  std::string name;
  std::int64_t size = 0;
  std::uint32_t mode = 0;  // of Go's os.FileMode: bits 31 folder, 27 symbolic link, …
  std::int64_t modified = 0;
  std::string link_target;
};

struct ArchivePutOptions {
  bool no_overwrite_dir_non_dir = false;
  bool copy_uid_gid = false;
};

struct PruneAnswer {
  std::vector<std::string> removed;
  std::int64_t reclaimed = 0;  // bytes
};

}  // namespace dhow::engine
