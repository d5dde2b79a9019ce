// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/cgroup/old_values.h"
#include "sys/fd.h"

namespace dhow::cgroup {

// What a folder must be on before anything is written below it: a bind mount or a swapped path then
// can't turn a limit into a write to some other file. kAny is for trees made by tests.
enum class FsKind { kV1, kV2, kAny };

// An open cgroup: its files are reached relative to the descriptor, one name at a time, without
// following symbolic links. Not thread safe; every call blocks as cgroupfs does.
class Folder {
 public:
  // kNotFound when there is none; kFailedPrecondition when it is on another file system.
  static Result<Folder> open(std::string path, FsKind kind);
  // Opens `path` after making what is missing of it below `top`, which must exist. `visit`, when
  // given, sees each parent and the child that was found or made, from the top down, but only from
  // the deepest parent that existed already.
  struct Made;
  using Visit = Status (*)(const Folder& parent, const Folder& child, void* data);
  static Result<Made> make(const std::string& path, std::string_view top, FsKind kind,
                           Visit visit = nullptr, void* data = nullptr);

  const Fd& fd() const { return fd_; }
  const std::string& path() const { return path_; }
  FsKind kind() const { return kind_; }

  bool has(std::string_view name) const;
  // The content without the newline at its end.
  Result<std::string> read(std::string_view name) const;
  Result<std::uint64_t> read_number(std::string_view name) const;  // "max" is UINT64_MAX
  Status write(std::string_view name, std::string_view value) const;
  // From now on each write adds to `values`, which must outlive it, what the file held before.
  void keep_old_values(OldValues& values) { old_values_ = &values; }
  // Adds what the file holds, for one that changes with the next write to another.
  void keep_old_value(std::string_view name) const;
  Result<Fd> open_file(std::string_view name, int flags) const;
  Result<Folder> child(std::string_view name) const;
  // Makes it where it isn't there. A failure leaves none that it has made.
  Result<Made> make_child(std::string_view name) const;
  // Names of the cgroups directly below.
  Result<std::vector<std::string>> children() const;

 private:
  Folder(Fd fd, std::string path, FsKind kind)
      : fd_(std::move(fd)), path_(std::move(path)), kind_(kind) {}
  static Result<Folder> check(Fd fd, std::string path, FsKind kind);
  std::optional<OldValue> old_value(std::string_view name, std::string_view value) const;

  Fd fd_;
  std::string path_;
  FsKind kind_;
  OldValues* old_values_ = nullptr;
};

struct Folder::Made {
  Folder folder;
  bool existed;
};

// The caller has no right to it, or the hierarchy is mounted read-only.
bool is_denied(const Error& error);
// There is no such cgroup or file, or it went while it was open (ENODEV).
bool is_missing(const Error& error);

// The number in a line "name number" of a flat keyed file; nullopt when there is none.
std::optional<std::uint64_t> keyed_number(std::string_view text, std::string_view name);

// Test hook: sees every write before it is done; nullptr for none.
void set_write_observer(void (*observer)(std::string_view path, std::string_view value));

}  // namespace dhow::cgroup
