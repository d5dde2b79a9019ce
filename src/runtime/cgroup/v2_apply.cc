// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/v2_apply.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "runtime/cgroup/convert.h"

namespace dhow::cgroup {
namespace {

bool has_word(std::string_view text, std::string_view word) {
  auto words = split(text, ' ');
  return std::ranges::find(words, word) != words.end();
}

// A file that isn't there means that its controller is off in this cgroup.
Status need(std::string_view controller, Status done) {
  if (done || done.error().sys_errno() != ENOENT) return done;
  return fail(std::move(done).error().add_context(cat(
      "cannot set ", controller, " limit: controller ", quoted(controller), " is not available")));
}

Status check_before_update(const Folder& folder, const oci::MemoryLimits& memory) {
  std::int64_t limit = memory.limit.value_or(0);
  std::int64_t swap = memory.swap.value_or(0);
  if (!memory.check_before_update.value_or(false) || (limit <= 0 && swap <= 0)) return {};
  auto usage = folder.read_number("memory.current");
  if (!usage) {
    // Not there at creation when the controller is off: then the write below tells.
    if (usage.error().sys_errno() == ENOENT) return {};
    return fail(std::move(usage).error());
  }
  if (swap > 0 && static_cast<std::uint64_t>(swap) <= *usage) {
    return fail(Code::kFailedPrecondition,
                cat("rejecting memory+swap limit ", swap, " <= usage ", *usage));
  }
  if (limit > 0 && static_cast<std::uint64_t>(limit) <= *usage) {
    return fail(Code::kFailedPrecondition,
                cat("rejecting memory limit ", limit, " <= usage ", *usage));
  }
  return {};
}

Status apply_memory(const Folder& folder, const oci::MemoryLimits& memory) {
  TRY(check_before_update(folder, memory));
  TRY_ASSIGN(auto swap, swap_max_text(memory));
  if (swap) {
    auto written = folder.write("memory.swap.max", *swap);
    // Without swap accounting there is no file, and nothing to bound or to forbid.
    bool no_matter =
        !written && written.error().sys_errno() == ENOENT && (*swap == "max" || *swap == "0");
    if (!written && !no_matter) return written;
  }
  if (auto limit = limit_text(memory.limit)) TRY(folder.write("memory.max", *limit));
  if (auto low = limit_text(memory.reservation)) TRY(folder.write("memory.low", *low));
  return {};
}

Status apply_bandwidth(const Folder& folder, const oci::CpuLimits& cpu) {
  constexpr std::uint64_t kDefaultPeriod = 100'000;  // cgroup-v2.rst, cpu.max
  bool again_burst = false;
  if (cpu.burst) {
    // The burst must not exceed the quota, so it may have to wait for the new one.
    auto written = folder.write("cpu.max.burst", cat(*cpu.burst));
    if (!written && !(cpu.quota.value_or(0) != 0 && written.error().sys_errno() == EINVAL)) {
      return written;
    }
    again_burst = !written;
  }
  if (cpu.quota.value_or(0) != 0 || cpu.period.value_or(0) != 0) {
    std::string quota = cpu.quota.value_or(0) > 0 ? cat(*cpu.quota) : std::string("max");
    std::uint64_t period = cpu.period.value_or(0) != 0 ? *cpu.period : kDefaultPeriod;
    TRY(folder.write("cpu.max", cat(quota, " ", period)));
  }
  if (again_burst) TRY(folder.write("cpu.max.burst", cat(*cpu.burst)));
  return {};
}

Status apply_cpu(const Folder& folder, const oci::CpuLimits& cpu) {
  if (cpu.idle) {
    if (*cpu.idle != 0) folder.keep_old_value("cpu.weight");  // not known when it is idle
    TRY(folder.write("cpu.idle", cat(*cpu.idle)));
  }
  // The weight of an idle cgroup can't be set (Linux 5.15).
  if (cpu.shares.value_or(0) != 0 && cpu.idle.value_or(0) == 0) {
    TRY(folder.write("cpu.weight", cat(cpu_weight_from_shares(*cpu.shares))));
  }
  return apply_bandwidth(folder, cpu);
}

Status apply_cpuset(const Folder& folder, const oci::CpuLimits& cpu) {
  if (!cpu.cpus.empty()) TRY(folder.write("cpuset.cpus", cpu.cpus));
  if (!cpu.mems.empty()) TRY(folder.write("cpuset.mems", cpu.mems));
  return {};
}

Status write_throttles(const Folder& folder, std::string_view key,
                       const std::vector<oci::ThrottleDevice>& devices) {
  for (const oci::ThrottleDevice& device : devices) {
    TRY(folder.write("io.max", cat(device.major, ":", device.minor, " ", key, "=", device.rate)));
  }
  return {};
}

Status apply_weights(const Folder& folder, const oci::BlockIoLimits& io) {
  if (io.weight.value_or(0) == 0 && io.weight_device.empty()) return {};
  // BFQ takes 1..1000 as v1 does; io.weight is the iocost controller's.
  bool bfq = folder.has("io.bfq.weight");
  std::string_view file = bfq ? "io.bfq.weight" : "io.weight";
  auto scaled = [bfq](std::uint16_t weight) {
    return bfq ? std::uint64_t{weight} : io_weight_from_blkio(weight);
  };
  if (io.weight.value_or(0) != 0) TRY(folder.write(file, cat(scaled(*io.weight))));
  for (const oci::WeightDevice& device : io.weight_device) {
    if (device.weight.value_or(0) == 0) continue;
    TRY(folder.write(file, cat(device.major, ":", device.minor, " ", scaled(*device.weight))));
  }
  return {};
}

Status apply_io(const Folder& folder, const oci::BlockIoLimits& io) {
  TRY(apply_weights(folder, io));
  TRY(write_throttles(folder, "rbps", io.throttle_read_bps_device));
  TRY(write_throttles(folder, "wbps", io.throttle_write_bps_device));
  TRY(write_throttles(folder, "riops", io.throttle_read_iops_device));
  return write_throttles(folder, "wiops", io.throttle_write_iops_device);
}

Status apply_unified(const Folder& folder, const oci::StringMap& unified) {
  for (const auto& [name, value] : unified) {
    if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..") {
      return fail(Code::kInvalidArgument,
                  cat("unified resource ", quoted(name), " must be a file name (no slashes)"));
    }
    // Files with a line a device take one line a write.
    for (std::string_view line : split(value, '\n')) {
      if (line.empty() && !value.empty()) continue;
      auto written = folder.write(name, line);
      if (written) continue;
      std::size_t dot = name.find('.');
      if (written.error().sys_errno() != ENOENT || dot == std::string::npos) {
        return fail(std::move(written).error().add_context(
            cat("unable to set unified resource ", quoted(name))));
      }
      std::string_view controller = std::string_view(name).substr(0, dot);
      auto available = folder.read("cgroup.controllers");
      if (available && !has_word(*available, controller)) {
        return fail(Code::kFailedPrecondition,
                    cat("unified resource ", quoted(name), " can't be set: controller ",
                        quoted(controller), " not available"));
      }
      return fail(std::move(written).error().add_context(
          cat("unable to set unified resource ", quoted(name))));
    }
  }
  return {};
}

}  // namespace

// What is enabled stays so when the container goes: other children may count on it by then, and an
// enabled controller that nobody uses costs nothing. Every manager of cgroup v2 does it this way.
Status enable_for_children(const Folder& folder, const std::vector<std::string_view>& wanted) {
  TRY_ASSIGN(std::string available, folder.read("cgroup.controllers"));
  if (available.empty()) return {};
  TRY_ASSIGN(std::string enabled, folder.read("cgroup.subtree_control"));
  std::vector<std::string> missing;
  for (std::string_view name : split(available, ' ')) {
    if (!wanted.empty() && std::ranges::find(wanted, name) == wanted.end()) continue;
    if (!has_word(enabled, name)) missing.push_back(cat("+", name));
  }
  if (missing.empty()) return {};
  auto written = folder.write("cgroup.subtree_control", join(missing, " "));
  // With processes in it the cgroup can only pass on the controllers that work on threads, which
  // would turn it into a threaded domain whose children take no process: all or nothing then.
  if (written || missing.size() == 1 || written.error().sys_errno() == EBUSY) return {};
  for (const std::string& one : missing) {
    std::ignore = folder.write("cgroup.subtree_control", one);  // one of them was refused
  }
  return {};
}

Status enable_controllers(const std::string& mount, const std::string& path, FsKind kind,
                          const std::vector<std::string_view>& wanted) {
  TRY_ASSIGN(Folder folder, Folder::open(mount, kind));
  auto names = split(std::string_view(path).substr(mount.size()), '/');
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    TRY(enable_for_children(folder, wanted));
    if (i + 1 == names.size()) break;
    TRY_ASSIGN(folder, folder.child(names[i]));
  }
  return {};
}

Result<Folder::Made> make_v2_folder(const std::string& mount, const std::string& path,
                                    FsKind kind) {
  TRY_ASSIGN(Folder top, Folder::open(mount, kind));
  Folder::Made made{std::move(top), true};
  for (std::string_view name : split(std::string_view(path).substr(mount.size()), '/')) {
    if (name.empty()) continue;
    TRY(enable_for_children(made.folder, {}));
    TRY_ASSIGN(made, made.folder.make_child(name));
  }
  return made;
}

Status apply_hugetlb_v2(const Folder& folder, const std::vector<oci::HugepageLimit>& limits) {
  for (const oci::HugepageLimit& limit : limits) {
    TRY(need("hugetlb", folder.write(cat("hugetlb.", limit.page_size, ".max"), cat(limit.limit))));
    // Reservations are counted apart since Linux 5.7.
    auto reserved = folder.write(cat("hugetlb.", limit.page_size, ".rsvd.max"), cat(limit.limit));
    if (!reserved && reserved.error().sys_errno() != ENOENT) return reserved;
  }
  return {};
}

Status apply_v2(const Folder& folder, const oci::Resources& resources) {
  if (resources.pids_limit) {
    TRY(need("pids", folder.write("pids.max", pids_max_text(*resources.pids_limit))));
  }
  if (wants_memory(resources)) TRY(need("memory", apply_memory(folder, *resources.memory)));
  if (wants_block_io(resources)) TRY(need("io", apply_io(folder, *resources.block_io)));
  if (wants_cpu(resources)) TRY(need("cpu", apply_cpu(folder, *resources.cpu)));
  if (wants_cpuset(resources)) TRY(need("cpuset", apply_cpuset(folder, *resources.cpu)));
  TRY(apply_hugetlb_v2(folder, resources.hugepage_limits));
  TRY(need("rdma", apply_rdma(folder, resources.rdma)));
  return apply_unified(folder, resources.unified);
}

}  // namespace dhow::cgroup
