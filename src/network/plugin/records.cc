// SPDX-License-Identifier: Apache-2.0
#include "network/plugin/records.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/strings.h"
#include "network/ports.h"
#include "oci/json.h"
#include "oci/json_reader.h"
#include "sys/file_io.h"

namespace dhow::bridge_plugin {
namespace {

constexpr std::size_t kMaxRecord = std::size_t{1} << 20;

std::string file_of(const Attachment& key) { return cat(key.container, "@", key.interface); }

void add_ports(const Record& record, network::FirewallState& state) {
  for (const std::string& text : record.addresses) {
    auto target = network::parse_ip(std::string_view(text).substr(0, text.find('/')));
    if (!target) continue;
    for (const cni::PortMapping& port : record.ports) {
      network::Ip any = target->is_v6 ? network::Ip(network::Ip6()) : network::Ip(network::Ip4());
      network::Ip host = network::parse_ip(port.host_ip).value_or(any);
      if (port.host_port == 0 || host.is_v6 != target->is_v6) continue;
      state.ports.push_back({host, network::protocol_number(port.protocol), port.host_port, *target,
                             port.container_port});
    }
  }
}

}  // namespace

void decode(const oci::JsonReader& in, Record& out) {
  oci::required_member(in, "network", out.network);
  oci::required_member(in, "container", out.attachment.container);
  oci::required_member(in, "interface", out.attachment.interface);
  oci::required_member(in, "bridge", out.bridge);
  oci::required_member(in, "masquerade", out.masquerade);
  oci::optional_member(in, "addresses", out.addresses);
  oci::JsonReader ports = in.member("ports");
  for (std::size_t i = 0; i < ports.value().size(); ++i) {
    cni::PortMapping& port = out.ports.emplace_back();
    oci::required_member(ports.item(i), "hostPort", port.host_port);
    oci::required_member(ports.item(i), "containerPort", port.container_port);
    oci::required_member(ports.item(i), "protocol", port.protocol);
    oci::optional_member(ports.item(i), "hostIP", port.host_ip);
  }
}

std::string record_text(const Record& record) {
  oci::JsonWriter out;
  out.begin_object().member("network", record.network);
  out.member("container", record.attachment.container);
  out.member("interface", record.attachment.interface).member("bridge", record.bridge);
  out.member_boolean("masquerade", record.masquerade).key("addresses").begin_array();
  for (const std::string& address : record.addresses) out.string(address);
  out.end_array().key("ports").begin_array();
  for (const cni::PortMapping& port : record.ports) {
    out.begin_object().member_number("hostPort", port.host_port);
    out.member_number("containerPort", port.container_port).member("protocol", port.protocol);
    out.member("hostIP", port.host_ip).end_object();
  }
  out.end_array().end_object();
  return out.text();
}

Result<Record> parse_record(std::string_view json) { return oci::parse_as<Record>(json); }

Result<Records> Records::open(const std::string& path) {
  TRY(make_dirs(path, 0700));
  TRY_ASSIGN(Fd folder, open_at(kCwd, path, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(Fd lock, open_at(folder, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail_errno(errno, cat("lock ", quoted(path)));
  }
  return Records(std::move(folder), std::move(lock));
}

Result<Fd> Records::open_network(const std::string& network) const {
  return make_folder(folder_, network, 0700);
}

Result<std::optional<Record>> Records::find(const std::string& network,
                                            const Attachment& key) const {
  TRY_ASSIGN(Fd folder, open_network(network));
  auto text = read_file(folder, file_of(key), kMaxRecord);
  if (!text && text.error().sys_errno() == ENOENT) return std::optional<Record>();
  if (!text) return fail(std::move(text).error());
  TRY_ASSIGN(Record record, parse_record(*text));
  return std::optional(std::move(record));
}

Status Records::put(const Record& record) const {
  TRY_ASSIGN(Fd folder, open_network(record.network));
  return replace_file(folder, file_of(record.attachment), record_text(record), 0600);
}

Status Records::remove(const std::string& network, const Attachment& key) const {
  TRY_ASSIGN(Fd folder, open_network(network));
  // A death may have left the one that was to take its place.
  for (const std::string& name : {"." + file_of(key), file_of(key)}) {
    if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
      return fail_errno(errno, cat("remove ", quoted(name)));
    }
  }
  return {};
}

Result<std::vector<Record>> Records::of_network(const std::string& network) const {
  TRY_ASSIGN(Fd folder, open_network(network));
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  std::vector<Record> records;
  for (const std::string& name : names) {
    if (name.starts_with('.')) continue;
    TRY_ASSIGN(std::string text, read_file(folder, name, kMaxRecord));
    auto record = parse_record(text);
    if (!record) return fail(std::move(record).error().add_context(cat("read ", quoted(name))));
    records.push_back(std::move(*record));
  }
  return records;
}

Result<network::FirewallState> Records::firewall() const {
  network::FirewallState state;
  state.is_open = true;
  std::set<std::string> bridges;
  TRY_ASSIGN(std::vector<std::string> networks, list_subdirs(folder_));
  for (const std::string& network : networks) {
    TRY_ASSIGN(std::vector<Record> records, of_network(network));
    for (const Record& record : records) {
      add_ports(record, state);
      if (!bridges.insert(record.bridge).second) continue;
      state.bridges.push_back({record.bridge, record.masquerade, record.masquerade, false});
    }
  }
  return state;
}

}  // namespace dhow::bridge_plugin
