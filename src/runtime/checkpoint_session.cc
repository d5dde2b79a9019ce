// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint_session.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/mount_fd.h"

namespace dhow::runtime {
namespace {

constexpr std::size_t kShownErrors = 5;

Result<Fd> open_folder(const std::string& path, std::string_view what, bool make) {
  if (make) TRY_CONTEXT(make_dirs(path, 0700), what);
  auto folder = open_at(kCwd, path, O_RDONLY | O_DIRECTORY);
  if (!folder) return fail(std::move(folder).error().add_context(what));
  return folder;
}

// The first error as criu answers it, if it does: "Error (criu/x.c:1): text\n".
Error refusal(const criu::Response& response) {
  std::string reason(trim(response.error_text));
  if (response.error_number != 0) {
    if (!reason.empty()) reason += ": ";
    reason += errno_text(response.error_number);
  }
  return Error(Code::kFailedPrecondition, std::move(reason));
}

}  // namespace

Result<CheckpointSession> CheckpointSession::open(const CheckpointOptions& options,
                                                  std::string log_file, bool make) {
  CheckpointSession session;
  session.log_file_ = std::move(log_file);
  TRY_ASSIGN(session.image_, open_folder(options.image_path, "image path", make));
  session.image_path_ = options.image_path;
  session.work_path_ = options.work_path.empty() ? options.image_path : options.work_path;
  TRY_ASSIGN(session.work_, open_folder(session.work_path_, "work path", true));
  // What an earlier attempt said must not be taken for this one's reason.
  if (::unlinkat(session.work_.get(), session.log_file_.c_str(), 0) != 0 && errno != ENOENT) {
    return fail_errno(errno,
                      cat("remove ", quoted(cat(session.work_path_, "/", session.log_file_))));
  }
  return session;
}

void CheckpointSession::fill(criu::Options& options) const {
  options.images_fd = image_.get();
  options.work_fd = work_.get();
  options.log_file = log_file_;
}

std::vector<int> CheckpointSession::descriptors() const { return {image_.get(), work_.get()}; }

Status CheckpointSession::reopen(const Fd* id_map) const {
  auto replace = [](const Fd& held, const Fd& by) -> Status {
    if (::dup2(by.get(), held.get()) < 0) return fail_errno(errno, "replace a descriptor");
    return {};
  };
  TRY_ASSIGN(Fd work, open_at(kCwd, work_path_, O_RDONLY | O_DIRECTORY));
  TRY(replace(work_, work));
  TRY_ASSIGN(Fd image, open_at(kCwd, image_path_, O_RDONLY | O_DIRECTORY));
  TRY(replace(image_, image));
  if (id_map == nullptr) return {};
  TRY_ASSIGN(MountFd view, MountFd::clone_of(kCwd, image_path_, false));
  auto mapped = view.set_attributes(MOUNT_ATTR_IDMAP, 0, 0, false, *id_map);
  return mapped ? replace(image_, view.fd()) : Status();
}

Error CheckpointSession::explain(const criu::Request& request, Error error) const {
  std::string_view what = request.type == criu::RequestType::kRestore   ? "restore"
                          : request.type == criu::RequestType::kPreDump ? "pre-dump"
                                                                        : "dump";
  std::string reason = error.message();
  std::string errors = criu::last_errors(work_, log_file_, kShownErrors);
  // As a rule the first error is among the last ones.
  if (errors.find(reason) != std::string::npos) {
    reason = errors;
  } else if (!errors.empty()) {
    reason += cat("; ", errors);
  }
  if (reason.empty()) reason = "it gives no reason";
  std::string text = cat("criu ", what, " failed: ", reason);
  text += cat("; log file: ", work_path_, "/", log_file_);
  return Error(error.code(), error.sys_errno(), std::move(text));
}

Result<criu::Response> CheckpointSession::call(const criu::Worker& worker,
                                               const criu::Request& request,
                                               const criu::Worker::OnNotice& on_notice) const {
  // A refused notice is our own failure: criu's log would only repeat it in other words.
  bool refused = false;
  auto watch = [&](const criu::Response& notice, std::vector<Fd> fds) -> Status {
    Status taken = on_notice ? on_notice(notice, std::move(fds)) : Status();
    refused = refused || !taken;
    return taken;
  };
  auto response = worker.call(request, watch);
  if (!response) {
    if (refused) return response;
    return fail(explain(request, std::move(response).error()));
  }
  if (!response->success) return fail(explain(request, refusal(*response)));
  return response;
}

}  // namespace dhow::runtime
