// SPDX-License-Identifier: Apache-2.0
#include "snapshot/tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_set>
#include <vector>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::snapshot {
namespace {

constexpr std::int64_t kBlock = 512;  // of st_blocks, whatever the file system's own

class Walk {
 public:
  explicit Walk(TreeVisitor& visitor) : visitor_(visitor) {}

  Status run(FdRef root) {
    TRY_ASSIGN(current_, open_at(root, ".", kOpenFolder));
    struct stat info{};
    if (::fstat(current_.get(), &info) != 0) return fail_errno(errno, "stat folder");
    device_ = info.st_dev;
    TRY(push("", info));
    while (true) {
      Level& level = levels_.back();
      if (!level.names.empty()) {
        std::string name = std::move(level.names.back());
        level.names.pop_back();
        TRY(visit(name));
      } else if (levels_.size() > 1) {
        TRY(ascend());
      } else {
        return {};
      }
    }
  }

 private:
  struct Level {
    std::string name;
    struct stat info;
    std::vector<std::string> names;  // that are still to be visited
  };

  Status push(std::string name, const struct stat& info) {
    TRY_ASSIGN(std::vector<std::string> names, list_dir(current_));
    levels_.push_back({std::move(name), info, std::move(names)});
    return {};
  }

  Status visit(const std::string& name) {
    struct stat info{};
    if (::fstatat(current_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};
      return fail_errno(errno, cat("stat ", quoted(name)));
    }
    if (info.st_dev != device_) return {};
    if (!S_ISDIR(info.st_mode)) return visitor_.file(current_, name, info);
    auto folder = open_at(current_, name, kOpenFolder);
    if (!folder) {
      if (folder.error().sys_errno() == ENOENT) return {};
      return std::unexpected(std::move(folder).error());
    }
    // What was opened, should it be another one by now.
    if (::fstat(folder->get(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(name)));
    if (info.st_dev != device_) return {};
    TRY(visitor_.enter(current_, name, info));
    current_ = std::move(*folder);
    return push(name, info);
  }

  Status ascend() {
    Level done = std::move(levels_.back());
    levels_.pop_back();
    TRY_ASSIGN(current_, open_at(current_, "..", kOpenFolder));
    struct stat info{};
    if (::fstat(current_.get(), &info) != 0) return fail_errno(errno, "stat folder");
    const struct stat& expected = levels_.back().info;
    if (info.st_ino != expected.st_ino || info.st_dev != expected.st_dev) {
      return fail(Code::kAborted, cat("the folder ", quoted(done.name), " was moved meanwhile"));
    }
    return visitor_.leave(current_, done.name, done.info);
  }

  TreeVisitor& visitor_;
  Fd current_;
  dev_t device_ = 0;
  std::vector<Level> levels_;
};

class Measure final : public TreeVisitor {
 public:
  Status file(FdRef, const std::string&, const struct stat& info) override {
    if (info.st_nlink > 1 && !links_.insert(info.st_ino).second) return {};
    add(info);
    return {};
  }
  Status enter(FdRef, const std::string&, const struct stat& info) override {
    add(info);
    return {};
  }
  Status leave(FdRef, const std::string&, const struct stat&) override { return {}; }

  void add(const struct stat& info) {
    usage_.bytes += std::int64_t{info.st_blocks} * kBlock;
    usage_.inodes += 1;
  }
  const Usage& usage() const { return usage_; }

 private:
  Usage usage_;
  std::unordered_set<ino_t> links_;
};

class Removal final : public TreeVisitor {
 public:
  Status file(FdRef folder, const std::string& name, const struct stat&) override {
    return remove(folder, name, 0);
  }
  Status enter(FdRef, const std::string&, const struct stat&) override { return {}; }
  Status leave(FdRef folder, const std::string& name, const struct stat&) override {
    return remove(folder, name, AT_REMOVEDIR);
  }

 private:
  static Status remove(FdRef folder, const std::string& name, int flags) {
    if (::unlinkat(folder.get(), name.c_str(), flags) == 0 || errno == ENOENT) return {};
    return fail_errno(errno, cat("remove ", quoted(name)));
  }
};

}  // namespace

Status walk_tree(FdRef root, TreeVisitor& visitor) { return Walk(visitor).run(root); }

Result<Usage> measure_tree(FdRef root) {
  struct stat info{};
  if (::fstat(root.get(), &info) != 0) return fail_errno(errno, "stat folder");
  Measure measure;
  measure.add(info);
  TRY(walk_tree(root, measure));
  return measure.usage();
}

Status remove_deep_tree(FdRef folder, std::string_view name) {
  std::string target(name);
  if (::unlinkat(folder.get(), target.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return fail_errno(errno, cat("remove ", quoted(name)));
  {
    TRY_ASSIGN(Fd root, open_at(folder, name, kOpenFolder));
    Removal removal;
    TRY(walk_tree(root, removal));
  }
  if (::unlinkat(folder.get(), target.c_str(), AT_REMOVEDIR) == 0) return {};
  return fail_errno(errno, cat("remove ", quoted(name)));
}

}  // namespace dhow::snapshot
