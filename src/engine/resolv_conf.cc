// SPDX-License-Identifier: Apache-2.0
#include "engine/resolv_conf.h"

#include <algorithm>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

constexpr std::size_t kLongestFile = std::size_t{1} << 20;

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (char c : line) {
    bool is_blank = c == ' ' || c == '\t' || c == '\r';
    if (!is_blank) word += c;
    if (is_blank && !word.empty()) words.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

// What systemd-resolved asks itself is in the second file.
std::string file_of_host() {
  std::string text = read_file("/etc/resolv.conf", kLongestFile).value_or("");
  if (text.find("127.0.0.53") == std::string::npos) return text;
  return read_file("/run/systemd/resolve/resolv.conf", kLongestFile).value_or(text);
}

bool is_ndots(std::string_view option) { return option == "ndots" || option.starts_with("ndots:"); }

// Without a number no resolver could use it.
bool is_bad_ndots(std::string_view option) {
  return is_ndots(option) &&
         !parse_number<unsigned>(option.substr(std::min<std::size_t>(6, option.size())));
}

}  // namespace

ResolvConf ResolvConf::parse(std::string_view text) {
  ResolvConf conf;
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string> words = words_of(line);
    if (words.empty() || words[0][0] == '#' || words[0][0] == ';') continue;
    std::vector<std::string> rest(words.begin() + 1, words.end());
    if (words[0] == "nameserver") {
      if (!rest.empty()) conf.servers.push_back(rest.front());
    } else if (words[0] == "search" || words[0] == "domain") {
      if (!rest.empty()) conf.search = std::move(rest);
    } else if (words[0] == "options") {
      conf.options.insert(conf.options.end(), rest.begin(), rest.end());
    } else {
      conf.others.emplace_back(line);
    }
  }
  return conf;
}

std::string ResolvConf::text() const {
  std::string text;
  for (const std::string& server : servers) text += cat("nameserver ", server, "\n");
  if (!search.empty()) text += cat("search ", join(search, " "), "\n");
  if (!options.empty()) text += cat("options ", join(options, " "), "\n");
  for (const std::string& line : others) text += cat(line, "\n");
  return text;
}

bool ResolvConf::has_option(std::string_view name) const {
  return std::ranges::any_of(options, [&](const std::string& option) {
    return std::string_view(option).substr(0, option.find(':')) == name;
  });
}

ResolvConf resolv_conf_of(const HostConfig& host, const EngineOptions& engine) {
  ResolvConf conf = ResolvConf::parse(file_of_host());
  const auto& servers = host.dns.empty() ? engine.dns : host.dns;
  const auto& domains = host.dns_search.empty() ? engine.dns_search : host.dns_search;
  const auto& options = host.dns_options.empty() ? engine.dns_options : host.dns_options;
  // What is not said is the machine's.
  if (!servers.empty()) conf.servers = servers;
  if (!domains.empty()) {
    conf.search = domains;
    std::erase(conf.search, ".");  // docker's word for none
  }
  if (!options.empty()) conf.options = options;
  return conf;
}

void leave_loopback(ResolvConf& conf, const HostConfig& host, const EngineOptions& engine) {
  if (!host.dns.empty() || !engine.dns.empty()) return;
  std::erase_if(conf.servers, [](const std::string& server) {
    return server.starts_with("127.") || server == "::1";
  });
  if (conf.servers.empty()) conf.servers = {"8.8.8.8", "8.8.4.4"};
}

void point_to_resolver(ResolvConf& conf) {
  conf.servers = {"127.0.0.11"};
  std::erase_if(conf.options, is_bad_ndots);
  if (!conf.has_option("ndots")) conf.options.emplace_back("ndots:0");
}

}  // namespace dhow::engine
