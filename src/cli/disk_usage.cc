// SPDX-License-Identifier: Apache-2.0
// system df.
#include <algorithm>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/output_verbs.h"
#include "cli/system_verbs.h"
#include "cli/units.h"
#include "oci/reference.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

// One line of the summary.
struct Usage {
  std::string_view type;
  std::int64_t total = 0;
  std::int64_t active = 0;
  std::int64_t size = 0;
  std::int64_t reclaimable = 0;
};

std::string size_of_bytes(std::int64_t bytes) { return human_size(static_cast<double>(bytes)); }

Usage image_usage(JsonValue root) {
  Usage usage{"Images"};
  JsonValue images = root.find("Images");
  usage.total = static_cast<std::int64_t>(images.size());
  usage.size = number_member(root, "LayersSize");
  std::int64_t used = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    JsonValue image = images.item(i);
    if (number_member(image, "Containers") == 0) continue;
    ++usage.active;
    std::int64_t size = number_member(image, "Size");
    std::int64_t shared = number_member(image, "SharedSize");
    if (size != -1 && shared != -1) used += size - shared;
  }
  usage.reclaimable = usage.size - used;
  return usage;
}

Usage container_usage(JsonValue root) {
  Usage usage{"Containers"};
  JsonValue containers = root.find("Containers");
  usage.total = static_cast<std::int64_t>(containers.size());
  for (std::size_t i = 0; i < containers.size(); ++i) {
    JsonValue container = containers.item(i);
    std::string state = text_member(container, "State");
    bool active = state == "running" || state == "paused" || state == "restarting";
    std::int64_t size = number_member(container, "SizeRw");
    usage.active += active ? 1 : 0;
    usage.size += size;
    usage.reclaimable += active ? 0 : size;
  }
  return usage;
}

Usage volume_usage(JsonValue root) {
  Usage usage{"Local Volumes"};
  JsonValue volumes = root.find("Volumes");
  usage.total = static_cast<std::int64_t>(volumes.size());
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    JsonValue data = volumes.item(i).find("UsageData");
    std::int64_t size = std::max<std::int64_t>(number_member(data, "Size"), 0);
    bool active = number_member(data, "RefCount") > 0;
    usage.active += active ? 1 : 0;
    usage.size += size;
    usage.reclaimable += active ? 0 : size;
  }
  return usage;
}

Usage cache_usage(JsonValue root) {
  Usage usage{"Build Cache"};
  JsonValue records = root.find("BuildCache");
  usage.total = static_cast<std::int64_t>(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    JsonValue record = records.item(i);
    bool active = record.find("InUse").as_boolean().value_or(false);
    bool shared = record.find("Shared").as_boolean().value_or(false);
    std::int64_t size = shared ? 0 : number_member(record, "Size");
    usage.active += active ? 1 : 0;
    usage.size += size;
    usage.reclaimable += active ? 0 : size;
  }
  return usage;
}

std::string reclaimable_of(const Usage& usage) {
  std::string text = size_of_bytes(usage.reclaimable);
  bool percents = usage.size > 0 && usage.type != "Build Cache";
  return percents ? cat(text, " (", usage.reclaimable * 100 / usage.size, "%)") : text;
}

constexpr Column kUsageColumns[] = {
    {"Active", "ACTIVE",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "Active"); }},
    {"Reclaimable", "RECLAIMABLE",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "Reclaimable"); }},
    {"Size", "SIZE",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "Size"); }},
    {"TotalCount", "TOTAL",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "TotalCount"); }},
    {"Type", "TYPE",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "Type"); }},
};

constexpr RowKind kUsageRows{"*formatter.diskUsageContext", kUsageColumns};

std::string image_details(JsonValue images) {
  std::string text =
      "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS\n";
  for (std::size_t i = 0; i < images.size(); ++i) {
    JsonValue image = images.item(i);
    auto name = oci::parse_reference(image.find("RepoTags").item(0).as_string().value_or(""));
    std::int64_t size = number_member(image, "Size");
    std::int64_t shared = std::max<std::int64_t>(number_member(image, "SharedSize"), 0);
    text += cat(name ? name->familiar_name() : "<none>", "\t", name ? name->tag : "<none>", "\t",
                short_id(text_member(image, "Id")), "\t",
                human_duration(unix_now() - number_member(image, "Created")), " ago\t",
                human_size(static_cast<double>(size), 3), "\t", size_of_bytes(shared), "\t",
                size_of_bytes(size - shared), "\t", number_member(image, "Containers"), "\n");
  }
  return align_columns(text);
}

std::string volume_details(JsonValue volumes) {
  std::string text = "VOLUME NAME\tLINKS\tSIZE\n";
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    JsonValue data = volumes.item(i).find("UsageData");
    text += cat(text_member(volumes.item(i), "Name"), "\t", number_member(data, "RefCount"), "\t",
                size_of_bytes(number_member(data, "Size")), "\n");
  }
  return align_columns(text);
}

std::string cache_details(JsonValue records) {
  std::string text = "CACHE ID\tCACHE TYPE\tSIZE\tCREATED\tLAST USED\tUSAGE\tSHARED\n";
  for (std::size_t i = 0; i < records.size(); ++i) {
    JsonValue record = records.item(i);
    auto age = [&](std::string_view member) {
      auto seconds = parse_rfc3339(text_member(record, member));
      return seconds ? human_duration(unix_now() - *seconds) + " ago" : std::string();
    };
    text += cat(short_id(text_member(record, "ID")), "\t", text_member(record, "Type"), "\t",
                size_of_bytes(number_member(record, "Size")), "\t", age("CreatedAt"), "\t",
                age("LastUsedAt"), "\t", number_member(record, "UsageCount"), "\t",
                record.find("Shared").as_boolean().value_or(false) ? "true" : "false", "\n");
  }
  return align_columns(text);
}

Result<std::string> details(JsonValue root) {
  JsonValue containers = root.find("Containers");
  RowOptions options;
  TRY_ASSIGN(RowFormat format,
             RowFormat::make("",
                             "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{."
                             "RunningFor}}\t{{.Status}}\t{{.Names}}"));
  TRY_ASSIGN(std::string table, format.render(container_rows(), containers, options));
  return cat("Images space usage:\n\n", image_details(root.find("Images")),
             "\nContainers space usage:\n\n", table, "\nLocal Volumes space usage:\n\n",
             volume_details(root.find("Volumes")),
             "\nBuild cache usage: ", size_of_bytes(cache_usage(root).size), "\n\n",
             cache_details(root.find("BuildCache")));
}

}  // namespace

Result<int> run_system_df(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  client::Call call;
  call.path = "/system/df";
  call.query.add("verbose", "1");
  TRY_ASSIGN(std::string body, client->call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  JsonValue root = document.root();
  if (arguments.boolean("verbose") && arguments.string("format").empty()) {
    TRY_ASSIGN(std::string text, details(root));
    session.print(text);
    return 0;
  }
  oci::JsonWriter json;
  json.begin_array();
  for (const Usage& usage :
       {image_usage(root), container_usage(root), volume_usage(root), cache_usage(root)}) {
    json.begin_object()
        .member("Type", usage.type)
        .member("TotalCount", cat(usage.total))
        .member("Active", cat(usage.active));
    json.member("Size", size_of_bytes(usage.size))
        .member("Reclaimable", reclaimable_of(usage))
        .end_object();
  }
  json.end_array();
  TRY_ASSIGN(auto summary, oci::JsonDocument::parse(json.text()));
  TRY_ASSIGN(
      RowFormat format,
      RowFormat::make(arguments.string("format"),
                      "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"));
  TRY_ASSIGN(std::string output, format.render(kUsageRows, summary.root(), RowOptions{}));
  session.print(output);
  return 0;
}

}  // namespace dhow::cli
