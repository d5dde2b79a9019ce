// SPDX-License-Identifier: Apache-2.0
#include "engine/programs.h"

#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/strings.h"

namespace dhow::engine {

std::string find_program(const std::string& given, std::string_view name) {
  if (!given.empty()) return given;
  char self[4096];
  ssize_t size = ::readlink("/proc/self/exe", self, sizeof self);
  std::vector<std::string> places;
  if (size > 0) {
    std::string path(self, static_cast<std::size_t>(size));
    std::string here = path.substr(0, path.rfind('/'));
    places = {here, here + "/../libexec/dhow"};
  }
  places.emplace_back("/usr/libexec/dhow");
  const char* search = ::getenv("PATH");
  for (std::string_view place : split(search != nullptr ? search : "", ':')) {
    places.emplace_back(place);
  }
  for (const std::string& place : places) {
    std::string path = cat(place, "/", name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

}  // namespace dhow::engine
