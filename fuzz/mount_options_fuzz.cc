// SPDX-License-Identifier: Apache-2.0
// Mount options, one a line, then a mount planned with them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/strings.h"
#include "runtime/rootfs/mount_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  dhow::oci::Mount mount;
  for (std::string_view line : dhow::split(text, '\n')) mount.options.emplace_back(line);
  // The first line also serves as the destination, the second as the source.
  mount.destination = mount.options.front();
  if (mount.options.size() > 1) mount.source = mount.options[1];
  mount.type = "bind";
  dhow::oci::Config config;
  config.linux.namespaces.push_back({dhow::oci::NamespaceType::kUser, ""});
  config.linux.uid_mappings = {{0, 100000, 65536}};
  config.linux.gid_mappings = {{0, 100000, 65536}};

  auto parsed = dhow::rootfs::parse_mount_options(mount.options);
  if (parsed && (parsed->attributes.set & parsed->attributes.clear & ~std::uint64_t{0x70}) != 0) {
    std::abort();  // an attribute that is both set and cleared
  }
  auto plan = dhow::rootfs::plan_mount(mount, config, "/bundle");
  if (plan) {
    const std::string& path = plan->destination;
    bool clean = path.starts_with('/') && path == dhow::rootfs::clean_destination(path) &&
                 path.find("/../") == std::string::npos && !path.ends_with("/..");
    bool bind = plan->kind == dhow::rootfs::MountKind::kBind;
    if (!clean || (bind && !plan->source.starts_with('/'))) std::abort();
  }
  return 0;
}
