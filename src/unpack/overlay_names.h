// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <string_view>

// How overlayfs marks files of a layer (kernel, Documentation/filesystems/overlayfs.rst).
namespace dhow::unpack {

inline bool is_whiteout(const struct stat& info) {
  return S_ISCHR(info.st_mode) && info.st_rdev == 0;
}

// An attribute by which overlayfs knows how to read a layer: no archive has a business with it.
inline bool is_overlay_xattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
}

}  // namespace dhow::unpack
