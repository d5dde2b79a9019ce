// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "runtime/cli/command.h"

namespace dhow::runtime::cli {
namespace {

// What checkpoint and restore have in common. A flag that one of them lacks reads as not given.
Result<CheckpointOptions> checkpoint_options(const ParsedArguments& arguments) {
  CheckpointOptions options;
  std::string_view image = arguments.string("image-path");
  TRY_ASSIGN(options.image_path, absolute_path(image.empty() ? "checkpoint" : image));
  TRY_ASSIGN(options.work_path, absolute_path(arguments.string("work-path")));
  options.parent_path = arguments.string("parent-path");
  options.status_fd_number = arguments.string("status-fd");
  options.page_server = arguments.string("page-server");
  options.cgroups_mode = arguments.string("manage-cgroups-mode");
  options.lsm_profile = arguments.string("lsm-profile");
  options.lsm_mount_context = arguments.string("lsm-mount-context");
  options.network_lock = arguments.string("network-lock");
  options.empty_ns = arguments.list("empty-ns");
  options.leave_running = arguments.boolean("leave-running");
  options.tcp_established = arguments.boolean("tcp-established");
  options.tcp_skip_in_flight = arguments.boolean("tcp-skip-in-flight");
  options.tcp_close = arguments.boolean("tcp-close");
  options.link_remap = arguments.boolean("link-remap");
  options.ext_unix_sk = arguments.boolean("ext-unix-sk");
  options.shell_job = arguments.boolean("shell-job");
  options.lazy_pages = arguments.boolean("lazy-pages");
  options.file_locks = arguments.boolean("file-locks");
  options.pre_dump = arguments.boolean("pre-dump");
  options.auto_dedup = arguments.boolean("auto-dedup");
  return options;
}

Status check_options(const CheckpointOptions& options) {
  if (!options.parent_path.empty() && options.parent_path.front() == '/') {
    return fail(Code::kInvalidArgument,
                cat("parent path ", quoted(options.parent_path), ": must be relative"));
  }
  if (!options.page_server.empty()) {
    std::size_t colon = options.page_server.rfind(':');
    std::string_view port = std::string_view(options.page_server).substr(colon + 1);
    if (colon == std::string::npos || colon == 0 || !parse_number<std::uint16_t>(port)) {
      return fail(Code::kInvalidArgument,
                  cat("page server ", quoted(options.page_server), ": want ADDRESS:PORT"));
    }
  }
  std::string_view mode = options.cgroups_mode;
  for (std::string_view known : {"", "soft", "full", "strict", "ignore"}) {
    if (mode == known) return {};
  }
  return fail(Code::kInvalidArgument, cat("invalid manage-cgroups-mode ", quoted(mode)));
}

}  // namespace

Result<int> handle_checkpoint(const Invocation& call) {
  TRY(check_id(call.id()));
  TRY_ASSIGN(CheckpointOptions options, checkpoint_options(call.arguments));
  TRY(check_options(options));
  TRY(runtime::checkpoint(call.context, call.id(), options));
  return 0;
}

Result<int> handle_restore(const Invocation& call) {
  TRY(check_id(call.id()));
  TRY_ASSIGN(CheckpointOptions options, checkpoint_options(call.arguments));
  TRY(check_options(options));
  TRY_ASSIGN(options.create, create_options(call));
  options.create.detach = call.arguments.boolean("detach");
  return runtime::restore(call.context, options);
}

}  // namespace dhow::runtime::cli
