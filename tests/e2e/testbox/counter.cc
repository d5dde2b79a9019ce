// SPDX-License-Identifier: Apache-2.0
// What is checkpointed: a program with a state in its memory, and on demand with something that
// only a flag lets through, that tells of it whenever it is asked.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "e2e/testbox/testbox.h"

namespace dhow::testbox {
namespace {

struct Connection {
  int client = -1;
  int server = -1;
};

bool connect_to_itself(Connection& connection) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, plain, size) != 0 || listen(listener, 1) != 0) return false;
  if (getsockname(listener, plain, &size) != 0) return false;
  connection.client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection.client, plain, size) != 0) return false;
  connection.server = accept(listener, nullptr, nullptr);
  close(listener);
  return connection.server >= 0;
}

// The number makes its way through the connection.
bool send_around(const Connection& connection, int number) {
  int arrived = -1;
  if (write(connection.client, &number, sizeof number) != sizeof number) return false;
  if (recv(connection.server, &arrived, sizeof arrived, MSG_WAITALL) != sizeof arrived)
    return false;
  return arrived == number;
}

// A file that lost the name by which it was opened, and has another.
bool open_linked(Connection& connection, const char* path) {
  char other[256];
  snprintf(other, sizeof other, "%s.other", path);
  connection.client = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
  connection.server = open(path, O_RDONLY);
  return connection.server >= 0 && link(path, other) == 0 && unlink(path) == 0;
}

// A socket of somebody outside.
bool open_datagram(Connection& connection, const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  connection.client = socket(AF_UNIX, SOCK_DGRAM, 0);
  return connect(connection.client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

bool open_lock(const char* path) {
  int file = open(path, O_RDWR | O_CREAT, 0600);
  return file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0;
}

// What the counter has besides its memory.
class Extra {
 public:
  Extra(int argc, char** argv) : kind_(argc > 1 ? argv[1] : ""), path_(argc > 2 ? argv[2] : "") {}
  bool open() {
    if (is("tcp")) return connect_to_itself(connection_);
    if (is("lock")) return open_lock(path_);
    if (is("linked")) return open_linked(connection_, path_);
    if (is("datagram")) return open_datagram(connection_, path_);
    return true;
  }
  bool pass_on(int number) const {
    if (is("tcp")) return send_around(connection_, number);
    if (is("datagram")) return write(connection_.client, &number, sizeof number) == sizeof number;
    if (!is("linked")) return true;
    int read_back = -1;
    return write(connection_.client, &number, sizeof number) == sizeof number &&
           read(connection_.server, &read_back, sizeof read_back) == sizeof read_back &&
           read_back == number;
  }

 private:
  bool is(const char* kind) const { return strcmp(kind_, kind) == 0; }

  const char* kind_;
  const char* path_;
  Connection connection_;
};

}  // namespace

// counter [lock FILE | tcp | linked FILE | datagram SOCKET]: each SIGUSR1 adds one and prints
// "count N"; SIGTERM ends it with 7. "lock" holds a flock on the file, "tcp" sends the number
// through a connection to itself, "linked" through a file without its first name, "datagram" to the
// socket.
int run_counter(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  Extra extra(argc, argv);
  if (!extra.open()) return 2;
  puts("ready");
  fflush(stdout);
  int count = 0;
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGUSR1) {
    ++count;
    if (!extra.pass_on(count)) return 4;
    printf("count %d\n", count);
    fflush(stdout);
  }
  return 7;
}

// trylock FILE: 0 when nobody holds a flock on it, else 1.
int run_trylock(int argc, char** argv) {
  int file = argc > 1 ? open(argv[1], O_RDWR) : -1;
  if (file < 0) return 2;
  return flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : 1;
}

}  // namespace dhow::testbox
