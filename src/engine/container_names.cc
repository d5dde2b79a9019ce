// SPDX-License-Identifier: Apache-2.0
// Names of neighbours: on networks of one's own a container finds the others by their names in its
// file /etc/hosts, of which the lines with a mark at their end are the engine's.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/names.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

using network::Endpoint;
using network::NetworkRecord;

constexpr std::string_view kMark = "\t# by dhow";
// What a container has made of it is not to be ours to carry.
constexpr std::size_t kLongestHosts = std::size_t{1} << 20;

std::string without_marked(std::string_view text) {
  std::string result;
  for (std::string_view line : split(text, '\n')) {
    if (!line.empty() && !line.ends_with(kMark)) result += cat(line, "\n");
  }
  return result;
}

// In place, as it is mounted in the container; a reader never finds it empty.
Status rewrite(const std::string& path, std::string_view lines) {
  TRY_ASSIGN(Fd file, open_at(kCwd, path, O_RDWR | O_NOFOLLOW));
  TRY_ASSIGN(std::string old, read_all(file, kLongestHosts));
  std::string text = cat(without_marked(old), lines);
  if (text == old) return {};
  TRY(write_at(file, 0, text));
  if (::ftruncate(file.get(), static_cast<off_t>(text.size())) != 0) {
    return fail_errno(errno, cat("shorten ", quoted(path)));
  }
  return {};
}

}  // namespace

// "ADDRESS\tNAME ALIAS… ID" for each neighbour, marked.
std::string ContainersImpl::neighbour_lines(const std::string& id) const {
  std::string text;
  for (const Endpoint& own : stores_.networks->endpoints_of_container(id)) {
    auto network = stores_.networks->find(own.network);
    if (!network || network->is_default()) continue;
    for (const Endpoint& other : stores_.networks->endpoints_of_network(own.network)) {
      auto neighbour = find(other.container);
      if (!neighbour || other.container == id) continue;
      RecordPtr record = (*neighbour)->record();
      std::string names = record->name;
      const auto& endpoints = record->config.networking.endpoints;
      if (auto config = endpoints.find(network->name); config != endpoints.end()) {
        for (const std::string& alias : config->second.aliases) names += cat(" ", alias);
      }
      names += cat(" ", short_id(other.container));
      for (const network::Ip& address : other.addresses()) {
        text += cat(address.text(), "\t", names, kMark, "\n");
      }
    }
  }
  return text;
}

void ContainersImpl::tell_neighbours(const std::vector<std::string>& networks) const {
  if (stores_.networks == nullptr) return;
  std::set<std::string> containers;
  for (const std::string& id : networks) {
    auto network = stores_.networks->find(id);
    if (!network || network->is_default()) continue;
    for (const Endpoint& endpoint : stores_.networks->endpoints_of_network(id)) {
      containers.insert(endpoint.container);
    }
  }
  // One after the other, so that the last one to write knows all.
  std::lock_guard lock(names_mutex_);
  for (const std::string& id : containers) {
    Status written = rewrite(folder(id) + "/hosts", neighbour_lines(id));
    if (written || written.error().sys_errno() == ENOENT) continue;
    log::warning(cat("container ", id, ": names of neighbours: ", written.error().message()));
  }
}

std::vector<std::string> ContainersImpl::networks_of(const std::string& id) const {
  std::vector<std::string> networks;
  if (stores_.networks == nullptr) return networks;
  for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(id)) {
    networks.push_back(endpoint.network);
  }
  return networks;
}

}  // namespace dhow::engine
