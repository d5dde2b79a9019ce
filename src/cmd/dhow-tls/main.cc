// SPDX-License-Identifier: Apache-2.0
// dhow-tls [--verify] [--ca FILE] [--cert FILE] [--key FILE] HOST PORT: what dhow runs for an
// engine behind TLS, and a shim for a log server, so that they need not have a TLS library.
// Standard input is a socket; the first line on it is empty when the connection stands, and else
// says why it doesn't. From then on it carries what is said.
#include <getopt.h>
#include <unistd.h>

#include <csignal>
#include <tuple>

#include "base/strings.h"
#include "client/http.h"
#include "sys/file_io.h"
#include "tls/tls.h"

namespace {

constexpr int kHandshakeMs = 30'000;

struct Line {
  dhow::tls::Files files;
  bool verify = false;
  dhow::client::Endpoint endpoint;
};

bool read_line(int argc, char** argv, Line& line) {
  static const struct option kOptions[] = {{"verify", no_argument, nullptr, 'v'},
                                           {"ca", required_argument, nullptr, 'a'},
                                           {"cert", required_argument, nullptr, 'c'},
                                           {"key", required_argument, nullptr, 'k'},
                                           {}};
  for (int found = 0; (found = ::getopt_long(argc, argv, "", kOptions, nullptr)) >= 0;) {
    if (found == 'v') line.verify = true;
    if (found == 'a') line.files.authority = optarg;
    if (found == 'c') line.files.certificate = optarg;
    if (found == 'k') line.files.key = optarg;
    if (found == '?') return false;
  }
  if (argc - optind != 2) return false;
  line.endpoint.kind = dhow::client::Endpoint::Kind::kTcp;
  line.endpoint.address = argv[optind];
  line.endpoint.port = argv[optind + 1];
  line.endpoint.text = dhow::cat("tcp://", line.endpoint.address, ":", line.endpoint.port);
  return true;
}

dhow::Status serve(const Line& line) {
  TRY_ASSIGN(auto context, dhow::tls::Context::client(line.files, line.verify));
  TRY_ASSIGN(dhow::Fd socket, dhow::client::connect_tcp(line.endpoint));
  TRY_ASSIGN(auto connection, dhow::tls::Connection::connect(context, std::move(socket),
                                                             line.endpoint.address, kHandshakeMs));
  const dhow::FdRef plain(STDIN_FILENO);
  // Who is not there any more may have left something to be sent.
  std::ignore = dhow::write_all(plain, "\n");
  connection.relay(plain, -1);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Line line;
  if (!read_line(argc, argv, line)) {
    std::ignore = dhow::write_all(dhow::FdRef(STDERR_FILENO),
                                  "dhow-tls is run by dhow and by shims, for servers behind TLS\n");
    return 2;
  }
  auto served = serve(line);
  if (served) return 0;
  std::ignore =
      dhow::write_all(dhow::FdRef(STDIN_FILENO), dhow::cat(served.error().message(), "\n"));
  return 1;
}
