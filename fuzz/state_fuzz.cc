// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "oci/json_value.h"
#include "runtime/state_store.h"

// state.json: what is accepted says the same when it is written and read again, and holds what
// delete relies on when it kills and removes what the record names.
namespace {

using dhow::Code;
using dhow::runtime::Record;

void require(bool condition) {
  if (!condition) std::abort();
}

// These go to the kernel as C strings, which must not end before what was checked ends.
void check_text(const std::string& text) { require(text.find('\0') == std::string::npos); }

void check_promises(const Record& record) {
  require(record.pid >= 0);
  for (const std::string* text : {&record.id, &record.bundle, &record.rootfs, &record.created,
                                  &record.rdt_group, &record.rdt_monitor, &record.cgroup.scope}) {
    check_text(*text);
  }
  for (const auto& [controller, path] : record.cgroup.paths) {
    check_text(controller);
    check_text(path);
    require(path.starts_with('/') && (path + "/").find("/../") == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto record = dhow::runtime::record_from_json(text);
  if (!record.has_value()) {
    require(!record.error().message().empty());
    return 0;
  }
  check_promises(*record);
  std::string written = dhow::runtime::record_to_json(*record);
  auto again = dhow::runtime::record_from_json(written);
  require(again.has_value() && dhow::runtime::record_to_json(*again) == written);
  // What was read as a number is that number: nothing was cut off.
  auto document = dhow::oci::JsonDocument::parse(text);
  require(document.has_value());
  auto number = [&](const char* name) { return document->root().find(name).as_int64(); };
  require(number("pid") == record->pid && number("owner") == record->owner_uid);
  require(number("startTime") == static_cast<std::int64_t>(record->start_time));
  return 0;
}
