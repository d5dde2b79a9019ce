// SPDX-License-Identifier: Apache-2.0
// The files hosts, hostname and resolv.conf of containers. They are made anew for each start, in
// STATE, where a file costs a tenth of one on a disk. While a container runs they are its own, and
// only the lines of networks that it joins or leaves change.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/hasher.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/names.h"
#include "engine/resolv_conf.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

using network::Endpoint;

// At the end of lines that are changed without a container's doing.
constexpr std::string_view kMark = "\t# by dhow";
// What a container has made of it is not to be ours to carry.
constexpr std::size_t kLongestFile = std::size_t{1} << 20;
// Says whether somebody has changed resolv.conf, as docker's file of that name does.
constexpr char kHashFile[] = "resolv.conf.hash";

// In place, as it is mounted in the container; a reader never finds it empty.
Status overwrite(const Fd& file, std::string_view text) {
  TRY(write_at(file, 0, text));
  if (::ftruncate(file.get(), static_cast<off_t>(text.size())) != 0) {
    return fail_errno(errno, "shorten a file");
  }
  return {};
}

std::string address_of(const std::string& entry) {
  std::string address = entry.substr(entry.find(':') + 1);
  if (!address.starts_with('[') || !address.ends_with(']')) return address;
  return address.substr(1, address.size() - 2);
}

}  // namespace

std::string ContainersImpl::run_folder(const std::string& id) const {
  return cat(options_.state, "/containers/", id);
}

std::string ContainersImpl::files_folder(const ContainerRecord& record) const {
  std::string id = record.id;
  std::string other = joined_container(record.config.host.network_mode);
  // One that is in the network of another can be joined itself.
  constexpr int kDeepest = 8;
  for (int depth = 0; !other.empty() && depth < kDeepest; ++depth) {
    auto joined = find(other);
    if (!joined) break;
    id = (*joined)->id;
    other = joined_container((*joined)->record()->config.host.network_mode);
  }
  return run_folder(id);
}

Status ContainersImpl::adopt_host_name(Container& container, ContainerRecord& record) const {
  std::string name = joined_container(record.config.host.network_mode);
  if (name.empty()) return {};
  auto joined = find(name);
  if (!joined) return {};  // its absence is told later
  RecordPtr other = (*joined)->record();
  const ContainerConfig& names = other->config.config;
  ContainerConfig& own = record.config.config;
  if (own.hostname == names.hostname && own.domainname == names.domainname) return {};
  own.hostname = names.hostname;
  own.domainname = names.domainname;
  return commit_config(container, record);
}

// What a container is called itself, at its addresses in a network.
std::vector<std::string> ContainersImpl::own_lines(const ContainerRecord& record,
                                                   const Endpoint& endpoint) const {
  const ContainerConfig& config = record.config.config;
  std::string names = config.hostname;
  if (!config.domainname.empty()) {
    names = cat(config.hostname, ".", config.domainname, " ", config.hostname);
  }
  std::vector<std::string> lines;
  for (const network::Ip& address : endpoint.addresses()) {
    lines.push_back(cat(address.text(), "\t", names));
  }
  return lines;
}

std::string ContainersImpl::hosts_text(const ContainerRecord& record) const {
  std::string text =
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
      "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
  for (const std::string& entry : record.config.host.extra_hosts) {
    std::size_t colon = entry.find(':');
    if (colon == std::string::npos) continue;
    std::string address = address_of(entry);
    std::string name = entry.substr(0, colon);
    if (address == "host-gateway" && has_networks()) {
      auto network = stores_.networks->find("bridge");
      if (network && network->v6) text += cat(network->v6->gateway.text(), "\t", name, "\n");
      if (network && network->v4) address = network->v4->gateway.text();
    }
    text += cat(address, "\t", name, "\n");
  }
  if (stores_.networks == nullptr) return text;
  for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(record.id)) {
    for (const std::string& line : own_lines(record, endpoint)) text += cat(line, "\n");
  }
  for (const std::string& line : changing_lines(record)) text += cat(line, kMark, "\n");
  return text;
}

// Those that come and go with others.
std::vector<std::string> ContainersImpl::changing_lines(const ContainerRecord& record) const {
  std::vector<std::string> lines = neighbour_lines(record);
  std::ranges::move(link_lines(record), std::back_inserter(lines));
  return lines;
}

void ContainersImpl::change_hosts(const ContainerRecord& record,
                                  const std::vector<std::string>& gone) const {
  auto changed = [&]() -> Status {
    TRY_ASSIGN(Fd file, open_at(kCwd, run_folder(record.id) + "/hosts", O_RDWR | O_NOFOLLOW));
    TRY_ASSIGN(std::string old, read_all(file, kLongestFile));
    std::vector<std::string> own;
    for (const Endpoint& endpoint : stores_.networks->endpoints_of_container(record.id)) {
      std::ranges::move(own_lines(record, endpoint), std::back_inserter(own));
    }
    std::string text;
    for (std::string_view rest = old; !rest.empty();) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      bool goes = line.ends_with(kMark) || std::ranges::find(gone, line) != gone.end();
      if (!goes) text += cat(line, "\n");
      std::erase(own, line);
    }
    for (const std::string& line : own) text += cat(line, "\n");
    for (const std::string& line : changing_lines(record)) text += cat(line, kMark, "\n");
    return text == old ? Status() : overwrite(file, text);
  }();
  if (changed || changed.error().sys_errno() == ENOENT) return;
  log::warning(cat("container ", record.id, ": hosts: ", changed.error().message()));
}

std::string ContainersImpl::resolv_text(const ContainerRecord& record) const {
  const HostConfig& host = record.config.host;
  std::string mode = network_mode(host);
  ResolvConf conf = resolv_conf_of(host, options_);
  if (!has_networks() || mode == "none" || mode == "host") return conf.text();
  if (!asks_resolver(record)) {
    leave_loopback(conf, host, options_);
    return conf.text();
  }
  std::string servers = join(conf.servers, " ");
  point_to_resolver(conf);
  return cat(conf.text(), "\n# Based on host file: '/etc/resolv.conf' (internal resolver)\n",
             "# ExtServers: [", servers, "]\n");
}

// Nothing when somebody has changed it.
void ContainersImpl::change_resolv_conf(const ContainerRecord& record) const {
  auto changed = [&]() -> Status {
    TRY_ASSIGN(Fd place, open_at(kCwd, run_folder(record.id), O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(Fd file, open_at(place, "resolv.conf", O_RDWR | O_NOFOLLOW));
    TRY_ASSIGN(std::string old, read_all(file, kLongestFile));
    auto hash = read_file(place, kHashFile, 100);
    if (!hash || *hash != digest_of(old).text()) return {};
    std::string text = resolv_text(record);
    if (text == old) return {};
    // The hash first: after a death in between the old text counts as changed, and stays.
    TRY(replace_file(place, kHashFile, digest_of(text).text(), 0644));
    return overwrite(file, text);
  }();
  if (changed || changed.error().sys_errno() == ENOENT) return;
  log::warning(cat("container ", record.id, ": resolv.conf: ", changed.error().message()));
}

Status ContainersImpl::write_files(const ContainerRecord& record) const {
  std::string place = run_folder(record.id);
  if (files_folder(record) != place) return {};
  TRY(make_dirs(place, 0710));
  TRY_ASSIGN(Fd opened, open_at(kCwd, place, O_RDONLY | O_DIRECTORY));
  const IdRemap* remap = remap_of(record.config.host);
  std::string hosts = hosts_text(record);
  if (network_mode(record.config.host) == "host") {
    if (auto own = read_file("/etc/hosts", kLongestFile)) hosts = *own;
  }
  auto put = [&](const char* name, std::string_view text) -> Status {
    TRY_ASSIGN(Fd file, open_at(opened, name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    // The container's root may write them.
    if (remap != nullptr && ::fchown(file.get(), remap->root_uid(), remap->root_gid()) != 0) {
      return fail_errno(errno, cat("give ", name, " to the container's root"));
    }
    return write_all(file, text);
  };
  TRY(put("hosts", hosts));
  TRY(put("hostname", record.config.config.hostname + "\n"));
  std::string resolv = resolv_text(record);
  TRY(put("resolv.conf", resolv));
  TRY_ASSIGN(Fd hash, open_at(opened, kHashFile, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return write_all(hash, digest_of(resolv).text());
}

}  // namespace dhow::engine
