// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "base/size.h"
#include "base/strings.h"
#include "oci/config_codec.h"
#include "runtime/cli/command.h"
#include "runtime/cli/values.h"
#include "sys/file_io.h"

namespace dhow::runtime::cli {
namespace {

// Reads flags into optional numbers. The first value that can't be read stops it all.
class LimitReader {
 public:
  explicit LimitReader(const ParsedArguments& arguments) : arguments_(arguments) {}

  // A plain number of the field's type; an empty value is as no flag.
  template <typename Number>
  void number(std::string_view flag, std::optional<Number>& field) {
    std::string_view text = arguments_.string(flag);
    if (text.empty() || !status_) return;
    field = parse_number<Number>(text);
    if (!field) refuse(flag, text, "not a number in range");
  }

  // A size with a unit, or -1.
  void size(std::string_view flag, std::optional<std::int64_t>& field) {
    std::string_view text = arguments_.string(flag);
    if (text.empty() || !status_) return;
    field = text == "-1" ? std::optional<std::int64_t>(-1) : parse_size(text);
    if (!field) refuse(flag, text, cat("invalid size: '", text, "'"));
  }

  void text(std::string_view flag, std::string& field) { field = arguments_.string(flag); }

  const Status& status() const { return status_; }

 private:
  void refuse(std::string_view flag, std::string_view text, std::string_view why) {
    status_ = why.starts_with("invalid")
                  ? fail(Code::kInvalidArgument, cat("invalid value for ", flag, ": ", why))
                  : fail(Code::kInvalidArgument,
                         cat("invalid value for ", flag, ": ", quoted(text), ": ", why));
  }

  const ParsedArguments& arguments_;
  Status status_;
};

Result<oci::Resources> resources_from_flags(const ParsedArguments& arguments) {
  LimitReader reader(arguments);
  oci::CpuLimits cpu;
  reader.number("cpu-share", cpu.shares);
  reader.number("cpu-quota", cpu.quota);
  reader.number("cpu-burst", cpu.burst);
  reader.number("cpu-period", cpu.period);
  reader.number("cpu-rt-runtime", cpu.realtime_runtime);
  reader.number("cpu-rt-period", cpu.realtime_period);
  reader.number("cpu-idle", cpu.idle);
  reader.text("cpuset-cpus", cpu.cpus);
  reader.text("cpuset-mems", cpu.mems);

  oci::MemoryLimits memory;
  reader.size("memory", memory.limit);
  reader.size("memory-reservation", memory.reservation);
  reader.size("memory-swap", memory.swap);
  std::optional<std::int64_t> ignored;
  reader.size("kernel-memory", ignored);
  reader.size("kernel-memory-tcp", ignored);

  oci::Resources resources;
  reader.number("pids-limit", resources.pids_limit);
  oci::BlockIoLimits block_io;
  reader.number("blkio-weight", block_io.weight);
  TRY(Status(reader.status()));

  if (arguments.has("kernel-memory") || arguments.has("kernel-memory-tcp")) {
    log::warning("kernel memory settings are ignored");
  }
  auto given = [&](std::initializer_list<std::string_view> flags) {
    for (std::string_view flag : flags) {
      if (!arguments.string(flag).empty()) return true;
    }
    return false;
  };
  if (given({"cpu-share", "cpu-quota", "cpu-burst", "cpu-period", "cpu-rt-runtime", "cpu-rt-period",
             "cpu-idle", "cpuset-cpus", "cpuset-mems"})) {
    resources.cpu = cpu;
  }
  if (given({"memory", "memory-reservation", "memory-swap"})) resources.memory = memory;
  if (given({"blkio-weight"})) resources.block_io = block_io;
  return resources;
}

Result<oci::Resources> resources_from_file(const Invocation& call, const std::string& path) {
  if (path == "-") {
    TRY_ASSIGN(std::string text, read_all(call.streams.in));
    return oci::parse_resources(text);
  }
  TRY_ASSIGN(std::string text, read_file(path));
  return oci::parse_resources(text);
}

}  // namespace

Result<int> handle_update(const Invocation& call) {
  const ParsedArguments& arguments = call.arguments;
  TRY(check_id(call.id()));
  std::string file(arguments.string("resources"));
  oci::Resources resources;
  if (file.empty()) {
    TRY_ASSIGN(resources, resources_from_flags(arguments));
  } else {
    TRY_ASSIGN(resources, resources_from_file(call, file));
  }
  // A limit of memory and swap together can't stay below an unlimited memory.
  if (resources.memory && resources.memory->limit == -1 &&
      resources.memory->swap.value_or(0) == 0) {
    resources.memory->swap = -1;
  }

  RdtUpdate rdt;
  if (file.empty()) {
    rdt.l3_cache_schema = arguments.string("l3-cache-schema");
    rdt.mem_bw_schema = arguments.string("mem-bw-schema");
  }
  bool rdt_given = !rdt.l3_cache_schema.empty() || !rdt.mem_bw_schema.empty();
  TRY(runtime::update(call.context, call.id(), resources));
  if (rdt_given) TRY(runtime::update_rdt(call.context, call.id(), rdt));
  return 0;
}

}  // namespace dhow::runtime::cli
