// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/strings.h"
#include "snapshot/testing/contract.h"
#include "sys/file_io.h"

namespace dhow::snapshot {

std::string Tree::at(std::string_view path) const { return proc_fd_path(mount_.fd(), path); }

void Tree::write(std::string_view path, std::string_view content) const {
  auto file = open_at(kCwd, at(path), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ASSERT_TRUE(file.has_value()) << file.error().message();
  ASSERT_TRUE(write_all(*file, content).has_value());
}

std::string Tree::read(std::string_view path) const { return read_file(at(path)).value_or("none"); }

std::vector<std::string> Tree::names(std::string_view path) const {
  auto opened = open_at(kCwd, at(path), O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(opened.has_value()) << opened.error().message();
  if (!opened) return {};
  auto names = list_dir(*opened).value();
  std::ranges::sort(names);
  return names;
}

void SnapshotterTest::SetUp() {
  DatabaseFixture::SetUp();
  reopen_store();
}

void SnapshotterTest::TearDown() {
  store_.reset();
  DatabaseFixture::TearDown();
}

std::size_t SnapshotterTest::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(cat(folder(), "/", name)), {}));
}

std::string SnapshotterTest::path_of(std::string_view name) {
  return cat(folder(), "/snapshots/",
             number(cat("SELECT id FROM snapshot WHERE name = '", name, "'")));
}

void SnapshotterTest::reopen_store() {
  store_.reset();
  auto store = open();
  ASSERT_TRUE(store.has_value()) << store.error().message();
  store_ = std::move(*store);
}

void SnapshotterTest::pretend_another_boot() {
  run({"UPDATE snapshot SET boot = 'before' WHERE boot IS NOT NULL"});
}

NewSnapshot SnapshotterTest::wanted(const std::string& key, const std::string& parent) {
  NewSnapshot snapshot;
  snapshot.key = key;
  snapshot.parent = parent;
  return snapshot;
}

Tree SnapshotterTest::mounted(const Result<MountPlan>& plan) {
  EXPECT_TRUE(plan.has_value()) << plan.error().message();
  if (!plan) return {};
  auto result = mount(*plan);
  EXPECT_TRUE(result.has_value()) << result.error().message();
  return result ? Tree(std::move(*result)) : Tree();
}

Tree SnapshotterTest::prepare(const std::string& key, const std::string& parent) {
  return mounted(store_->prepare(wanted(key, parent)));
}

Tree SnapshotterTest::view(const std::string& key, const std::string& parent) {
  return mounted(store_->view(wanted(key, parent)));
}

Tree SnapshotterTest::tree(const std::string& key) { return mounted(store_->mounts(key)); }

void SnapshotterTest::commit(const std::string& key, const std::string& name) {
  Commit request;
  request.key = key;
  request.name = name;
  auto status = store_->commit(request);
  ASSERT_TRUE(status.has_value()) << status.error().message();
}

void SnapshotterTest::commit_layer(const std::string& key, const std::string& name,
                                   const std::string& parent) {
  Commit request;
  request.key = key;
  request.name = name;
  request.parent = parent;
  auto status = store_->commit_layer(request);
  ASSERT_TRUE(status.has_value()) << status.error().message();
}

void SnapshotterTest::make_layer(const std::string& name, const std::string& parent) {
  prepare("key of " + name, parent).write(name, name);
  commit("key of " + name, name);
}

Code SnapshotterTest::code_of_stat(std::string_view name) const {
  auto info = store_->stat(name);
  return info ? Code::kUnknown : info.error().code();
}

}  // namespace dhow::snapshot
