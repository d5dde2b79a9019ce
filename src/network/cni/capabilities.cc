// SPDX-License-Identifier: Apache-2.0
#include "network/cni/capabilities.h"

#include "oci/json.h"

namespace dhow::cni {
namespace {

using oci::JsonWriter;

void write_list(JsonWriter& out, const std::vector<std::string>& texts) {
  out.begin_array();
  for (const std::string& text : texts) out.string(text);
  out.end_array();
}

std::string list_text(const std::vector<std::string>& texts) {
  JsonWriter out;
  write_list(out, texts);
  return out.text();
}

std::string ports_text(const std::vector<PortMapping>& ports) {
  JsonWriter out;
  out.begin_array();
  for (const PortMapping& port : ports) {
    out.begin_object().member_number("hostPort", port.host_port);
    out.member_number("containerPort", port.container_port).member("protocol", port.protocol);
    if (!port.host_ip.empty()) out.member("hostIP", port.host_ip);
    out.end_object();
  }
  out.end_array();
  return out.text();
}

std::string bandwidth_text(const Bandwidth& bandwidth) {
  JsonWriter out;
  out.begin_object();
  out.key("ingressRate").number_unsigned(bandwidth.ingress_rate);
  out.key("ingressBurst").number_unsigned(bandwidth.ingress_burst);
  out.key("egressRate").number_unsigned(bandwidth.egress_rate);
  out.key("egressBurst").number_unsigned(bandwidth.egress_burst);
  out.end_object();
  return out.text();
}

std::string ranges_text(const std::vector<std::vector<IpRange>>& sets) {
  JsonWriter out;
  out.begin_array();
  for (const std::vector<IpRange>& set : sets) {
    out.begin_array();
    for (const IpRange& range : set) {
      out.begin_object().member("subnet", range.subnet);
      if (!range.range_start.empty()) out.member("rangeStart", range.range_start);
      if (!range.range_end.empty()) out.member("rangeEnd", range.range_end);
      if (!range.gateway.empty()) out.member("gateway", range.gateway);
      out.end_object();
    }
    out.end_array();
  }
  out.end_array();
  return out.text();
}

std::string dns_text(const Capabilities& all) {
  JsonWriter out;
  out.begin_object();
  if (!all.dns_servers.empty()) write_list(out.key("servers"), all.dns_servers);
  if (!all.dns_searches.empty()) write_list(out.key("searches"), all.dns_searches);
  if (!all.dns_options.empty()) write_list(out.key("options"), all.dns_options);
  out.end_object();
  return out.text();
}

std::string annotations_text(const std::map<std::string, std::string>& annotations) {
  JsonWriter out;
  out.begin_object();
  for (const auto& [name, value] : annotations) out.member(name, value);
  out.end_object();
  return out.text();
}

}  // namespace

CapabilityArgs Capabilities::args() const {
  CapabilityArgs result;
  if (!port_mappings.empty()) result["portMappings"] = ports_text(port_mappings);
  if (bandwidth) result["bandwidth"] = bandwidth_text(*bandwidth);
  if (!ip_ranges.empty()) result["ipRanges"] = ranges_text(ip_ranges);
  if (!dns_servers.empty() || !dns_searches.empty() || !dns_options.empty()) {
    result["dns"] = dns_text(*this);
  }
  if (!ips.empty()) result["ips"] = list_text(ips);
  if (!mac.empty()) result["mac"] = oci::json_quoted(mac);
  if (!infiniband_guid.empty()) result["infinibandGUID"] = oci::json_quoted(infiniband_guid);
  if (!device_id.empty()) result["deviceID"] = oci::json_quoted(device_id);
  if (!aliases.empty()) result["aliases"] = list_text(aliases);
  if (!cgroup_path.empty()) result["cgroupPath"] = oci::json_quoted(cgroup_path);
  if (!pod_annotations.empty()) {
    result["io.kubernetes.cri.pod-annotations"] = annotations_text(pod_annotations);
  }
  return result;
}

}  // namespace dhow::cni
