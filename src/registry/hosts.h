// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/credentials.h"
#include "registry/http.h"
#include "registry/url.h"

namespace dhow::registry {

// A server that has the repositories of a registry: the registry itself, or a mirror of it.
struct Host {
  Url base = {};  // what all paths are below: "https://registry-1.docker.io/v2"
  bool pull = true;
  bool resolve = true;
  bool push = true;
  bool referrers = true;
  TlsOptions tls = {};
  Headers headers = {};  // sent with each request, to this host alone
  std::chrono::milliseconds dial_timeout{30'000};
  std::optional<Credentials> credentials = {};  // instead of what the user has for it
  std::string ns = {};                          // a mirror is told whose content is wanted ("ns=")
  // When no TLS can be had, go on without.
  bool plain_fallback = false;
};

struct HostsOptions {
  // Folders of configuration, as /etc/containerd/certs.d, the most important first.
  std::vector<std::string> folders = {};
  // Registries ("host:port") and networks ("10.0.0.0/8") that need not prove who they are, nor
  // encrypt.
  std::vector<std::string> insecure = {};
};

// Who has the content of a domain ("docker.io", "localhost:5000"), to be asked in that order. Reads
// the files anew each time. The first of the folders with a name of the domain ("r.io:5000" or
// "r.io_5000_"), and then "_default", is the one that counts: with its hosts.toml (containerd's
// docs/hosts.md), or without one as docker has it: each *.crt is an authority, and *.cert with
// *.key a client's certificate. Without any: the domain itself, by https; on loopback and for
// insecure ones, unverified, and plain where there is no TLS. Faults are kInvalidArgument with
// file, key and reason, and show no values of secrets.
Result<std::vector<Host>> find_hosts(const HostsOptions& options, std::string_view domain);

// What a hosts.toml says. `file` is its path: for messages, and for names of files that are
// relative to its folder. `own` is the registry itself, for a file that names no server. Beyond
// containerd's keys a host may have a table "credentials" with username and password, or
// identity_token.
Result<std::vector<Host>> parse_hosts_toml(std::string_view text, const std::string& file,
                                           std::string_view domain, const Host& own);

// The registry of a domain without any configuration of it.
Result<Host> default_host(const HostsOptions& options, std::string_view domain);

// A duration as Go writes it: "1m30s", "1.5s", "250ms".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace dhow::registry
