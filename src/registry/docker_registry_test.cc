// SPDX-License-Identifier: Apache-2.0
// The client against Debian's docker-registry: plain, with TLS, with passwords and with tokens.
#include "registry/testing/docker_registry.h"

#include <time.h>

#include "base/strings.h"
#include "oci/base64.h"
#include "oci/image_codec.h"
#include "oci/json.h"
#include "registry/repository.h"
#include "registry/testing/repository_fixture.h"
#include "registry/testing/tunnel_proxy.h"
#include "sys/spawn.h"

namespace dhow::registry {
namespace {

using testing::describe;
using testing::DockerRegistry;
using testing::HttpServer;
using testing::sample;
using testing::ServerReply;
using testing::ServerRequest;
using testing::StringWriter;
using testing::TunnelProxy;

std::string run(const std::vector<std::string>& arguments, std::string_view input = {}) {
  SpawnOptions options;
  options.arguments = arguments;
  options.input = input;
  auto output = spawn_and_wait(options);
  EXPECT_TRUE(output.has_value() && output->exit_code == 0)
      << arguments[0] << ": "
      << (output.has_value() ? output->error_text : output.error().message());
  return output.has_value() ? output->output : "";
}

// Breaks off once in the middle, as a connection would.
struct BrokenOnce final : BodySource {
  explicit BrokenOnce(std::string_view text) : whole(text) {}
  std::int64_t size() const override { return whole.size(); }
  Result<std::size_t> read_at(std::int64_t offset, std::span<char> buffer) override {
    if (!broken && offset > whole.size() / 2) {
      broken = true;
      return fail(Code::kUnavailable, "broken off");
    }
    return whole.read_at(offset, buffer);
  }
  TextBody whole;
  bool broken = false;
};

class DockerRegistryTest : public testing::RepositoryTest {
 protected:
  void SetUp() override {
    if (std::string reason = DockerRegistry::missing(); !reason.empty()) GTEST_SKIP() << reason;
    RepositoryTest::SetUp();
    ASSERT_TRUE(make_dirs(folder_ + "/server", 0755).has_value());
  }
  void TearDown() override {
    registry_.reset();
    if (!folder_.empty()) RepositoryTest::TearDown();
  }

  void start(DockerRegistry::Options options = {}) {
    options.folder = folder_ + "/server";
    auto registry = DockerRegistry::start(options);
    ASSERT_TRUE(registry.has_value()) << registry.error().message();
    registry_ = std::move(*registry);
  }

  // A certificate that is its own authority.
  void make_certificate(const std::string& name) {
    std::string path = folder_ + "/server/" + name;
    run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=dhow test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:test.io", "-keyout",
         path + ".key", "-out", path + ".crt"});
  }
  std::string server_file(const std::string& name) const { return folder_ + "/server/" + name; }

  Repository repository(const std::string& path,
                        std::shared_ptr<CredentialSource> credentials = nullptr) {
    return open(registry_->domain() + "/" + path, std::move(credentials));
  }
  std::shared_ptr<CredentialSource> login(Credentials credentials) {
    return std::make_shared<FixedCredentials>(registry_->domain(), std::move(credentials));
  }

  void push_and_pull(const std::shared_ptr<CredentialSource>& credentials);
  void check_referrers(const Repository& repository, const oci::Descriptor& subject);

  std::unique_ptr<DockerRegistry> registry_;
};

void DockerRegistryTest::push_and_pull(const std::shared_ptr<CredentialSource>& credentials) {
  Repository target = repository("team/app", credentials);
  oci::Manifest manifest;
  manifest.media_type = oci::media_type::kOciManifest;
  manifest.config = describe("{}", oci::media_type::kOciConfig);
  std::vector<std::string> contents = {sample(3'000'000), sample(1'000'001), sample(2'000'000), ""};
  for (std::size_t i = 0; i < contents.size(); ++i) {
    oci::Descriptor blob = describe(contents[i], oci::media_type::kOciLayer);
    ASSERT_FALSE(target.has_blob(blob.digest).value());
    TextBody body(contents[i]);
    BrokenOnce broken(contents[i]);
    BodySource& source = i == 2 ? static_cast<BodySource&>(broken) : body;
    Status status = target.upload_blob(blob, source, {.chunk = i == 1 ? 300'000 : 0});
    ASSERT_TRUE(status.has_value()) << status.error().message();
    ASSERT_EQ(broken.broken, i == 2);
    ASSERT_TRUE(target.has_blob(blob.digest).value());
    manifest.layers.push_back(blob);
  }
  TextBody config("{}");
  ASSERT_TRUE(target.upload_blob(manifest.config, config).has_value());
  std::string text = oci::manifest_json(manifest);
  auto pushed = target.put_manifest(text, manifest.media_type, "v1");
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message();

  // With logins of its own, for pulling alone.
  Repository source = repository("team/app", credentials);
  EXPECT_EQ(source.resolve("v1").value(), *pushed);
  EXPECT_EQ(source.fetch_manifest(*pushed)->content, text);
  EXPECT_EQ(source.tags()->tags, std::vector<std::string>{"v1"});
  EXPECT_EQ(source.resolve("v2").error().code(), Code::kNotFound);
  for (std::size_t i = 0; i < contents.size(); ++i) {
    for (std::size_t offset : {std::size_t{0}, contents[i].size() / 2}) {
      StringWriter writer;
      Status status =
          source.fetch_blob(manifest.layers[i], static_cast<std::int64_t>(offset), writer);
      ASSERT_TRUE(status.has_value()) << status.error().message();
      EXPECT_EQ(writer.content, contents[i].substr(offset));
    }
  }
  StringWriter part;
  ASSERT_TRUE(source.fetch_blob_part(manifest.layers[0], 5, 2'000'000, part).has_value());
  EXPECT_EQ(part.content, contents[0].substr(5, 1'999'995));
  Repository other = repository("team/other", credentials);
  EXPECT_TRUE(other.mount_blob(manifest.layers[0].digest, "team/app").value());
  EXPECT_TRUE(other.has_blob(manifest.layers[0].digest).value());
  EXPECT_FALSE(other.mount_blob(digest_of("absent"), "team/app").value());
  check_referrers(target, *pushed);
}

void DockerRegistryTest::check_referrers(const Repository& target, const oci::Descriptor& subject) {
  EXPECT_TRUE(target.referrers(subject.digest)->empty());
  oci::Manifest signature;
  signature.media_type = oci::media_type::kOciManifest;
  signature.artifact_type = "application/signature";
  signature.config = describe("{}", oci::media_type::kOciConfig);
  signature.layers = {describe("", oci::media_type::kOciLayer)};
  signature.subject = subject;
  auto pushed = target.put_manifest(oci::manifest_json(signature), signature.media_type, "");
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message();
  auto found = target.referrers(subject.digest, "application/signature");
  ASSERT_TRUE(found.has_value()) << found.error().message();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->at(0).digest, pushed->digest);
}

TEST_F(DockerRegistryTest, Plain) {
  start();
  push_and_pull(nullptr);
}

TEST_F(DockerRegistryTest, TlsWithAnAuthorityOfItsOwn) {
  make_certificate("tls");
  start({.folder = {}, .certificate = server_file("tls.crt"), .key = server_file("tls.key")});
  // On loopback nothing is verified unless it is said how.
  EXPECT_EQ(repository("team/app").resolve("v1").error().code(), Code::kNotFound);
  std::string certs = folder_ + "/" + registry_->domain();
  ASSERT_TRUE(make_dirs(certs, 0755).has_value());
  std::ofstream(certs + "/hosts.toml") << "server = \"https://" << registry_->domain() << "\"\n";
  auto unknown = repository("team/app").resolve("v1");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code(), Code::kFailedPrecondition) << unknown.error().message();
  ASSERT_TRUE(remove_tree(kCwd, certs + "/hosts.toml").has_value());
  run({"cp", server_file("tls.crt"), certs + "/ca.crt"});
  push_and_pull(nullptr);
}

// Clients show a certificate of the authority that the registry asks for.
class ClientCertificateTest : public DockerRegistryTest {
 protected:
  void SetUp() override {
    DockerRegistryTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    make_certificate("tls");
    make_certificate("client");
    make_certificate("stranger");
    start({.folder = {},
           .certificate = server_file("tls.crt"),
           .key = server_file("tls.key"),
           .client_authority = server_file("client.crt")});
    certs_ = folder_ + "/" + registry_->domain();
    ASSERT_TRUE(make_dirs(certs_, 0755).has_value());
  }
  void configure(std::string_view client) {
    std::ofstream(certs_ + "/hosts.toml") << "server = \"https://" << registry_->domain()
                                          << "\"\nca = \"" << server_file("tls.crt") << "\"\n"
                                          << client;
  }
  std::string pair(const std::string& name) const {
    return cat("client = [[\"", server_file(name + ".crt"), "\", \"", server_file(name + ".key"),
               "\"]]\n");
  }

  std::string certs_;
};

TEST_F(ClientCertificateTest, FromHostsToml) {
  configure(pair("client"));
  push_and_pull(nullptr);
}

TEST_F(ClientCertificateTest, FromFilesAsDockerHasThem) {
  run({"cp", server_file("tls.crt"), certs_ + "/ca.crt"});
  run({"cp", server_file("client.crt"), certs_ + "/client.cert"});
  run({"cp", server_file("client.key"), certs_ + "/client.key"});
  push_and_pull(nullptr);
}

TEST_F(ClientCertificateTest, WithoutOneOrWithAnothersThereIsNoWay) {
  for (const std::string& client : {std::string(), pair("stranger")}) {
    configure(client);
    auto refused = repository("team/app").resolve("v1");
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::kFailedPrecondition) << refused.error().message();
  }
}

// The registry is "test.io", which only the proxy can reach.
class TunnelTest : public DockerRegistryTest {
 protected:
  void SetUp() override {
    DockerRegistryTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    make_certificate("tls");
    start({.folder = {}, .certificate = server_file("tls.crt"), .key = server_file("tls.key")});
    hosts_toml(cat("server = \"https://test.io\"\nca = \"", server_file("tls.crt"), "\"\n"));
  }
  std::uint16_t port() const { return parse_number<std::uint16_t>(registry_->port()).value(); }
  void go_through(const std::string& proxy) {
    ClientOptions through = options();
    through.http.proxies.https = proxy;
    client_ = std::make_unique<Client>(through);
  }
};

TEST_F(TunnelTest, TlsGoesThroughIt) {
  TunnelProxy proxy(port());
  go_through(proxy.authority());
  std::string content = sample(3'000'000);
  oci::Descriptor blob = describe(content);
  TextBody body(content);
  Status sent = open().upload_blob(blob, body);
  ASSERT_TRUE(sent.has_value()) << sent.error().message();
  StringWriter writer;
  ASSERT_TRUE(open().fetch_blob(blob, 0, writer).has_value());
  EXPECT_EQ(writer.content, content);
  ASSERT_FALSE(proxy.asked().empty());
  for (const std::string& line : proxy.asked()) EXPECT_EQ(line, "CONNECT test.io:443 HTTP/1.1");
}

TEST_F(TunnelTest, ItsPasswordIsGivenAndNotShown) {
  TunnelProxy proxy(port(), oci::base64_encode("joe:hidden"));
  go_through(cat("http://joe:hidden@", proxy.authority()));
  EXPECT_EQ(open().resolve("v1").error().code(), Code::kNotFound) << "the registry answered";
  go_through(cat("http://joe:hidden2@", proxy.authority()));
  auto refused = open().resolve("v1");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message().find("407"), std::string::npos) << refused.error().message();
  EXPECT_EQ(refused.error().message().find("hidden"), std::string::npos);
}

TEST_F(TunnelTest, ProxyThatCannotConnectIsUnavailable) {
  std::uint16_t nobody = HttpServer([](const ServerRequest&) { return ServerReply{}; }).port();
  TunnelProxy proxy(nobody);
  go_through(proxy.authority());
  auto failed = open().resolve("v1");
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code(), Code::kUnavailable) << failed.error().message();
}

TEST_F(DockerRegistryTest, Passwords) {
  std::ofstream(server_file("htpasswd")) << run({"htpasswd", "-Bbn", "joe", "pw"});
  start({.folder = {},
         .auth = cat("  htpasswd:\n    realm: test\n    path: ", server_file("htpasswd"), "\n")});
  EXPECT_EQ(repository("a").resolve("v1").error().code(), Code::kUnauthenticated);
  auto wrong = repository("a", login({.username = "joe", .password = "hidden"})).resolve("v1");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code(), Code::kUnauthenticated);
  EXPECT_EQ(wrong.error().message().find("hidden"), std::string::npos);
  push_and_pull(login({.username = "joe", .password = "pw"}));
}

// A token server that gives joe all that he asks for, and everybody else nothing.
class TokenTest : public DockerRegistryTest {
 protected:
  void SetUp() override {
    DockerRegistryTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    make_certificate("token");
    start({.folder = {},
           .auth = cat("  token:\n    realm: http://", tokens_.authority(),
                       "/token\n    service: reg\n    issuer: test\n    rootcertbundle: ",
                       server_file("token.crt"), "\n")});
  }

  static std::string decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size()) {
        plain += static_cast<char>(parse_number<int>(text.substr(i + 1, 2), 16).value_or('?'));
        i += 2;
      } else {
        plain += text[i];
      }
    }
    return plain;
  }

  ServerReply answer(const ServerRequest& request) {
    std::string query = request.target.substr(request.target.find('?') + 1);
    bool by_token = request.method == "POST";
    bool known =
        by_token ? request.body.find("refresh_token=ident") != std::string::npos
                 : request.headers.get("Authorization") == "Basic " + oci::base64_encode("joe:pw");
    oci::JsonWriter access;
    access.begin_array();
    for (std::string_view field : split(by_token ? std::string_view(request.body) : query, '&')) {
      if (!field.starts_with("scope=")) continue;
      std::string scopes = decoded(field.substr(6));
      for (std::string_view scope : split(scopes, ' ')) {
        auto parts = split(scope, ':');
        if (!known || parts.size() != 3) continue;
        access.begin_object().member("type", parts[0]).member("name", parts[1]);
        access.key("actions").begin_array();
        for (std::string_view action : split(parts[2], ',')) access.string(action);
        access.end_array().end_object();
      }
    }
    access.end_array();
    return {.body = cat(R"({"token":")", token(access.text()), R"(","expires_in":300})")};
  }

  std::string token(const std::string& access) {
    std::string der = run({"openssl", "x509", "-in", server_file("token.crt"), "-outform", "DER"});
    oci::JsonWriter header;
    header.begin_object().member("typ", "JWT").member("alg", "RS256").key("x5c").begin_array();
    header.string(oci::base64_encode(der)).end_array().end_object();
    std::int64_t now = ::time(nullptr);
    oci::JsonWriter claims;
    claims.begin_object().member("iss", "test").member("sub", "joe").member("aud", "reg");
    claims.member_number("exp", now + 300).member_number("nbf", now - 60);
    claims.member("jti", "1").key("access").raw(access).end_object();
    std::string signed_part = cat(encoded(header.text()), ".", encoded(claims.text()));
    std::string signature =
        run({"openssl", "dgst", "-sha256", "-sign", server_file("token.key")}, signed_part);
    return cat(signed_part, ".", encoded(signature));
  }

  static std::string encoded(std::string_view bytes) {
    std::string text = oci::base64_encode(bytes, true);
    while (text.ends_with('=')) text.pop_back();
    return text;
  }

  HttpServer tokens_{[this](const ServerRequest& request) { return answer(request); }};
};

TEST_F(TokenTest, ByPassword) {
  push_and_pull(login({.username = "joe", .password = "pw"}));
  // One token for all that is read, and kept.
  std::size_t before = tokens_.requests().size();
  Repository source = repository("team/app", login({.username = "joe", .password = "pw"}));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(source.resolve("v1").has_value());
  EXPECT_EQ(tokens_.requests().size(), before + 1);
}

TEST_F(TokenTest, ByIdentityToken) {
  push_and_pull(login({.identity_token = "ident"}));
  for (const ServerRequest& request : tokens_.requests()) EXPECT_EQ(request.method, "POST");
}

TEST_F(TokenTest, NobodyGetsNothing) {
  auto nobody = repository("team/app").resolve("v1");
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error().code(), Code::kUnauthenticated) << nobody.error().message();
}

}  // namespace
}  // namespace dhow::registry
