// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/types.h"

// The options of runtimes: containerd.runc.v1, and runtimeoptions.v1 for the others.
namespace dhow::rpc::runc {

struct Options {
  static constexpr std::string_view kName = "containerd.runc.v1.Options";
  bool no_pivot_root = false;
  bool no_new_keyring = false;
  std::string shim_cgroup = {};
  std::uint32_t io_uid = 0;
  std::uint32_t io_gid = 0;
  std::string binary_name = {};  // the OCI runtime, looked up in $PATH
  std::string root = {};         // its state folder
  bool systemd_cgroup = false;
  std::string criu_image_path = {};
  std::string criu_work_path = {};
  void fields(Codec& codec) {
    codec(1, no_pivot_root)(2, no_new_keyring)(3, shim_cgroup)(4, io_uid)(5, io_gid);
    codec(6, binary_name)(7, root)(9, systemd_cgroup)(10, criu_image_path)(11, criu_work_path);
  }
};

struct CheckpointOptions {
  static constexpr std::string_view kName = "containerd.runc.v1.CheckpointOptions";
  bool exit = false;  // end the container afterwards
  bool open_tcp = false;
  bool external_unix_sockets = false;
  bool terminal = false;
  bool file_locks = false;
  std::vector<std::string> empty_namespaces = {};
  std::string cgroups_mode = {};
  std::string image_path = {};
  std::string work_path = {};
  std::string parent_path = {};
  void fields(Codec& codec) {
    codec(1, exit)(2, open_tcp)(3, external_unix_sockets)(4, terminal)(5, file_locks);
    codec(6, empty_namespaces)(7, cgroups_mode)(8, image_path)(9, work_path)(10, parent_path);
  }
};

struct ProcessDetails {
  static constexpr std::string_view kName = "containerd.runc.v1.ProcessDetails";
  std::string exec_id = {};
  void fields(Codec& codec) { codec(1, exec_id); }
};

// runtimeoptions.v1.Options: a configuration file of the runtime's own.
struct GenericOptions {
  static constexpr std::string_view kName = "runtimeoptions.v1.Options";
  std::string type_url = {};
  std::string config_path = {};
  std::string config_body = {};
  void fields(Codec& codec) { codec(1, type_url)(2, config_path)(3, config_body); }
};

}  // namespace dhow::rpc::runc
