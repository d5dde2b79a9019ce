// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/message.h"

// What the engine tells the resolver of a container (docs/networks.md): the names on a network, one
// file for all who are in it, and which networks are the container's, a file of its own. Both are
// lines of words; lines with another first word are left out.
namespace dhow::dns {

// An address, and what it is found by. The container's own name is the first.
struct Named {
  std::string address;
  std::vector<std::string> names;
};

// "network NAME", then "ADDRESS NAME…" for each. What is no word of a line is left out: no question
// could be for it.
std::string names_text(std::string_view network, const std::vector<Named>& all);

// A container's resolver.
struct Settings {
  struct Network {
    std::string file;  // of names
    // Names that this container alone has for others in the network: alias, name.
    std::vector<std::pair<std::string, std::string>> links;
  };
  std::vector<std::string> servers;  // addresses; the first three are asked
  // What nobody in the networks is called is asked of the servers.
  bool forwards = true;
  // Of such names not those without a dot: the client tries them with its search domains.
  bool keeps_single_labels = false;
  std::vector<Network> networks;
};
std::string settings_text(const Settings& settings);
Settings parse_settings(std::string_view text);

// "10.0.0.1" or "fd00::1" as four or sixteen bytes; "" when it is no address.
std::string address_bytes(std::string_view text);

// The answer to a query, from the texts of the files of names, in the order of
// `settings.networks`; nullopt: servers are to be asked. `turn` says which of several addresses is
// the first. At most `limit` bytes. Follows moby: a name is looked for in one network after the
// other, alone and with the network's name behind it.
std::optional<std::string> local_answer(const Query& query, const Settings& settings,
                                        const std::vector<std::string>& names, std::size_t turn,
                                        std::size_t limit);

}  // namespace dhow::dns
