// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "bench/report.h"
#include "bench/stats.h"

namespace dhow::bench {
namespace {

// A JSON string. quoted() is for messages and writes control bytes in another way.
std::string text(std::string_view value) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (byte < 0x20) {
      out.append("\\u00").append({kHex[byte >> 4], kHex[byte & 15]});
    } else {
      out.push_back(c);
    }
  }
  return out + '"';
}

template <typename Items, typename Render>
std::string array(const Items& items, const Render& render) {
  std::string out = "[";
  for (const auto& item : items) out += cat(out.size() > 1 ? "," : "", render(item));
  return out + "]";
}

std::string environment(const Environment& where) {
  return cat(R"({"date":)", text(where.date), R"(,"kernel":)", text(where.kernel), R"(,"cpu":)",
             text(where.cpu), R"(,"memory":)", text(where.memory), R"(,"cgroups":)",
             text(where.cgroups), R"(,"load":)", text(where.load), R"(,"command":)",
             text(where.command), "}");
}

std::string contender(const ContenderInfo& info) {
  return cat(R"({"name":)", text(info.name), R"(,"program":)", text(info.program), R"(,"version":)",
             text(info.version), R"(,"size_bytes":)", info.size_bytes, R"(,"dynamic":)",
             info.dynamic ? "true" : "false", R"(,"unified_unmounted":)",
             info.hide_unified ? "true" : "false", "}");
}

std::string sample(const LaunchReply& reply) {
  return cat(R"({"wall_ns":)", reply.wall_ns, R"(,"user_us":)", reply.user_us, R"(,"system_us":)",
             reply.system_us, R"(,"max_rss_kib":)", reply.max_rss_kib, "}");
}

std::string series(const Series& one) {
  const Summary summary = summarize(one.samples);
  return cat(R"({"runtime":)", text(one.contender), R"(,"error":)", text(one.error),
             R"(,"median_ms":)", fixed(summary.median_ms, 4), R"(,"p90_ms":)",
             fixed(summary.p90_ms, 4), R"(,"min_ms":)", fixed(summary.min_ms, 4), R"(,"cpu_ms":)",
             fixed(summary.cpu_ms, 4), R"(,"max_rss_kib":)", summary.max_rss_kib, R"(,"samples":)",
             array(one.samples, sample), "}");
}

std::string measured_case(const CaseResult& result) {
  return cat(R"({"case":)", text(result.key), R"(,"title":)", text(result.title), R"(,"series":)",
             array(result.series, series), "}\n");
}

std::string inherited(const InheritedFds& fds) {
  return cat(R"({"runtime":)", text(fds.contender), R"(,"count":)", fds.count, "}");
}

std::string floor(const MemoryFloor& one) {
  return cat(R"({"runtime":)", text(one.contender), R"(,"program":)", text(one.payload),
             R"(,"limit_kib":)", one.limit_kib, R"(,"error":)", text(one.error), "}");
}

std::string parallel(const ParallelResult& result) {
  return cat(R"({"runtime":)", text(result.contender), R"(,"containers":)", result.containers,
             R"(,"seconds":)", fixed(result.seconds, 4), R"(,"cpu_ms_each":)",
             fixed(result.cpu_ms, 4), R"(,"mounts_left":)", result.mounts, R"(,"cgroups_left":)",
             result.cgroups, R"(,"state_entries_left":)", result.state_entries,
             R"(,"processes_left":)", result.processes, R"(,"error":)", text(result.error), "}");
}

}  // namespace

std::string to_json(const Report& report) {
  return cat(R"({"environment":)", environment(report.environment), R"(,
"rounds":)",
             report.rounds, R"(,
"runtimes":)",
             array(report.contenders, contender), R"(,
"cases":)",
             array(report.cases, measured_case), R"(,
"inherited_fds":)",
             array(report.inherited_fds, inherited), R"(,
"memory_floor":)",
             array(report.floors, floor), R"(,
"parallel":)",
             array(report.parallel, parallel), "}\n");
}

}  // namespace dhow::bench
