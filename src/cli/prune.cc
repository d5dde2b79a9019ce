// SPDX-License-Identifier: Apache-2.0
// The prunes.
#include <unistd.h>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/rows.h"
#include "cli/system_verbs.h"
#include "cli/terminal.h"
#include "cli/units.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

// One kind of object that can be pruned.
struct PruneKind {
  std::string_view path;
  std::string_view member;   // of the answer: what was deleted
  std::string_view heading;  // "Deleted Containers:"
};

constexpr PruneKind kContainers{"/containers/prune", "ContainersDeleted", "Deleted Containers:"};
constexpr PruneKind kImages{"/images/prune", "ImagesDeleted", "Deleted Images:"};
constexpr PruneKind kVolumes{"/volumes/prune", "VolumesDeleted", "Deleted Volumes:"};
constexpr PruneKind kNetworks{"/networks/prune", "NetworksDeleted", "Deleted Networks:"};
constexpr PruneKind kBuilds{"/build/prune", "CachesDeleted", "Deleted build cache objects:"};

// True when the user says yes. Without a terminal the answer is read from the input as it is.
Result<bool> confirmed(Session& session, const Arguments& arguments, std::string_view warning) {
  if (arguments.boolean("force")) return true;
  session.print(cat(warning, "Are you sure you want to continue? [y/N] "));
  session.flush();
  TRY_ASSIGN(std::string answer, read_line({}, true));
  return answer == "y" || answer == "Y";
}

struct Pruned {
  std::string text;
  std::int64_t bytes = 0;
};

Result<Pruned> prune(client::Client& client, const PruneKind& kind,
                     const std::vector<std::string_view>& filters, bool all_builds) {
  client::Call call;
  call.method = "POST";
  call.path = kind.path;
  call.query.add_given("filters", filters_text(filters)).add_switch("all", all_builds);
  TRY_ASSIGN(std::string body, client.call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  Pruned pruned;
  JsonValue list = document.root().find(kind.member);
  for (std::size_t i = 0; i < list.size(); ++i) {
    JsonValue item = list.item(i);
    if (item.kind() == oci::JsonKind::kObject) {
      std::string deleted = text_member(item, "Deleted");
      pruned.text += deleted.empty() ? cat("untagged: ", text_member(item, "Untagged"), "\n")
                                     : cat("deleted: ", deleted, "\n");
    } else {
      pruned.text += cat(item.as_string().value_or(""), "\n");
    }
  }
  if (!pruned.text.empty()) pruned.text = cat(kind.heading, "\n", pruned.text, "\n");
  pruned.bytes = number_member(document.root(), "SpaceReclaimed");
  return pruned;
}

std::string reclaimed_text(std::int64_t bytes) {
  return cat("Total reclaimed space: ", human_size(static_cast<double>(bytes)), "\n");
}

Result<int> prune_one(Session& session, const Arguments& arguments, const PruneKind& kind,
                      std::string_view warning, std::vector<std::string_view> filters) {
  TRY_ASSIGN(bool go_on, confirmed(session, arguments, cat("WARNING! ", warning, "\n")));
  if (!go_on) return fail(Code::kCancelled, "prune has been cancelled: nothing was removed");
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(Pruned pruned,
             prune(*client, kind, filters, kind.path == kBuilds.path && arguments.boolean("all")));
  session.print(pruned.text);
  if (kind.path != kNetworks.path) session.print(reclaimed_text(pruned.bytes));
  return 0;
}

}  // namespace

Result<int> run_container_prune(Session& session, const Arguments& arguments) {
  return prune_one(session, arguments, kContainers, "This will remove all stopped containers.",
                   arguments.list("filter"));
}

Result<int> run_image_prune(Session& session, const Arguments& arguments) {
  auto filters = arguments.list("filter");
  bool all = arguments.boolean("all");
  filters.push_back(all ? "dangling=false" : "dangling=true");
  return prune_one(
      session, arguments, kImages,
      all ? "This will remove all images without at least one container associated to them."
          : "This will remove all dangling images.",
      filters);
}

Result<int> run_volume_prune(Session& session, const Arguments& arguments) {
  auto filters = arguments.list("filter");
  bool all = arguments.boolean("all");
  if (all) filters.push_back("all=true");
  return prune_one(
      session, arguments, kVolumes,
      all ? "This will remove all local volumes not used by at least one container."
          : "This will remove anonymous local volumes not used by at least one container.",
      filters);
}

Result<int> run_network_prune(Session& session, const Arguments& arguments) {
  return prune_one(session, arguments, kNetworks,
                   "This will remove all custom networks not used by at least one container.",
                   arguments.list("filter"));
}

Result<int> run_builder_prune(Session& session, const Arguments& arguments) {
  return prune_one(session, arguments, kBuilds,
                   arguments.boolean("all") ? "This will remove all build cache."
                                            : "This will remove all dangling build cache.",
                   arguments.list("filter"));
}

Result<int> run_system_prune(Session& session, const Arguments& arguments) {
  bool all = arguments.boolean("all");
  bool volumes = arguments.boolean("volumes");
  std::string warning =
      "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at "
      "least one container\n";
  if (volumes) warning += "  - all anonymous volumes not used by at least one container\n";
  warning += all ? "  - all images without at least one container associated to them\n  - all "
                   "build cache\n"
                 : "  - all dangling images\n  - unused build cache\n";
  TRY_ASSIGN(bool go_on, confirmed(session, arguments, warning + "\n"));
  if (!go_on) return fail(Code::kCancelled, "system prune has been cancelled: nothing was removed");
  TRY_ASSIGN(client::Client * client, session.client());
  auto filters = arguments.list("filter");
  auto image_filters = filters;
  image_filters.push_back(all ? "dangling=false" : "dangling=true");
  std::int64_t bytes = 0;
  auto run = [&](const PruneKind& kind, const std::vector<std::string_view>& with) -> Status {
    TRY_ASSIGN(Pruned pruned, prune(*client, kind, with, all));
    session.print(pruned.text);
    bytes += pruned.bytes;
    return {};
  };
  TRY(run(kContainers, filters));
  TRY(run(kNetworks, filters));
  if (volumes) TRY(run(kVolumes, filters));
  TRY(run(kImages, image_filters));
  // An engine that builds nothing has no cache.
  if (auto built = run(kBuilds, filters); !built && built.error().code() != Code::kNotFound &&
                                          built.error().code() != Code::kUnimplemented) {
    return std::unexpected(std::move(built).error());
  }
  session.print(reclaimed_text(bytes));
  return 0;
}

}  // namespace dhow::cli
