// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "metadata/testing.h"
#include "snapshot/snapshotter.h"

namespace dhow::snapshot {

// A snapshotter that is held to the contract.
struct Implementation {
  std::string name;
  std::function<Result<std::unique_ptr<Snapshotter>>(const std::string& folder,
                                                     metadata::Database& database)>
      open;
};

// A mount that nobody else sees, and what is in it.
class Tree {
 public:
  Tree() = default;
  explicit Tree(MountFd mount) : mount_(std::move(mount)) {}
  // A path that leads into it, in this process.
  std::string at(std::string_view path) const;
  void write(std::string_view path, std::string_view content) const;
  // "none" when there is no such file.
  std::string read(std::string_view path) const;
  std::vector<std::string> names(std::string_view path = ".") const;
  const MountFd& mount() const { return mount_; }

 private:
  MountFd mount_;
};

// A snapshotter of its own, in a folder that goes with the test. Needs root.
class SnapshotterTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override;
  void TearDown() override;
  virtual Result<std::unique_ptr<Snapshotter>> open() = 0;

  std::string folder() const { return folder_ + "/snapshots"; }
  // Files in a folder of the store: "snapshots", "new", "trash".
  std::size_t count(std::string_view name) const;
  std::string path_of(std::string_view name);
  // As after the end of the process.
  void reopen_store();
  // As after a power loss.
  void pretend_another_boot();

  static NewSnapshot wanted(const std::string& key, const std::string& parent = "");
  // The mounts of a new snapshot, and of one that is there.
  Tree prepare(const std::string& key, const std::string& parent = "");
  Tree view(const std::string& key, const std::string& parent = "");
  Tree tree(const std::string& key);
  static Tree mounted(const Result<MountPlan>& plan);
  void commit(const std::string& key, const std::string& name);
  void commit_layer(const std::string& key, const std::string& name, const std::string& parent);
  // A layer with one file of its name.
  void make_layer(const std::string& name, const std::string& parent = "");
  Code code_of_stat(std::string_view name) const;

  std::unique_ptr<Snapshotter> store_;
};

// What every snapshotter does.
class SnapshotterContract : public SnapshotterTest,
                            public ::testing::WithParamInterface<Implementation> {
 protected:
  Result<std::unique_ptr<Snapshotter>> open() override {
    return GetParam().open(folder(), *database_);
  }
};

inline std::string name_of(const ::testing::TestParamInfo<Implementation>& info) {
  return info.param.name;
}

}  // namespace dhow::snapshot
