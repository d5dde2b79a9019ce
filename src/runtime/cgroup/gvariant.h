// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "runtime/cgroup/dbus_value.h"

namespace dhow::cgroup {

// Reads a value in GVariant's text format (GLib, "GVariant Text Format"), as annotations hold it:
// true, 5 (int32), 1.5, 'text', "text", uint64 5, @t 5, objectpath '/x', [1, 2], @as [], (1, 'a').
// Dictionaries and maybe types have no use in unit properties and are refused.
Result<DbusValue> parse_gvariant(std::string_view text);

// A unit property out of an annotation "org.systemd.property.<name>": the name is letters only. A
// name that ends in "Sec" is what unit files take; on D-Bus it is "USec", a uint64.
Result<std::pair<std::string, DbusValue>> parse_unit_property(std::string_view name,
                                                              std::string_view text);

}  // namespace dhow::cgroup
