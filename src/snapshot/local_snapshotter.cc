// SPDX-License-Identifier: Apache-2.0
#include "snapshot/local_snapshotter.h"

#include <fcntl.h>

#include "base/strings.h"
#include "snapshot/quota.h"

namespace dhow::snapshot {

using metadata::Transaction;

namespace {

// The number of the parent that `lower` begins with, if it is still the one of that name; 0: none.
Result<std::int64_t> same_parent(const Rows& rows, const std::string& parent,
                                 const std::vector<Record>& lower) {
  if (lower.empty()) return 0;
  TRY_ASSIGN(Record now, rows.get_parent(parent));
  if (now.id == lower.front().id) return now.id;
  return fail(Code::kAborted, cat("snapshot ", quoted(parent), " was replaced meanwhile"));
}

}  // namespace

std::vector<Place> LocalSnapshotter::places(const std::vector<Record>& records) const {
  std::vector<Place> result;
  for (const Record& record : records) result.push_back({folders_->path(record.id)});
  return result;
}

MountPlan LocalSnapshotter::plan_of(const Record& record, const std::vector<Record>& lower) const {
  return backend_->plan({folders_->path(record.id)}, record.info.kind, places(lower));
}

Result<Record> LocalSnapshotter::find(std::string_view name) const {
  Record record;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(record, Rows(transaction, backend_->name()).get(name));
    return {};
  }));
  return record;
}

Result<Record> LocalSnapshotter::find_writable(std::string_view key, bool draft) const {
  TRY_ASSIGN(Record record, find(key));
  if (record.info.kind == Kind::kActive && record.is_draft == draft) return record;
  return fail(Code::kFailedPrecondition,
              cat("snapshot ", quoted(key), draft ? " is no draft of a layer" : " is not active"));
}

Result<std::vector<Record>> LocalSnapshotter::lower_of(const Record& record) const {
  std::vector<Record> lower;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(lower, Rows(transaction, backend_->name()).chain(record));
    return {};
  }));
  return lower;
}

Result<std::vector<Record>> LocalSnapshotter::chain_of(std::string_view parent) const {
  std::vector<Record> chain;
  if (parent.empty()) return chain;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    TRY_ASSIGN(Record top, rows.get_parent(parent));
    TRY_ASSIGN(chain, rows.chain(top));
    chain.insert(chain.begin(), std::move(top));
    return {};
  }));
  return chain;
}

Result<LocalSnapshotter::Made> LocalSnapshotter::make(const NewSnapshot& wanted,
                                                      std::string_view kind, Purpose purpose) {
  TRY_ASSIGN(std::vector<Record> lower, chain_of(wanted.parent));
  TRY_ASSIGN(Folders::Fresh fresh, folders_->make());
  TRY_CONTEXT(backend_->fill(fresh.fd(), purpose, places(lower)),
              cat("make the snapshot ", quoted(wanted.key)));
  Made made;
  TRY(database_.write([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    TRY_ASSIGN(std::int64_t parent, same_parent(rows, wanted.parent, lower));
    TRY_ASSIGN(std::int64_t id, rows.insert(wanted, kind, parent));
    TRY(fresh.place(id));
    made.record.id = id;
    made.record.parent = parent;
    return {};
  }));
  fresh.keep();
  made.record.info.kind = purpose == Purpose::kView ? Kind::kView : Kind::kActive;
  made.plan = plan_of(made.record, lower);
  return made;
}

Result<MountPlan> LocalSnapshotter::prepare(const NewSnapshot& wanted) {
  TRY_ASSIGN(Made made, make(wanted, "active", Purpose::kActive));
  return std::move(made.plan);
}

Result<MountPlan> LocalSnapshotter::view(const NewSnapshot& wanted) {
  TRY_ASSIGN(Made made, make(wanted, "view", Purpose::kView));
  return std::move(made.plan);
}

Result<MountPlan> LocalSnapshotter::mounts(std::string_view key) const {
  TRY_ASSIGN(Record record, find(key));
  if (record.info.kind == Kind::kCommitted) {
    return fail(Code::kFailedPrecondition,
                cat("snapshot ", quoted(key), " is committed: a view of it can be mounted"));
  }
  TRY_ASSIGN(std::vector<Record> lower, lower_of(record));
  return plan_of(record, lower);
}

Result<Draft> LocalSnapshotter::begin_layer(const std::string& key) {
  if (!backend_->layers_apart()) {
    return fail(Code::kUnimplemented,
                cat("the snapshotter ", backend_->name(), " has only whole trees"));
  }
  NewSnapshot wanted;
  wanted.key = key;
  TRY_ASSIGN(Made made, make(wanted, "draft", Purpose::kApart));
  TRY_ASSIGN(Fd folder, folders_->open(made.record.id));
  Draft draft;
  TRY_ASSIGN(draft.folder, open_at(folder, "fs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  draft.whiteouts = backend_->whiteouts();
  return draft;
}

Result<Draft> LocalSnapshotter::begin_whole(const std::string& key, const std::string& parent) {
  NewSnapshot wanted;
  wanted.key = key;
  wanted.parent = parent;
  TRY_ASSIGN(Made made, make(wanted, "draft", Purpose::kActive));
  Draft draft;
  draft.whiteouts = Whiteouts::kRemove;
  auto opened = [&]() -> Status {
    TRY_ASSIGN(draft.mount, mount(made.plan));
    TRY_ASSIGN(draft.folder, open_at(draft.mount.fd(), ".", O_RDONLY | O_DIRECTORY));
    return {};
  }();
  if (opened) return draft;
  // The caller has nothing that it could remove.
  std::ignore = remove(key);
  return std::unexpected(std::move(opened).error());
}

Status LocalSnapshotter::commit(const Commit& wanted) { return commit_as(wanted, false); }

Status LocalSnapshotter::commit_layer(const Commit& wanted) { return commit_as(wanted, true); }

Status LocalSnapshotter::commit_as(const Commit& wanted, bool draft) {
  TRY_ASSIGN(Record record, find_writable(wanted.key, draft));
  bool is_apart = draft && record.parent == 0 && backend_->layers_apart();
  if (!is_apart && !wanted.parent.empty() && wanted.parent != record.info.parent) {
    return fail(Code::kInvalidArgument,
                cat("snapshot ", quoted(wanted.key), " stands on ", quoted(record.info.parent),
                    ", not on ", quoted(wanted.parent)));
  }
  const std::string& parent = is_apart ? wanted.parent : record.info.parent;
  TRY_ASSIGN(std::vector<Record> lower, chain_of(parent));
  TRY_ASSIGN(Fd folder, folders_->open(record.id));
  bool is_there = find(wanted.name).has_value();
  Usage usage = wanted.usage.value_or(Usage());
  if (!is_there) {
    TRY_CONTEXT(backend_->seal(folder, places(lower)), cat("commit ", quoted(wanted.key)));
    if (!wanted.usage) {
      TRY_ASSIGN(usage, backend_->measure(folder, Kind::kCommitted));
    }
  }
  bool is_sealed = !is_there;
  TRY(database_.write([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    TRY_ASSIGN(Record now, rows.get(wanted.key));
    if (now.id != record.id) return no_snapshot(wanted.key);
    is_there = rows.get(wanted.name).has_value();
    if (!is_there && !is_sealed) {
      return fail(Code::kAborted, cat("snapshot ", quoted(wanted.name), " was removed meanwhile"));
    }
    if (!is_there) {
      TRY_ASSIGN(std::int64_t below, same_parent(rows, parent, lower));
      return rows.commit(record, wanted, below, usage);
    }
    if (!draft) return {};
    // Somebody else made it, so this transaction drops the draft.
    TRY(rows.hold(wanted.lease, wanted.name));
    return drop(rows, record);
  }));
  if (is_there) {
    return fail(Code::kAlreadyExists, cat("snapshot ", quoted(wanted.name), " already exists"));
  }
  backend_->trim(folder);
  return {};
}

Result<Info> LocalSnapshotter::stat(std::string_view name) const {
  TRY_ASSIGN(Record record, find(name));
  return std::move(record.info);
}

Result<std::vector<Info>> LocalSnapshotter::list() const {
  std::vector<Info> infos;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(std::vector<Record> records, Rows(transaction, backend_->name()).list());
    for (Record& record : records) {
      if (!record.is_lost) infos.push_back(std::move(record.info));
    }
    return {};
  }));
  return infos;
}

Result<Usage> LocalSnapshotter::usage(std::string_view name) const {
  TRY_ASSIGN(Record record, find(name));
  if (record.usage) return *record.usage;
  TRY_ASSIGN(Fd folder, folders_->open(record.id));
  return backend_->measure(folder, record.info.kind);
}

Status LocalSnapshotter::set_labels(std::string_view name, const metadata::Labels& labels) {
  return database_.write([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    TRY_ASSIGN(Record record, rows.get(name));
    return rows.set_labels(record.id, labels);
  });
}

Status LocalSnapshotter::drop(const Rows& rows, const Record& record) const {
  TRY(rows.remove(record.id));
  return folders_->discard(record.id);
}

Status LocalSnapshotter::remove(std::string_view name) {
  return database_.write([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    TRY_ASSIGN(std::optional<Record> record, rows.find(name));
    if (!record) return no_snapshot(name);
    TRY_ASSIGN(bool is_needed, rows.has_children(record->id));
    if (!is_needed) return drop(rows, *record);
    return fail(Code::kFailedPrecondition,
                cat("remove the snapshot ", quoted(name), ": others stand on it"));
  });
}

Status LocalSnapshotter::sync(const std::vector<std::string>& names) {
  std::vector<std::int64_t> unsynced;
  bool is_wanted = false;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    for (const std::string& name : names) {
      TRY_ASSIGN(Record record, rows.get(name));
      is_wanted = is_wanted || !record.boot.empty();
      TRY_ASSIGN(std::vector<Record> lower, rows.chain(record));
      for (const Record& layer : lower) is_wanted = is_wanted || !layer.boot.empty();
    }
    if (!is_wanted) return {};
    // One call syncs them all.
    TRY_ASSIGN(std::vector<Record> records, rows.list());
    for (const Record& record : records) {
      if (!record.boot.empty() && !record.is_lost) unsynced.push_back(record.id);
    }
    return {};
  }));
  if (!is_wanted) return {};
  TRY(folders_->sync());
  TRY(database_.write([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    for (std::int64_t id : unsynced) TRY(rows.set_synced(id));
    return {};
  }));
  return database_.sync();
}

Status LocalSnapshotter::check_quota() const {
  if (backend_->whiteouts() == Whiteouts::kRemove) {
    return fail(Code::kUnimplemented, cat("limit the size of a snapshot: those of ",
                                          backend_->name(), " have what is below in them"));
  }
  return check_limits(folders_->fd());
}

Status LocalSnapshotter::set_quota(std::string_view key, std::int64_t bytes) {
  TRY(check_quota());
  TRY_ASSIGN(Record record, find_writable(key, false));
  TRY_ASSIGN(Fd folder, folders_->open(record.id));
  return limit_bytes(folder, record.id, bytes);
}

metadata::Collector::Remover LocalSnapshotter::remover() {
  return [this](const metadata::Garbage& garbage) -> Status {
    if (garbage.snapshotter == backend_->name()) return folders_->discard(garbage.id);
    return fail(Code::kInvalidArgument, cat("snapshot ", quoted(garbage.name), " is not of ",
                                            backend_->name(), " but ", garbage.snapshotter));
  };
}

}  // namespace dhow::snapshot
