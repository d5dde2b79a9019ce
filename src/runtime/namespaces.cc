// SPDX-License-Identifier: Apache-2.0
#include "runtime/namespaces.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"

namespace dhow::runtime {

using oci::NamespaceType;

std::uint64_t clone_flag(NamespaceType type) {
  switch (type) {
    case NamespaceType::kPid:
      return CLONE_NEWPID;
    case NamespaceType::kNetwork:
      return CLONE_NEWNET;
    case NamespaceType::kMount:
      return CLONE_NEWNS;
    case NamespaceType::kIpc:
      return CLONE_NEWIPC;
    case NamespaceType::kUts:
      return CLONE_NEWUTS;
    case NamespaceType::kUser:
      return CLONE_NEWUSER;
    case NamespaceType::kCgroup:
      return CLONE_NEWCGROUP;
    case NamespaceType::kTime:
      return 0x00000080;  // CLONE_NEWTIME, Linux 5.6
  }
  std::unreachable();
}

bool NamespacePlan::has(NamespaceType type) const {
  return std::ranges::find(all, type) != all.end();
}

bool NamespacePlan::creates(NamespaceType type) const {
  return std::ranges::find(created, type) != created.end();
}

namespace {

Result<Fd> open_namespace(const oci::Namespace& entry) {
  auto fd = open_at(kCwd, entry.path, O_RDONLY);
  std::string what = cat("join ", oci::namespace_name(entry.type), " namespace ");
  if (!fd) return fail(std::move(fd).error().add_context(trim(what)));
  struct statfs info{};
  if (::fstatfs(fd->get(), &info) != 0) return fail_errno(errno, cat(what, quoted(entry.path)));
  int type = info.f_type == NSFS_MAGIC ? ::ioctl(fd->get(), NS_GET_NSTYPE) : -1;
  if (type < 0 || static_cast<std::uint64_t>(type) != clone_flag(entry.type)) {
    return fail(Code::kInvalidArgument,
                cat(what, quoted(entry.path), ": not a namespace of that type"));
  }
  return fd;
}

}  // namespace

Result<NamespacePlan> plan_namespaces(const oci::Linux& linux) {
  NamespacePlan plan;
  for (const oci::Namespace& entry : linux.namespaces) {
    plan.all.push_back(entry.type);
    if (entry.path.empty()) {
      plan.created.push_back(entry.type);
      if (entry.type == NamespaceType::kUser) plan.new_user = true;
      if (entry.type == NamespaceType::kCgroup) {
        plan.new_cgroup = true;
      } else if (entry.type == NamespaceType::kTime) {
        plan.new_time = true;
      } else {
        plan.new_flags |= clone_flag(entry.type);
      }
      continue;
    }
    TRY_ASSIGN(Fd fd, open_namespace(entry));
    if (entry.type == NamespaceType::kUser) plan.join_user = true;
    plan.joins.push_back({entry.type, std::move(fd)});
  }
  // Rights flow from the user namespace: joined first, it gives them; made new, it takes them away
  // from whoever still has to join others.
  plan.two_stage = plan.join_user || (plan.new_user && (!plan.joins.empty() || plan.new_time));
  if (!plan.two_stage) {
    auto pid = std::ranges::find(plan.joins, NamespaceType::kPid, &NamespacePlan::Join::type);
    if (pid != plan.joins.end()) {
      plan.join_pid = std::move(pid->fd);
      plan.joins.erase(pid);
    }
  }
  // The user namespace first; the mount namespace last, since it takes /proc away.
  std::ranges::stable_sort(plan.joins, {}, [](const NamespacePlan::Join& join) {
    return join.type == NamespaceType::kUser ? 0 : join.type == NamespaceType::kMount ? 2 : 1;
  });
  return plan;
}

}  // namespace dhow::runtime
