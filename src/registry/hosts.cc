// SPDX-License-Identifier: Apache-2.0
#include "registry/hosts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::registry {
namespace {

constexpr std::size_t kMaxHostsToml = 1U << 20;

bool is_insecure(const HostsOptions& options, std::string_view domain, const Url& url) {
  for (const std::string& entry : options.insecure) {
    if (entry == domain) return true;
    // A name would stand for all below it, which nobody means here.
    if (entry.find('/') != std::string::npos &&
        host_in_list(entry, url.host, url.effective_port())) {
      return true;
    }
  }
  return false;
}

// "r.io:5000" as "r.io_5000_", where a colon is no good in a name, then as it is.
std::vector<std::string> folder_names(std::string_view domain) {
  std::vector<std::string> names;
  auto colon = domain.rfind(':');
  if (colon != std::string_view::npos && domain.find(']', colon) == std::string_view::npos) {
    names.push_back(cat(domain.substr(0, colon), "_", domain.substr(colon + 1), "_"));
  }
  names.emplace_back(domain);
  names.emplace_back("_default");
  return names;
}

bool is_folder(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// The certificates of a folder as docker has them.
Status add_certificates(const std::string& folder, Host& host) {
  TRY_ASSIGN(Fd dir, open_at(kCwd, folder, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(std::vector<std::string> names, list_dir(dir));
  std::ranges::sort(names);
  for (const std::string& name : names) {
    std::string path = cat(folder, "/", name);
    if (name.ends_with(".crt")) host.tls.ca_files.push_back(path);
    if (!name.ends_with(".cert")) continue;
    std::string key = name.substr(0, name.size() - 5) + ".key";
    if (!std::ranges::binary_search(names, key)) {
      return fail(Code::kInvalidArgument,
                  cat("read ", quoted(path), ": its key ", quoted(key), " is not beside it"));
    }
    if (!host.tls.client_certificate.empty()) continue;
    host.tls.client_certificate = path;
    host.tls.client_key = cat(folder, "/", key);
  }
  // Who was given an authority on loopback is held to it.
  if (!host.tls.ca_files.empty() && is_loopback(host.base.host)) {
    host.tls.skip_verify = false;
    host.plain_fallback = false;
  }
  return {};
}

Result<std::vector<Host>> read_folder(const std::string& folder, std::string_view domain,
                                      Host own) {
  std::string file = folder + "/hosts.toml";
  auto text = read_file(file, kMaxHostsToml);
  if (text.has_value()) return parse_hosts_toml(*text, file, domain, own);
  if (text.error().code() != Code::kNotFound) return std::unexpected(text.error());
  TRY(add_certificates(folder, own));
  return std::vector<Host>{std::move(own)};
}

}  // namespace

Result<Host> default_host(const HostsOptions& options, std::string_view domain) {
  Host host;
  std::string_view name = domain == "docker.io" ? "registry-1.docker.io" : domain;
  TRY_ASSIGN(host.base, Url::parse(cat("https://", name, "/v2")));
  if (is_loopback(host.base.host) || is_insecure(options, domain, host.base)) {
    host.tls.skip_verify = true;
    host.plain_fallback = true;
  }
  return host;
}

Result<std::vector<Host>> find_hosts(const HostsOptions& options, std::string_view domain) {
  TRY_ASSIGN(Host own, default_host(options, domain));
  for (const std::string& name : folder_names(domain)) {
    for (const std::string& root : options.folders) {
      std::string folder = cat(root, "/", name);
      if (is_folder(folder)) return read_folder(folder, domain, std::move(own));
    }
  }
  return std::vector<Host>{std::move(own)};
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  struct {
    std::string_view name;
    double milliseconds;
  } constexpr kUnits[] = {{"ms", 1},     {"us", 1e-3},    {"\u00b5s", 1e-3}, {"ns", 1e-6},
                          {"s", 1000.0}, {"m", 60'000.0}, {"h", 3'600'000.0}};
  if (text == "0") return std::chrono::milliseconds(0);
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    double number = 0;
    auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || number < 0 || *text.data() == '-') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto* unit = std::ranges::find_if(
        kUnits, [&](const auto& candidate) { return text.starts_with(candidate.name); });
    if (unit == std::end(kUnits)) return std::nullopt;
    text.remove_prefix(unit->name.size());
    total += number * unit->milliseconds;
  }
  if (!(total < 1e12)) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

}  // namespace dhow::registry
