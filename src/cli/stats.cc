// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/output_verbs.h"
#include "cli/units.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

std::string percent_text(double value) {
  char text[64];
  int size = std::snprintf(text, sizeof text, "%.2f%%", value);
  return {text, static_cast<std::size_t>(size)};
}

double real_member(JsonValue object, std::string_view name) {
  return object.find(name).as_double().value_or(0);
}

double cpu_percent(JsonValue stats) {
  JsonValue now = stats.find("cpu_stats");
  JsonValue before = stats.find("precpu_stats");
  double used = real_member(now.find("cpu_usage"), "total_usage") -
                real_member(before.find("cpu_usage"), "total_usage");
  double passed = real_member(now, "system_cpu_usage") - real_member(before, "system_cpu_usage");
  double cpus = real_member(now, "online_cpus");
  if (cpus == 0) cpus = static_cast<double>(now.find("cpu_usage").find("percpu_usage").size());
  return used > 0 && passed > 0 ? used / passed * cpus * 100 : 0;
}

// What is in use but for the page cache that could be dropped at once: cgroup v1, then v2.
double memory_used(JsonValue memory) {
  double usage = real_member(memory, "usage");
  for (std::string_view name : {"total_inactive_file", "inactive_file"}) {
    double cache = real_member(memory.find("stats"), name);
    if (!memory.find("stats").find(name).is_null() && cache < usage) return usage - cache;
  }
  return usage;
}

std::string network_text(JsonValue networks) {
  double received = 0;
  double sent = 0;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    received += real_member(networks.member(i).value, "rx_bytes");
    sent += real_member(networks.member(i).value, "tx_bytes");
  }
  return cat(human_size(received, 3), " / ", human_size(sent, 3));
}

std::string block_text(JsonValue entries) {
  double read = 0;
  double written = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::string operation = lower_text(text_member(entries.item(i), "op"));
    if (operation == "read") read += real_member(entries.item(i), "value");
    if (operation == "write") written += real_member(entries.item(i), "value");
  }
  return cat(human_size(read, 3), " / ", human_size(written, 3));
}

// The columns are texts that are worked out here, since they come from two places.
void write_row(JsonValue stats, std::string_view container, oci::JsonWriter& json) {
  std::string name = text_member(stats, "name");
  if (name.starts_with('/')) name.erase(0, 1);
  JsonValue memory = stats.find("memory_stats");
  double used = memory_used(memory);
  double limit = real_member(memory, "limit");
  std::string id = text_member(stats, "id");
  json.begin_object().member("Container", container).member("Name", name).member("ID", id);
  if (stats.find("cpu_stats").is_null()) {
    json.member("CPUPerc", "--")
        .member("MemUsage", "-- / --")
        .member("MemPerc", "--")
        .member("NetIO", "--");
    json.member("BlockIO", "--").member("PIDs", "--").end_object();
    return;
  }
  json.member("CPUPerc", percent_text(cpu_percent(stats)));
  json.member("MemUsage", cat(binary_size(used), " / ", binary_size(limit)));
  json.member("MemPerc", percent_text(limit > 0 ? used / limit * 100 : 0));
  json.member("NetIO", network_text(stats.find("networks")));
  json.member("BlockIO", block_text(stats.find("blkio_stats").find("io_service_bytes_recursive")));
  json.member("PIDs", cat(number_member(stats.find("pids_stats"), "current"))).end_object();
}

template <std::size_t kSize>
Value stat_text(JsonValue row, const char (&name)[kSize]) {
  return text_member(row, std::string_view(name, kSize - 1));
}

constexpr Column kStatsColumns[] = {
    {"BlockIO", "BLOCK I/O",
     [](JsonValue row, const RowOptions&) { return stat_text(row, "BlockIO"); }},
    {"CPUPerc", "CPU %",
     [](JsonValue row, const RowOptions&) { return stat_text(row, "CPUPerc"); }},
    {"Container", "CONTAINER",
     [](JsonValue row, const RowOptions&) { return stat_text(row, "Container"); }},
    {"ID", "CONTAINER ID",
     [](JsonValue row, const RowOptions& options) -> Value {
       return options.truncate ? short_id(text_member(row, "ID")) : text_member(row, "ID");
     }},
    {"MemPerc", "MEM %",
     [](JsonValue row, const RowOptions&) { return stat_text(row, "MemPerc"); }},
    {"MemUsage", "MEM USAGE / LIMIT",
     [](JsonValue row, const RowOptions&) { return stat_text(row, "MemUsage"); }},
    {"Name", "NAME", [](JsonValue row, const RowOptions&) { return stat_text(row, "Name"); }},
    {"NetIO", "NET I/O", [](JsonValue row, const RowOptions&) { return stat_text(row, "NetIO"); }},
    {"PIDs", "PIDS", [](JsonValue row, const RowOptions&) { return stat_text(row, "PIDs"); }},
};

constexpr RowKind kStatsRows{"*container.statsContext", kStatsColumns};

Result<std::vector<std::string>> chosen_containers(client::Client& client,
                                                   const Arguments& arguments) {
  std::vector<std::string> names(arguments.positionals().begin(), arguments.positionals().end());
  if (!names.empty()) return names;
  client::Call call;
  call.path = "/containers/json";
  call.query.add_switch("all", arguments.boolean("all"));
  TRY_ASSIGN(std::string body, client.call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  for (std::size_t i = 0; i < document.root().size(); ++i)
    names.push_back(short_id(text_member(document.root().item(i), "Id")));
  return names;
}

// One round: every container is asked before the first answer is read, as each takes a second.
Result<std::string> stats_round(client::Client& client, const Arguments& arguments,
                                const RowFormat& format) {
  TRY_ASSIGN(auto names, chosen_containers(client, arguments));
  std::vector<client::Exchange> exchanges;
  for (const std::string& name : names) {
    client::Call call;
    call.path = container_path(name, "/stats");
    call.query.add("stream", "0");
    TRY_ASSIGN(client::Exchange exchange, client.send(std::move(call)));
    exchanges.push_back(std::move(exchange));
  }
  oci::JsonWriter json;
  json.begin_array();
  bool all = arguments.positionals().empty();
  for (std::size_t i = 0; i < exchanges.size(); ++i) {
    auto status = exchanges[i].await_head();
    // One that was removed meanwhile is just not there any more.
    if (!status && all && status.error().code() == Code::kNotFound) continue;
    TRY(std::move(status));
    TRY_ASSIGN(std::string body, exchanges[i].read_all());
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
    write_row(document.root(), names[i], json);
  }
  json.end_array();
  TRY_ASSIGN(auto table, oci::JsonDocument::parse(json.text()));
  RowOptions options;
  options.truncate = !arguments.boolean("no-trunc");
  return format.render(kStatsRows, table.root(), options);
}

}  // namespace

Result<int> run_stats(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(RowFormat format, RowFormat::make(arguments.string("format"),
                                               "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{"
                                               ".MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"));
  bool once = arguments.boolean("no-stream");
  bool screen = !once && session.output_is_terminal();
  if (screen) session.print("\033[2J");
  while (true) {
    TRY_ASSIGN(std::string text, stats_round(*client, arguments, format));
    if (screen) {
      // Over what is there, so that nothing flickers.
      session.print("\033[H");
      for (std::string_view line : split(trim(text), '\n')) session.print(cat(line, "\033[K\n"));
      session.print("\033[J");
    } else {
      session.print(text);
    }
    session.flush();
    if (once) return 0;
  }
}

}  // namespace dhow::cli
