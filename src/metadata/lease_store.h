// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/database.h"

namespace dhow::metadata {

using Labels = std::map<std::string, std::string>;

// The kinds of things that are collected when nothing needs them.
enum class ResourceKind { kBlob, kSnapshot };

// As the tables have it: "blob", "snapshot".
std::string kind_name(ResourceKind kind);

// Something collectable: a blob by its digest, a snapshot by its name.
struct Resource {
  ResourceKind kind = ResourceKind::kBlob;
  std::string target;

  auto operator<=>(const Resource&) const = default;
};

// Keeps what it holds, with all that this needs, from being collected: what a running pull has
// fetched and not named yet, above all. Times are nanoseconds since 1970.
struct Lease {
  std::string id;
  std::int64_t created = 0;
  std::optional<std::int64_t> expires;  // none: never
  Labels labels;
};

// The leases of a database, which is borrowed. Thread safe; calls block as the database's do.
class LeaseStore {
 public:
  explicit LeaseStore(Database& database) : database_(database) {}

  // An empty id is replaced by a random one; one that is taken is kAlreadyExists.
  Result<Lease> create(Lease lease);
  // kNotFound when there is none.
  Status remove(std::string_view id);
  Result<std::vector<Lease>> list() const;
  // Holds more things, there already or not; twice is once. kNotFound without the lease.
  Status add(std::string_view id, const std::vector<Resource>& resources);
  Result<std::vector<Resource>> resources(std::string_view id) const;

  // As add, as a part of the transaction that makes the thing.
  static Status add(Transaction& transaction, std::string_view id, const Resource& resource);

 private:
  Database& database_;
};

// Nanoseconds since 1970, UTC.
std::int64_t now();

// Labels as the JSON object that the tables hold. Reading a text that is none is kDataLoss.
std::string labels_json(const Labels& labels);
Result<Labels> parse_labels(std::string_view json);

}  // namespace dhow::metadata
