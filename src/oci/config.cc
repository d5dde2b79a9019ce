// SPDX-License-Identifier: Apache-2.0
#include "oci/config.h"

#include <utility>

#include "base/strings.h"

namespace dhow::oci {

const Namespace* Linux::find_namespace(NamespaceType type) const {
  for (const Namespace& entry : namespaces) {
    if (entry.type == type) return &entry;
  }
  return nullptr;
}

std::string id_map_text(const std::vector<IdMapping>& mappings) {
  std::string text;
  for (const IdMapping& entry : mappings) {
    text += cat(entry.container_id, " ", entry.host_id, " ", entry.size, "\n");
  }
  return text;
}

const char* namespace_name(NamespaceType type) {
  switch (type) {
    case NamespaceType::kPid:
      return "pid";
    case NamespaceType::kNetwork:
      return "network";
    case NamespaceType::kMount:
      return "mount";
    case NamespaceType::kIpc:
      return "ipc";
    case NamespaceType::kUts:
      return "uts";
    case NamespaceType::kUser:
      return "user";
    case NamespaceType::kCgroup:
      return "cgroup";
    case NamespaceType::kTime:
      return "time";
  }
  std::unreachable();
}

}  // namespace dhow::oci
