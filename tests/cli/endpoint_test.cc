// SPDX-License-Identifier: Apache-2.0
// Where a client finds its engine: contexts, TLS, ssh. Each test goes through docker's command line
// and ours.
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <netinet/in.h>

#include "base/strings.h"
#include "cli/client_fixture.h"
#include "sys/file_io.h"

namespace dhow::cli_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class EndpointTest : public ClientTest {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void sh(const std::string& command) {
    ASSERT_EQ(
        std::system(cat("cd ", folder_.string(), " && { ", command, "; } >sh.log 2>&1").c_str()), 0)
        << read_file(path("sh.log")).value_or("");
  }
  // FOLDER/{ca,cert,key}.pem with a certificate that both sides may use.
  void make_certificates(const std::string& folder, const std::string& authority) {
    constexpr const char* kKey = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";
    sh(cat("mkdir -p ", folder, "; test -e ", authority, ".pem || openssl req -x509", kKey,
           "-keyout ", authority, ".key -out ", authority, ".pem -subj /CN=ca"));
    sh(cat("echo subjectAltName=DNS:localhost,IP:127.0.0.1 >ext; openssl req", kKey, "-keyout ",
           folder, "/key.pem -out csr -subj /CN=x; openssl x509 -req -in csr -CA ", authority,
           ".pem -CAkey ", authority, ".key -CAcreateserial -extfile ext -out ", folder,
           "/cert.pem; cp ", authority, ".pem ", folder, "/ca.pem"));
  }
  // A port of loopback that nobody has.
  static int free_port() {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(socket.get(), reinterpret_cast<struct sockaddr*>(&address), sizeof address);
    ::getsockname(socket.get(), reinterpret_cast<struct sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  // Starts the engine again, behind TLS as well; its address.
  std::string serve_tls() {
    make_certificates("server", "ca");
    make_certificates("mine", "ca");
    make_certificates("stranger", "other");
    std::string host = cat("tcp://127.0.0.1:", free_port());
    configure(cat("hosts = [\"unix://", socket(), "\", \"", host, "\"]\ntlsverify = true\n",
                  "tlscacert = \"", path("server/ca.pem"), "\"\ntlscert = \"",
                  path("server/cert.pem"), "\"\ntlskey = \"", path("server/key.pem"), "\"\n"));
    return host;
  }
  Words tls_words(const std::string& host, const std::string& folder, Words words) {
    Words all = {"--tlsverify",
                 "--tlscacert",
                 path(folder + "/ca.pem"),
                 "--tlscert",
                 path(folder + "/cert.pem"),
                 "--tlskey",
                 path(folder + "/key.pem"),
                 "-H",
                 host};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
};

TEST_P(EndpointTest, TlsCarriesWhatASocketDoes) {
  std::string host = serve_tls();
  SpawnOutput run = call(tls_words(host, "mine",
                                   {"run", "--rm", "-i", "--network", "none", "busybox", "sh", "-c",
                                    "cat; echo err >&2; exit 7"}),
                         "through\n");
  EXPECT_EQ(run.exit_code, 7) << run.error_text;
  EXPECT_EQ(run.output, "through\n");
  EXPECT_EQ(run.error_text, "err\n");
  // By the environment, as docker-machine has it.
  Words environment = {"DOCKER_HOST=" + host, "DOCKER_TLS_VERIFY=1",
                       "DOCKER_CERT_PATH=" + path("mine")};
  SpawnOutput much = call({"run", "--rm", "-i", "--network", "none", "busybox", "wc", "-c"},
                          std::string(3 << 20, 'x'), environment);
  EXPECT_EQ(trim(much.output), cat(3 << 20)) << much.error_text;
}

TEST_P(EndpointTest, TlsHoldsOffWhoIsNotKnown) {
  std::string host = serve_tls();
  SpawnOutput stranger = call(tls_words(host, "stranger", {"ps"}));
  EXPECT_EQ(stranger.exit_code, 1);
  EXPECT_THAT(stranger.error_text, HasSubstr("certificate"));
  // It takes the engine for what it says it is, but has nothing to show for itself.
  SpawnOutput nameless = call({"--tls", "-H", host, "ps"});
  EXPECT_EQ(nameless.exit_code, 1);
  EXPECT_THAT(nameless.output, Not(HasSubstr("CONTAINER ID")));
  SpawnOutput plain = call({"-H", host, "ps"});
  EXPECT_EQ(plain.exit_code, 1);
  SpawnOutput missing = call({"--tlsverify", "--tlscacert", "/nothing", "-H", host, "ps"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.error_text, HasSubstr("/nothing"));
  EXPECT_EQ(output({"ps", "-q"}), "");  // the engine is well
}

TEST_P(EndpointTest, AContextHasItsOwnFilesForTls) {
  std::string host = serve_tls();
  output({"context", "create", "far", "--docker",
          cat("host=", host, ",ca=", path("mine/ca.pem"), ",cert=", path("mine/cert.pem"),
              ",key=", path("mine/key.pem"))});
  EXPECT_THAT(call({"--context", "far", "version"}).output, HasSubstr("Server"));
  SpawnOutput by_variable = call({"ps"}, {}, {"DOCKER_HOST=", "DOCKER_CONTEXT=far"});
  EXPECT_THAT(by_variable.output, HasSubstr("CONTAINER ID")) << by_variable.error_text;
  call({"context", "use", "far"}, {}, {"DOCKER_HOST="});
  EXPECT_EQ(trim(call({"context", "show"}, {}, {"DOCKER_HOST="}).output), "far");
  EXPECT_THAT(call({"ps"}, {}, {"DOCKER_HOST="}).output, HasSubstr("CONTAINER ID"));
  // The other program finds it too.
  SpawnOptions other;
  other.arguments = client_words({"context", "inspect", "far", "-f", "{{json .TLSMaterial}}"});
  for (std::string& word : other.arguments) {
    if (word == client_program()) {
      word = is_docker() ? std::string(std::getenv("DHOW_PROGRAM")) : "/usr/local/bin/docker";
    }
  }
  EXPECT_EQ(trim(spawn_and_wait(other).value().output),
            R"({"docker":["ca.pem","cert.pem","key.pem"]})");
  // An archive of it is one of the other's as well.
  output({"context", "export", "far", path("far.tar")});
  output({"context", "import", "near", path("far.tar")});
  EXPECT_THAT(call({"--context", "near", "ps"}).output, HasSubstr("CONTAINER ID"));
  EXPECT_EQ(call({"--context", "far", "--host", host, "ps"}).error_text,
            "conflicting options: cannot specify both --host and --context\n");
}

TEST_P(EndpointTest, SshRunsTheOtherSidesDialStdio) {
  // In the place of ssh: what it is asked to run, on this machine.
  write("bin/ssh", cat("#!/bin/sh\necho \"$@\" >>", path("ssh.log"),
                       "\nwhile [ \"$1\" != -- ]; do shift; done; shift 2\n",
                       "case $1 in dhow) shift; "
                       "exec ",
                       std::getenv("DHOW_PROGRAM"),
                       " \"$@\";; docker) shift; exec "
                       "/usr/local/bin/docker \"$@\";; esac\nexec sh -c \"$*\"\n"));
  std::filesystem::permissions(path("bin/ssh"), std::filesystem::perms(0755));
  Words environment = {"PATH=" + path("bin") + ":/usr/bin:/bin", "DOCKER_HOST=unix://" + socket()};
  SpawnOutput run = call({"-H", "ssh://joe@far.test:2222", "run", "--rm", "-i", "--network", "none",
                          "busybox", "sh", "-c", "cat; exit 5"},
                         "typed\n", environment);
  EXPECT_EQ(run.exit_code, 5) << run.error_text;
  EXPECT_EQ(run.output, "typed\n");
  std::string said = read_file(path("ssh.log")).value_or("");
  EXPECT_THAT(said, AllOf(HasSubstr("-l joe"), HasSubstr("-p 2222"), HasSubstr("-- far.test"),
                          HasSubstr("system dial-stdio")));
  SpawnOutput wrong = call({"-H", "ssh://joe:secret@far.test", "ps"}, {}, environment);
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.error_text, HasSubstr("plain-text password is not supported"));
}

TEST_P(EndpointTest, PlainTcpHasToBeSaid) {
  std::string host = cat("tcp://127.0.0.1:", free_port());
  configure(cat("hosts = [\"unix://", socket(), "\", \"", host, "\"]\ntls = false\n"));
  EXPECT_THAT(output({"-H", host, "ps"}), HasSubstr("CONTAINER ID"));
}

INSTANTIATE_TEST_SUITE_P(Clients, EndpointTest, ::testing::Values("docker", "dhow"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace dhow::cli_test
