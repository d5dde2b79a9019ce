// SPDX-License-Identifier: Apache-2.0
#include "client/tunnel.h"

#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/socket_program.h"

namespace dhow::client {
namespace {

constexpr std::string_view kTlsProgram = "dhow-tls";

bool is_program(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

// A word of a shell's command line, which is what ssh's peer makes of it.
std::string shell_word(std::string_view text) {
  std::string word = "'";
  for (char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::vector<std::string> ssh_words(const Endpoint& endpoint) {
  std::vector<std::string> words = {"ssh", "-o", "ConnectTimeout=30", "-T"};
  if (!endpoint.user.empty()) words.insert(words.end(), {"-l", endpoint.user});
  if (!endpoint.port.empty()) words.insert(words.end(), {"-p", endpoint.port});
  words.insert(words.end(), {"--", endpoint.address, "dhow"});
  if (!endpoint.remote.empty()) {
    words.insert(words.end(), {"--host", shell_word("unix://" + endpoint.remote)});
  }
  words.insert(words.end(), {"system", "dial-stdio"});
  return words;
}

Result<std::vector<std::string>> tls_words(const Endpoint& endpoint) {
  std::string program = find_program(kTlsProgram);
  if (program.empty()) {
    return fail(Code::kUnavailable, cat(endpoint.text, ": TLS needs the program ", kTlsProgram,
                                        ": put it beside dhow or into $PATH"));
  }
  std::vector<std::string> words = {program};
  const TlsSettings& tls = *endpoint.tls;
  if (tls.verify) words.emplace_back("--verify");
  for (const auto& [flag, file] :
       {std::pair("--ca", &tls.authority), {"--cert", &tls.certificate}, {"--key", &tls.key}}) {
    if (!file->empty()) words.insert(words.end(), {flag, *file});
  }
  words.insert(words.end(), {"--", endpoint.address, endpoint.port});
  return words;
}

// The line that dhow-tls says first, and nothing of what follows it.
Status read_verdict(const Fd& socket, const Endpoint& endpoint) {
  std::string line;
  for (char c = 0; c != '\n';) {
    TRY_ASSIGN(std::size_t count, read_some(socket, std::span(&c, 1)));
    if (count == 0) {
      return fail(Code::kUnavailable,
                  cat(endpoint.text, ": ", kTlsProgram, " ended without a word"));
    }
    if (c != '\n') line += c;
  }
  if (line.empty()) return {};
  return fail(Code::kUnavailable, cat("connect to ", endpoint.text, ": ", line));
}

}  // namespace

std::string find_program(std::string_view name) {
  char own[4096];
  ssize_t size = ::readlink("/proc/self/exe", own, sizeof own);
  if (size > 0) {
    std::string_view path(own, static_cast<std::size_t>(size));
    std::string beside = cat(path.substr(0, path.rfind('/') + 1), name);
    if (is_program(beside)) return beside;
  }
  const char* folders = std::getenv("PATH");
  for (std::string_view folder : split(folders != nullptr ? folders : "/usr/bin:/bin", ':')) {
    std::string candidate = cat(folder.empty() ? "." : folder, "/", name);
    if (is_program(candidate)) return candidate;
  }
  return {};
}

Result<Fd> open_tunnel(const Endpoint& endpoint) {
  bool is_ssh = endpoint.kind == Endpoint::Kind::kSsh;
  std::vector<std::string> words;
  if (is_ssh) {
    words = ssh_words(endpoint);
  } else {
    TRY_ASSIGN(words, tls_words(endpoint));
  }
  TRY_ASSIGN(Fd socket, start_on_socket(words, ProgramLife::kWithCaller));
  if (!is_ssh) TRY(read_verdict(socket, endpoint));
  return socket;
}

}  // namespace dhow::client
