// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The messages of criu's RPC (https://criu.org/RPC, rpc.proto): what this program says and what it
// understands of the answers. The numbers are criu's.
namespace dhow::criu {

enum class RequestType : std::uint32_t {
  kEmpty = 0,
  kDump = 1,
  kRestore = 2,
  kPreDump = 4,
  kNotify = 6,
  kFeatureCheck = 9,
  kVersion = 10,
};

enum class CgroupMode : std::uint32_t { kIgnore = 0, kSoft = 3, kFull = 4, kStrict = 5 };
enum class NetworkLock : std::uint32_t { kIptables = 1, kNftables = 2, kSkip = 3 };

// Dump: the mount at `key` is not saved but named `value`. Restore: what is named `key` is a bind
// mount of the host's path `value`.
struct ExternalMount {
  std::string key;
  std::string value;
  bool operator==(const ExternalMount&) const = default;
};

// Restore: `fd` of the criu process takes the place of what the image calls `key`.
struct InheritedFd {
  std::string key;
  int fd = -1;
  bool operator==(const InheritedFd&) const = default;
};

// Restore: processes of the cgroup root of `controller` ("": of every other) go to `path`.
struct CgroupRoot {
  std::string controller;
  std::string path;
  bool operator==(const CgroupRoot&) const = default;
};

// Restore: the namespace `kind` ("ipc") is that of the file instead of a new one.
struct JoinedNamespace {
  std::string kind;
  std::string file;
  bool operator==(const JoinedNamespace&) const = default;
};

struct PageServer {
  std::string address;
  std::uint16_t port = 0;
};

// criu_opts. Empty and false are not sent. Descriptors are numbers in the criu process.
struct Options {
  int images_fd = -1;
  int work_fd = -1;
  pid_t pid = 0;
  int log_level = 4;
  std::string log_file;
  std::string root;
  std::string parent_image;
  std::string freeze_cgroup;
  std::string config_file;
  std::string lsm_profile;
  std::string lsm_mount_context;
  std::optional<PageServer> page_server;
  std::optional<CgroupMode> cgroup_mode;
  std::optional<NetworkLock> network_lock;
  std::optional<int> status_fd;
  std::uint32_t empty_namespaces = 0;  // CLONE_NEW*
  bool leave_running = false;
  bool tcp_established = false;
  bool tcp_skip_in_flight = false;
  bool tcp_close = false;
  bool external_unix_sockets = false;
  bool shell_job = false;
  bool file_locks = false;
  bool link_remap = false;
  bool auto_dedup = false;
  bool lazy_pages = false;
  bool track_memory = false;
  bool evasive_devices = false;
  bool restore_as_sibling = false;  // the restored root is a child of this process, not of criu
  bool orphan_pts_master = false;
  bool notify = false;
  std::vector<ExternalMount> external_mounts;
  std::vector<std::string> external;  // "net[4026531840]:name", "file[1f:2]"
  std::vector<InheritedFd> inherited_fds;
  std::vector<CgroupRoot> cgroup_roots;
  std::vector<JoinedNamespace> joined_namespaces;
};

struct Features {
  bool memory_tracking = false;
  bool lazy_pages = false;
};

struct Request {
  RequestType type = RequestType::kEmpty;
  std::optional<Options> options = {};
  std::optional<bool> notify_success = {};
  bool keep_open = false;  // more requests follow
  std::optional<Features> features = {};
};

struct Response {
  RequestType type = RequestType::kEmpty;
  bool success = false;
  std::string script;  // of a notification
  pid_t pid = 0;       // of a notification, or of the restored root
  int error_number = 0;
  std::string error_text;
  Features features;
  int version = 0;  // 31701 is 3.17.1
};

std::string encode_request(const Request& request);

// kDataLoss when the bytes are no message or lack what every answer has. Fields that are not known
// are passed over: newer versions of criu have more.
Result<Response> decode_response(std::string_view bytes);

// 31701 as "3.17.1".
std::string version_text(int version);

}  // namespace dhow::criu
