// SPDX-License-Identifier: Apache-2.0
#include "dns/names.h"

#include <sys/socket.h>

#include <algorithm>
#include <arpa/inet.h>

#include "base/strings.h"

namespace dhow::dns {
namespace {

bool is_word(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

// Takes the next word off a line.
std::string_view next_word(std::string_view& line) {
  std::size_t end = std::min(line.find(' '), line.size());
  std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool is_same_name(std::string_view one, std::string_view lower) {
  return one.size() == lower.size() && lower_text(one) == lower;
}

// Calls `each(address, names)` for the lines of a file of names, until that returns true; the
// network's name.
template <typename Each>
std::string_view for_each_line(std::string_view text, const Each& each) {
  std::string_view network;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view first = next_word(line);
    if (first == "network") {
      network = line;
    } else if (each(first, line)) {
      break;
    }
  }
  return network;
}

std::string_view network_name(std::string_view text) {
  return for_each_line(text, [](std::string_view, std::string_view) { return true; });
}

// Its addresses, of all families; none: the name is not there.
std::vector<std::string> addresses_of(std::string_view text, std::string_view name) {
  std::vector<std::string> found;
  for_each_line(text, [&](std::string_view address, std::string_view names) {
    while (!names.empty()) {
      if (!is_same_name(next_word(names), name)) continue;
      if (std::string bytes = address_bytes(address); !bytes.empty()) {
        found.push_back(std::move(bytes));
      }
      break;
    }
    return false;
  });
  return found;
}

class LocalLookup {
 public:
  LocalLookup(const Settings& settings, const std::vector<std::string>& names)
      : settings_(settings), names_(names) {}

  // A name, or a name with that of its network, both of which may have dots: "a.b.c" is sought as
  // "a.b.c", "a.b" in the network "c", and "a" in "b.c".
  std::vector<std::string> find(std::string_view name) const {
    if (name.empty()) return {};
    std::size_t end = name.size();
    while (end != std::string_view::npos && end != 0) {
      std::string_view network = end == name.size() ? "" : name.substr(end + 1);
      auto found = find_in(name.substr(0, end), network);
      if (!found.empty()) return found;
      end = name.rfind('.', end - 1);
    }
    return {};
  }

  // "NAME.NETWORK" for an address; "" when nobody has it.
  std::string name_of(std::string_view bytes) const {
    std::string found;
    for (std::size_t i = 0; i < size() && found.empty(); ++i) {
      std::string_view owner;
      std::string_view network =
          for_each_line(names_[i], [&](std::string_view address, std::string_view names) {
            if (address_bytes(address) != bytes) return false;
            owner = next_word(names);
            return !owner.empty();
          });
      if (!owner.empty()) found = cat(owner, ".", network);
    }
    return found;
  }

 private:
  std::size_t size() const { return std::min(settings_.networks.size(), names_.size()); }

  std::vector<std::string> find_in(std::string_view name, std::string_view network) const {
    // What is linked goes before all else by the same name.
    for (bool is_link : {true, false}) {
      for (std::size_t i = 0; i < size(); ++i) {
        if (!network.empty() && !is_same_name(network_name(names_[i]), network)) continue;
        const auto& links = settings_.networks[i].links;
        auto link = std::ranges::find_if(
            links, [&](const auto& each) { return is_same_name(each.first, name); });
        if ((link != links.end()) != is_link) continue;
        auto found = addresses_of(names_[i], is_link ? lower_text(link->second) : name);
        if (!found.empty()) return found;
      }
    }
    return {};
  }

  const Settings& settings_;
  const std::vector<std::string>& names_;
};

// The address that is asked about by "2.0.7.10.in-addr.arpa" and the like; "" when it is none.
std::string reversed_address(std::string_view name) {
  constexpr std::string_view kFour = ".in-addr.arpa";
  constexpr std::string_view kSix = ".ip6.arpa";
  std::string text;
  if (name.ends_with(kFour)) {
    name.remove_suffix(kFour.size());
    for (std::string_view part : split(name, '.')) text = cat(part, text.empty() ? "" : ".", text);
  } else if (name.ends_with(kSix)) {
    name.remove_suffix(kSix.size());
    if (name.size() != 63) return "";
    for (std::size_t i = 0; i < 32; ++i) {
      if (i != 0 && name[2 * i - 1] != '.') return "";
      if (i != 0 && i % 4 == 0) text.insert(0, ":");
      text.insert(0, 1, name[2 * i]);
    }
  }
  return address_bytes(text);
}

}  // namespace

std::string names_text(std::string_view network, const std::vector<Named>& all) {
  std::string text = cat("network ", network, "\n");
  for (const Named& one : all) {
    std::string line = one.address;
    for (const std::string& name : one.names) {
      if (is_word(name)) line += cat(" ", name);
    }
    text += cat(line, "\n");
  }
  return text;
}

std::string settings_text(const Settings& settings) {
  std::string text;
  for (const std::string& server : settings.servers) text += cat("server ", server, "\n");
  if (!settings.forwards) text += "internal\n";
  if (settings.keeps_single_labels) text += "ndots\n";
  for (const Settings::Network& network : settings.networks) {
    text += cat("names ", network.file, "\n");
    for (const auto& [alias, name] : network.links) {
      if (is_word(alias) && is_word(name)) text += cat("link ", alias, " ", name, "\n");
    }
  }
  return text;
}

Settings parse_settings(std::string_view text) {
  Settings settings;
  for (std::string_view line : split(text, '\n')) {
    std::string_view first = next_word(line);
    if (first == "server") {
      settings.servers.emplace_back(line);
    } else if (first == "internal") {
      settings.forwards = false;
    } else if (first == "ndots") {
      settings.keeps_single_labels = true;
    } else if (first == "names") {
      settings.networks.push_back({std::string(line), {}});
    } else if (first == "link" && !settings.networks.empty()) {
      std::string_view alias = next_word(line);
      settings.networks.back().links.emplace_back(alias, line);
    }
  }
  return settings;
}

std::string address_bytes(std::string_view text) {
  std::string zero_ended(text);
  unsigned char bytes[16];
  for (auto [family, size] : {std::pair(AF_INET, 4), std::pair(AF_INET6, 16)}) {
    if (::inet_pton(family, zero_ended.c_str(), bytes) != 1) continue;
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
  }
  return "";
}

std::optional<std::string> local_answer(const Query& query, const Settings& settings,
                                        const std::vector<std::string>& names, std::size_t turn,
                                        std::size_t limit) {
  LocalLookup lookup(settings, names);
  Answer answer(query, Rcode::kSuccess, limit);
  if (query.asks(Type::kPtr)) {
    std::string bytes = reversed_address(query.name);
    std::string name = bytes.empty() ? "" : lookup.name_of(bytes);
    if (!name.empty() && answer.add_name(name)) return answer.take();
  } else if (query.asks(Type::kA) || query.asks(Type::kAaaa) || query.asks(Type::kMx)) {
    auto found = lookup.find(query.name);
    if (!found.empty()) {
      // One that is known and has none of these is answered with nothing: nobody else is to be
      // asked for it. Mail goes to the address itself then (RFC 5321, 5.1).
      std::size_t wanted = query.asks(Type::kA) ? 4 : query.asks(Type::kAaaa) ? 16 : 0;
      std::erase_if(found, [&](const std::string& bytes) { return bytes.size() != wanted; });
      for (std::size_t i = 0; i < found.size(); ++i) {
        answer.add_address(found[(turn + i) % found.size()]);
      }
      return answer.take();
    }
  }
  bool is_address = query.asks(Type::kA) || query.asks(Type::kAaaa);
  if (!settings.forwards) return Answer(query, Rcode::kServerFailure, limit).take();
  if (settings.keeps_single_labels && is_address && !query.name.empty() &&
      query.name.find('.') == std::string::npos) {
    return answer.take();
  }
  return std::nullopt;
}

}  // namespace dhow::dns
