// SPDX-License-Identifier: Apache-2.0
#include "metadata/lease_store.h"

#include <time.h>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_reader.h"
#include "sys/random_name.h"

namespace dhow::metadata {
namespace {

std::unexpected<Error> no_lease(std::string_view id) {
  return fail(Code::kNotFound, cat("lease ", quoted(id), " not found"));
}

Result<Lease> read_lease(const Row& row) {
  Lease lease;
  lease.id = row.text(0);
  lease.created = row.integer(1);
  if (!row.is_null(2)) lease.expires = row.integer(2);
  TRY_ASSIGN(lease.labels, parse_labels(row.text(3)));
  return lease;
}

}  // namespace

std::string kind_name(ResourceKind kind) {
  return kind == ResourceKind::kBlob ? "blob" : "snapshot";
}

Result<Lease> LeaseStore::create(Lease lease) {
  if (lease.id.empty()) {
    TRY_ASSIGN(lease.id, random_name());
  }
  lease.created = now();
  Parameter expires;
  if (lease.expires) expires = *lease.expires;
  auto status = database_.write([&](Transaction& transaction) -> Status {
    TRY(transaction.run("INSERT INTO lease (id, created, expires, labels) VALUES (?, ?, ?, ?)",
                        {lease.id, lease.created, expires, labels_json(lease.labels)}));
    return {};
  });
  if (!status) {
    if (status.error().code() != Code::kAlreadyExists) return std::unexpected(status.error());
    return fail(Code::kAlreadyExists, cat("lease ", quoted(lease.id), " already exists"));
  }
  return lease;
}

Status LeaseStore::remove(std::string_view id) {
  return database_.write([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(std::int64_t removed,
               transaction.run("DELETE FROM lease WHERE id = ?", {std::string(id)}));
    if (removed == 0) return no_lease(id);
    return {};
  });
}

Result<std::vector<Lease>> LeaseStore::list() const {
  std::vector<Lease> leases;
  TRY(database_.read([&](Transaction& transaction) {
    return transaction.query("SELECT id, created, expires, labels FROM lease ORDER BY id", {},
                             [&](const Row& row) -> Status {
                               TRY_ASSIGN(Lease lease, read_lease(row));
                               leases.push_back(std::move(lease));
                               return {};
                             });
  }));
  return leases;
}

Status LeaseStore::add(std::string_view id, const std::vector<Resource>& resources) {
  return database_.write([&](Transaction& transaction) -> Status {
    for (const Resource& resource : resources) TRY(add(transaction, id, resource));
    return {};
  });
}

Status LeaseStore::add(Transaction& transaction, std::string_view id, const Resource& resource) {
  auto added = transaction.run(
      "INSERT INTO lease_resource (lease, kind, target) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      {std::string(id), kind_name(resource.kind), resource.target});
  if (added) return {};
  if (added.error().code() == Code::kFailedPrecondition) return no_lease(id);
  return std::unexpected(added.error());
}

Result<std::vector<Resource>> LeaseStore::resources(std::string_view id) const {
  std::vector<Resource> resources;
  bool found = false;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY(transaction.query("SELECT 1 FROM lease WHERE id = ?", {std::string(id)},
                          [&](const Row&) -> Status {
                            found = true;
                            return {};
                          }));
    return transaction.query(
        "SELECT kind, target FROM lease_resource WHERE lease = ? ORDER BY kind, target",
        {std::string(id)}, [&](const Row& row) -> Status {
          bool blob = row.text(0) == kind_name(ResourceKind::kBlob);
          resources.push_back({blob ? ResourceKind::kBlob : ResourceKind::kSnapshot, row.text(1)});
          return {};
        });
  }));
  if (!found) return no_lease(id);
  return resources;
}

std::int64_t now() {
  struct timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::string labels_json(const Labels& labels) {
  oci::JsonWriter json;
  json.begin_object();
  for (const auto& [name, value] : labels) json.member(name, value);
  json.end_object();
  return json.text();
}

Result<Labels> parse_labels(std::string_view json) {
  auto labels = oci::parse_as<Labels>(json);
  if (!labels) return fail(Code::kDataLoss, cat("labels: ", labels.error().message()));
  return std::move(*labels);
}

}  // namespace dhow::metadata
