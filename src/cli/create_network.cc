// SPDX-License-Identifier: Apache-2.0
// Ports and networks of new containers.
#include <algorithm>

#include "base/strings.h"
#include "cli/create_request.h"

namespace dhow::cli {
namespace {

using oci::JsonWriter;

std::unexpected<Error> wrong(const std::string& text) { return fail(Code::kInvalidArgument, text); }

struct PortRange {
  unsigned first = 0;
  unsigned last = 0;
};

std::optional<PortRange> parse_range(std::string_view text) {
  std::size_t dash = text.find('-');
  auto first = parse_number<std::uint16_t>(text.substr(0, dash));
  auto last =
      dash == std::string_view::npos ? first : parse_number<std::uint16_t>(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return PortRange{*first, *last};
}

// Why no range of ports, in Go's words.
std::string number_fault(std::string_view text) {
  for (std::string_view part : split(text, '-')) {
    if (parse_number<std::uint16_t>(part)) continue;
    bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    return cat("strconv.ParseUint: parsing ", quoted(part), ": ",
               digits ? "value out of range" : "invalid syntax");
  }
  return cat("invalid range specified for port: ", text);
}

// "80/udp" as "80" and "udp"; "tcp" when nothing is said.
Result<std::string> take_protocol(std::string_view& text) {
  std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return std::string("tcp");
  std::string protocol = lower_text(text.substr(slash + 1));
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
    return wrong(cat("invalid proto: ", text.substr(slash + 1)));
  }
  text = text.substr(0, slash);
  return protocol;
}

void add_exposed(PortRequests& ports, std::string port) {
  if (std::ranges::find(ports.exposed, port) == ports.exposed.end())
    ports.exposed.push_back(std::move(port));
}

Status add_published(std::string_view whole, std::string_view ip, std::string_view host,
                     std::string_view inside, const std::string& protocol, PortRequests& ports) {
  auto container = parse_range(inside);
  if (inside.empty()) return wrong(cat("no port specified: ", whole, "<empty>"));
  if (!container || container->first == 0) return wrong(cat("invalid containerPort: ", inside));
  std::optional<PortRange> published;
  if (!host.empty()) {
    published = parse_range(host);
    if (!published) return wrong(cat("invalid hostPort: ", host));
  }
  unsigned count = container->last - container->first;
  bool many = published && published->last - published->first != count;
  if (many && count != 0)
    return wrong(
        cat("invalid ranges specified for container and host Ports: ", inside, " and ", host));
  for (unsigned i = 0; i <= count; ++i) {
    std::string port = cat(container->first + i, "/", protocol);
    add_exposed(ports, port);
    std::string host_port = many ? std::string(host) : published ? cat(published->first + i) : "";
    ports.bindings.push_back({port, std::string(ip), host_port});
  }
  return {};
}

// "target=80,published=8080,protocol=tcp"
Status parse_long_publish(std::string_view text, PortRequests& ports) {
  std::string target;
  std::string published;
  std::string protocol = "tcp";
  TRY_ASSIGN(auto fields, split_csv(text));
  for (const std::string& field : fields) {
    std::size_t equals = field.find('=');
    if (equals == std::string::npos) return wrong(cat("invalid field: ", field));
    std::string name = lower_text(field.substr(0, equals));
    std::string value = lower_text(field.substr(equals + 1));
    if (name == "target") {
      target = value;
    } else if (name == "published") {
      published = value;
    } else if (name == "protocol") {
      protocol = value;
    } else if (name != "mode") {
      return wrong(cat("invalid field key: ", name));
    }
  }
  if (target.empty()) return wrong(cat("missing mandatory field '", "target", "'"));
  return add_published(text, "", published, target, protocol, ports);
}

struct NetworkChoice {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
};

Result<NetworkChoice> parse_network(std::string_view text) {
  NetworkChoice choice;
  if (text.find('=') == std::string_view::npos) {
    choice.name = text;
    return choice;
  }
  TRY_ASSIGN(auto fields, split_csv(text));
  for (const std::string& field : fields) {
    std::size_t equals = field.find('=');
    std::string name = lower_text(trim(std::string_view(field).substr(0, equals)));
    if (equals == std::string::npos) return wrong(cat("invalid network: invalid field ", field));
    std::string value(trim(std::string_view(field).substr(equals + 1)));
    if (name == "name") {
      choice.name = value;
    } else {
      choice.options.emplace_back(name, value);
    }
  }
  if (choice.name.empty()) return wrong("network name/id is not specified");
  return choice;
}

std::vector<std::string_view> values_of(const NetworkChoice& choice, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [option, value] : choice.options) {
    if (option == name) values.push_back(value);
  }
  return values;
}

std::string_view value_of(const NetworkChoice& choice, std::string_view name) {
  auto values = values_of(choice, name);
  return values.empty() ? std::string_view() : values.back();
}

Status write_endpoint(const NetworkChoice& choice, JsonWriter& json) {
  constexpr std::string_view kKnown[] = {
      "alias", "ip", "ip6", "mac-address", "link-local-ip", "driver-opt", "gw-priority", "link"};
  for (const auto& [name, value] : choice.options) {
    if (std::ranges::find(kKnown, name) == std::end(kKnown))
      return wrong(cat("invalid field key ", name));
  }
  json.key(choice.name).begin_object();
  std::string_view ip = value_of(choice, "ip");
  std::string_view ip6 = value_of(choice, "ip6");
  auto local = values_of(choice, "link-local-ip");
  if (!ip.empty() || !ip6.empty() || !local.empty()) {
    json.key("IPAMConfig").begin_object();
    if (!ip.empty()) json.member("IPv4Address", ip);
    if (!ip6.empty()) json.member("IPv6Address", ip6);
    write_strings(json, "LinkLocalIPs", local);
    json.end_object();
  }
  write_strings(json, "Aliases", values_of(choice, "alias"));
  write_strings(json, "Links", values_of(choice, "link"));
  write_map(json, "DriverOpts", values_of(choice, "driver-opt"));
  if (auto mac = value_of(choice, "mac-address"); !mac.empty()) json.member("MacAddress", mac);
  if (auto priority = parse_number<std::int64_t>(value_of(choice, "gw-priority")))
    json.member_number("GwPriority", *priority);
  json.end_object();
  return {};
}

// The flags that are about the first network go to it.
void add_flags(const Arguments& arguments, NetworkChoice& choice) {
  auto add = [&](std::string_view flag, std::string_view option) {
    for (std::string_view value : arguments.list(flag)) choice.options.emplace_back(option, value);
  };
  add("network-alias", "alias");
  add("net-alias", "alias");
  add("ip", "ip");
  add("ip6", "ip6");
  add("link-local-ip", "link-local-ip");
  add("mac-address", "mac-address");
  bool own = choice.name != "default" && choice.name != "bridge" && choice.name != "host" &&
             choice.name != "none" && !choice.name.starts_with("container:");
  if (own) add("link", "link");
}

}  // namespace

Status parse_publish(std::string_view text, PortRequests& ports) {
  if (text.find('=') != std::string_view::npos) return parse_long_publish(text, ports);
  std::string_view rest = text;
  TRY_ASSIGN(std::string protocol, take_protocol(rest));
  std::size_t last = rest.rfind(':');
  std::string_view inside = rest.substr(last == std::string_view::npos ? 0 : last + 1);
  if (last == std::string_view::npos) return add_published(text, "", "", inside, protocol, ports);
  rest = rest.substr(0, last);
  std::string_view ip;
  std::string_view host = rest;
  if (rest.starts_with('[')) {
    std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return wrong(cat("invalid IP address: ", rest));
    ip = rest.substr(1, end - 1);
    host = rest.substr(end + 1);
    if (host.starts_with(':')) host.remove_prefix(1);
  } else if (std::size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
    ip = rest.substr(0, colon);
    host = rest.substr(colon + 1);
    if (ip.find_first_not_of("0123456789.") != std::string_view::npos)
      return wrong(cat("invalid IP address: ", ip));
  } else if (rest.find('.') != std::string_view::npos) {
    ip = rest;
    host = "";
  }
  return add_published(text, ip, host, inside, protocol, ports);
}

Status parse_expose(std::string_view text, PortRequests& ports) {
  if (text.find(':') != std::string_view::npos)
    return wrong(cat("invalid port format for --expose: ", text));
  std::string_view rest = text;
  TRY_ASSIGN(std::string protocol, take_protocol(rest));
  auto range = parse_range(rest);
  if (!range)
    return wrong(cat("invalid range format for --expose: ", text, ", error: ", number_fault(rest)));
  for (unsigned port = range->first; port <= range->last; ++port)
    add_exposed(ports, cat(port, "/", protocol));
  return {};
}

Result<PortRequests> read_ports(const Arguments& arguments) {
  PortRequests ports;
  for (std::string_view text : arguments.list("publish")) TRY(parse_publish(text, ports));
  for (std::string_view text : arguments.list("expose")) TRY(parse_expose(text, ports));
  return ports;
}

Result<NetworkRequest> read_networks(const Arguments& arguments) {
  auto asked = arguments.list("network");
  for (std::string_view one : arguments.list("net")) asked.push_back(one);
  std::vector<NetworkChoice> choices;
  for (std::string_view text : asked) {
    TRY_ASSIGN(NetworkChoice choice, parse_network(text));
    choices.push_back(std::move(choice));
  }
  if (choices.empty()) choices.push_back({"default", {}});
  add_flags(arguments, choices.front());
  NetworkRequest request;
  request.mode = choices.front().name;
  bool plain = choices.size() == 1 && choices.front().options.empty();
  if (plain) return request;
  JsonWriter json;
  json.begin_object();
  for (const NetworkChoice& choice : choices) TRY(write_endpoint(choice, json));
  json.end_object();
  request.endpoints = json.text();
  return request;
}

}  // namespace dhow::cli
