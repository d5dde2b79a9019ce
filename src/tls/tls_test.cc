// SPDX-License-Identifier: Apache-2.0
#include "tls/tls.h"

#include <signal.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <optional>
#include <string>
#include <thread>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::tls {
namespace {

using ::testing::HasSubstr;

constexpr int kHandshakeMs = 20'000;

// An authority, a server's certificate for "engine.test" and 127.0.0.1, and a client's, by
// openssl(1).
class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/dhow-tls-XXXXXX";
    folder_ = ::mkdtemp(name);
    make_authority("ca");
    make_authority("other");
    make_certificate("server", "ca", "subjectAltName=DNS:engine.test,IP:127.0.0.1");
    make_certificate("client", "ca", "extendedKeyUsage=clientAuth");
    make_certificate("stranger", "other", "extendedKeyUsage=clientAuth");
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static std::string file(const std::string& name) { return folder_ + "/" + name; }
  static void sh(const std::string& command) {
    ASSERT_EQ(std::system(cat("cd ", folder_, " && ", command, " >log 2>&1").c_str()), 0)
        << read_file(file("log")).value_or("");
  }
  static constexpr const char* kKey = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";
  static void make_authority(const std::string& name) {
    sh(cat("openssl req -x509", kKey, "-keyout ", name, ".key -out ", name,
           ".pem -subj /CN=", name));
  }
  static void make_certificate(const std::string& name, const std::string& authority,
                               const std::string& extension) {
    std::ofstream(file(name + ".ext")) << extension << "\n";
    sh(cat("openssl req", kKey, "-keyout ", name, ".key -out ", name, ".csr -subj /CN=", name));
    sh(cat("openssl x509 -req -in ", name, ".csr -CA ", authority, ".pem -CAkey ", authority,
           ".key -CAcreateserial -extfile ", name, ".ext -out ", name, ".pem"));
  }

  static Files files(const std::string& authority, const std::string& name = "") {
    return {authority.empty() ? "" : file(authority + ".pem"),
            name.empty() ? "" : file(name + ".pem"), name.empty() ? "" : file(name + ".key")};
  }

  // Both ends of a connection with what is on their plain sides, relayed by threads of their own.
  struct Pair {
    Fd client, server;
    std::optional<Error> client_error, server_error;
    std::jthread threads[2];
  };
  void connect(Pair& pair, const Files& server_files, const Files& client_files, bool verify,
               const std::string& host) {
    auto wire = make_socket_pair(SOCK_STREAM).value();
    auto client_plain = make_socket_pair(SOCK_STREAM).value();
    auto server_plain = make_socket_pair(SOCK_STREAM).value();
    pair.client = std::move(client_plain.first);
    pair.server = std::move(server_plain.first);
    auto serve = [&pair, server_files](Fd socket, Fd plain) {
      auto context = Context::server(server_files);
      ASSERT_TRUE(context) << context.error().message();
      auto made = Connection::accept(*context, std::move(socket), kHandshakeMs);
      if (!made) pair.server_error = made.error();
      if (made) made->relay(plain, -1);
    };
    auto dial = [&pair, client_files, verify, host](Fd socket, Fd plain) {
      auto context = Context::client(client_files, verify);
      ASSERT_TRUE(context) << context.error().message();
      auto made = Connection::connect(*context, std::move(socket), host, kHandshakeMs);
      if (!made) pair.client_error = made.error();
      if (made) made->relay(plain, -1);
    };
    pair.threads[0] = std::jthread(serve, std::move(wire.first), std::move(server_plain.second));
    pair.threads[1] = std::jthread(dial, std::move(wire.second), std::move(client_plain.second));
  }
  static void end(Pair& pair) {
    pair.client.reset();
    pair.server.reset();
    for (auto& thread : pair.threads) thread.join();
  }

  static inline std::string folder_;
};

TEST_F(TlsTest, CarriesMuchBothWaysAndPassesEndsOn) {
  Pair pair;
  connect(pair, files("ca", "server"), files("ca", "client"), true, "engine.test");
  const std::string question(3 << 20, 'q'), answer(5 << 20, 'a');
  std::jthread writer([&] {
    EXPECT_TRUE(write_all(pair.client, question));
    ::shutdown(pair.client.get(), SHUT_WR);
  });
  // The end of one direction leaves the other.
  EXPECT_EQ(read_all(pair.server).value_or(""), question);
  std::jthread answerer([&] {
    EXPECT_TRUE(write_all(pair.server, answer));
    ::shutdown(pair.server.get(), SHUT_WR);
  });
  EXPECT_EQ(read_all(pair.client).value_or(""), answer);
  writer.join();
  answerer.join();
  end(pair);
  EXPECT_FALSE(pair.client_error || pair.server_error);
}

TEST_F(TlsTest, AClosedSideEndsTheOther) {
  Pair pair;
  connect(pair, files("", "server"), files("ca"), true, "127.0.0.1");
  EXPECT_TRUE(write_all(pair.client, "x"));
  char byte = 0;
  EXPECT_EQ(read_some(pair.server, std::span(&byte, 1)).value_or(0), 1U);
  pair.server.reset();
  EXPECT_EQ(read_all(pair.client).value_or("?"), "");
  end(pair);
}

TEST_F(TlsTest, AServerOfAnotherAuthorityOrNameIsRefused) {
  Pair other;
  connect(other, files("", "server"), files("other"), true, "engine.test");
  end(other);
  ASSERT_TRUE(other.client_error);
  EXPECT_EQ(other.client_error->code(), Code::kUnauthenticated);
  Pair name;
  connect(name, files("", "server"), files("ca"), true, "elsewhere.test");
  end(name);
  ASSERT_TRUE(name.client_error);
  EXPECT_THAT(name.client_error->message(), HasSubstr("hostname mismatch"));
  // Without looking at it, it is taken.
  Pair blind;
  connect(blind, files("", "server"), files(""), false, "elsewhere.test");
  EXPECT_TRUE(write_all(blind.client, "x"));
  char byte = 0;
  EXPECT_EQ(read_some(blind.server, std::span(&byte, 1)).value_or(0), 1U);
  end(blind);
  EXPECT_FALSE(blind.client_error);
}

TEST_F(TlsTest, AClientHasToProveWhoItIs) {
  for (const char* name : {"", "stranger"}) {
    Pair pair;
    connect(pair, files("ca", "server"), files("ca", name), true, "engine.test");
    // What it says goes no further.
    std::ignore = write_all(pair.client, "x");
    ::shutdown(pair.client.get(), SHUT_WR);
    EXPECT_EQ(read_all(pair.server).value_or("?"), "") << name;
    pair.server.reset();
    // With TLS 1.3 it learns of that when it reads.
    EXPECT_EQ(read_all(pair.client).value_or(""), "");
    end(pair);
    ASSERT_TRUE(pair.server_error) << name;
  }
}

TEST_F(TlsTest, WhoSaysNothingIsGivenUp) {
  auto wire = make_socket_pair(SOCK_STREAM).value();
  auto context = Context::server(files("ca", "server"));
  ASSERT_TRUE(context) << context.error().message();
  auto made = Connection::accept(*context, std::move(wire.first), 50);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), Code::kDeadlineExceeded);
  auto plain = make_socket_pair(SOCK_STREAM).value();
  ASSERT_TRUE(write_all(plain.second, "GET / HTTP/1.1\r\n\r\n"));
  EXPECT_FALSE(Connection::accept(*context, std::move(plain.first), kHandshakeMs).has_value());
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamed) {
  for (const Files& wrong : {Files{file("none.pem"), file("server.pem"), file("server.key")},
                             Files{"", file("server.key"), file("server.key")},
                             Files{"", file("server.pem"), file("client.key")}}) {
    auto made = Context::server(wrong);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(made.error().message(), HasSubstr(folder_));
  }
}

}  // namespace
}  // namespace dhow::tls
