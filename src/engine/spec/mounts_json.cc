// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/mounts.h"
#include "oci/json.h"
#include "oci/json_reader.h"

// What a container has mounted, as its row keeps it: only what is set.
namespace dhow::engine {
namespace {

struct TextField {
  const char* name;
  std::string WantedMount::* member;
};
constexpr TextField kTextFields[] = {
    {"type", &WantedMount::type},
    {"source", &WantedMount::source},
    {"destination", &WantedMount::destination},
    {"propagation", &WantedMount::propagation},
    {"mode", &WantedMount::mode},
    {"subpath", &WantedMount::subpath},
    {"driver", &WantedMount::driver},
};

struct FlagField {
  const char* name;
  bool WantedMount::* member;
};
constexpr FlagField kFlagFields[] = {
    {"ro", &WantedMount::read_only},        {"topOnly", &WantedMount::read_only_top_only},
    {"recursive", &WantedMount::recursive}, {"makeSource", &WantedMount::make_source},
    {"copyUp", &WantedMount::copy_up},      {"default", &WantedMount::is_default},
    {"overlay", &WantedMount::overlay},
};

}  // namespace

std::string mounts_json(const std::vector<WantedMount>& mounts) {
  const WantedMount plain;
  oci::JsonWriter out;
  out.begin_array();
  for (const WantedMount& mount : mounts) {
    out.begin_object();
    for (const TextField& field : kTextFields) {
      if (!(mount.*field.member).empty()) out.member(field.name, mount.*field.member);
    }
    for (const FlagField& field : kFlagFields) {
      if (mount.*field.member != plain.*field.member) {
        out.member_boolean(field.name, mount.*field.member);
      }
    }
    if (!mount.options.empty()) {
      out.key("options").begin_array();
      for (const std::string& option : mount.options) out.string(option);
      out.end_array();
    }
    out.end_object();
  }
  out.end_array();
  return out.text();
}

void decode(const oci::JsonReader& in, WantedMount& out) {
  for (const TextField& field : kTextFields) {
    oci::optional_member(in, field.name, out.*field.member);
  }
  for (const FlagField& field : kFlagFields) {
    oci::optional_member(in, field.name, out.*field.member);
  }
  oci::optional_member(in, "options", out.options);
}

}  // namespace dhow::engine
