// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/criu/worker.h"
#include "runtime/runtime.h"
#include "sys/fd.h"

namespace dhow::runtime {

// One dump or restore: its folders, and how its failure is told. Blocks as criu does.
class CheckpointSession {
 public:
  // Opens the folder of the image, and the one for criu's log and work files (the image's, when
  // none is given). `make`: the folders that are missing are made (0700).
  static Result<CheckpointSession> open(const CheckpointOptions& options, std::string log_file,
                                        bool make);

  const Fd& image() const { return image_; }
  // The folders and the log, for criu, which has to inherit the descriptors.
  void fill(criu::Options& options) const;
  std::vector<int> descriptors() const;
  // In a child that went to another mount namespace: puts the folders as they are there in the
  // place of the descriptors, since criu mounts things in its work folder. With `id_map`, a user
  // namespace, whoever is root there reads the images as their owner; file systems that can't do
  // that are left as they are.
  Status reopen(const Fd* id_map) const;
  // Asks the worker. A failure is criu's own reason, the last errors of its log, and where that is:
  // "criu dump failed: ...; log file: /path/dump.log".
  Result<criu::Response> call(const criu::Worker& worker, const criu::Request& request,
                              const criu::Worker::OnNotice& on_notice) const;

 private:
  CheckpointSession() = default;
  Error explain(const criu::Request& request, Error error) const;

  Fd image_;
  Fd work_;
  std::string image_path_;
  std::string work_path_;
  std::string log_file_;
};

}  // namespace dhow::runtime
