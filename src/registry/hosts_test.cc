// SPDX-License-Identifier: Apache-2.0
#include "registry/hosts.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::registry {
namespace {

constexpr const char* kFile = "/etc/certs.d/r.io/hosts.toml";

Result<std::vector<Host>> parse(std::string_view text, std::string_view domain = "r.io") {
  return parse_hosts_toml(text, kFile, domain, default_host({}, domain).value());
}

TEST(HostsToml, EverythingOfAHost) {
  auto hosts = parse(R"(
server = "https://upstream.io"
skip_verify = true

[host."https://zeta.io:8443/prefix/"]
  capabilities = ["pull", "resolve"]
  ca = ["ca.pem", "/abs/ca.pem"]
  client = [["c.pem", "k.pem"]]
  skip_verify = false
  dial_timeout = "2s"
  [host."https://zeta.io:8443/prefix/".header]
    x-one = "1"
    x-two = ["a", "b"]

[host."http://alpha.io/api/"]
  override_path = true
  capabilities = ["push", "referrers"]
  client = "both.pem"
  [host."http://alpha.io/api/".credentials]
    username = "joe"
    password = "pw"
)");
  ASSERT_TRUE(hosts.has_value()) << hosts.error().message();
  ASSERT_EQ(hosts->size(), 3U);
  const Host& zeta = (*hosts)[0];
  EXPECT_EQ(zeta.base.text(), "https://zeta.io:8443/prefix/v2");
  EXPECT_TRUE(zeta.pull && zeta.resolve && !zeta.push && !zeta.referrers);
  EXPECT_EQ(zeta.tls.ca_files,
            (std::vector<std::string>{"/etc/certs.d/r.io/ca.pem", "/abs/ca.pem"}));
  EXPECT_EQ(zeta.tls.client_certificate, "/etc/certs.d/r.io/c.pem");
  EXPECT_EQ(zeta.tls.client_key, "/etc/certs.d/r.io/k.pem");
  EXPECT_EQ(zeta.dial_timeout.count(), 2000);
  EXPECT_EQ(zeta.headers.get("X-One"), "1");
  EXPECT_EQ(zeta.headers.get_all("X-Two").size(), 2U);
  EXPECT_EQ(zeta.ns, "r.io");
  EXPECT_FALSE(zeta.tls.skip_verify);
  const Host& alpha = (*hosts)[1];
  EXPECT_EQ(alpha.base.text(), "http://alpha.io/api");
  EXPECT_TRUE(!alpha.pull && !alpha.resolve && alpha.push && alpha.referrers);
  EXPECT_EQ(alpha.tls.client_certificate, "/etc/certs.d/r.io/both.pem");
  EXPECT_EQ(alpha.tls.client_key, "");
  EXPECT_EQ(alpha.credentials, (Credentials{.username = "joe", .password = "pw"}));
  const Host& upstream = (*hosts)[2];
  EXPECT_EQ(upstream.base.text(), "https://upstream.io/v2");
  EXPECT_TRUE(upstream.tls.skip_verify);
  EXPECT_TRUE(upstream.pull && upstream.resolve && upstream.push && upstream.referrers);
}

TEST(HostsToml, RegistryItselfIsLast) {
  auto hosts = parse("[host.\"mirror.io\"]", "docker.io");
  ASSERT_EQ(hosts->size(), 2U);
  EXPECT_EQ((*hosts)[0].base.text(), "https://mirror.io/v2");
  EXPECT_EQ((*hosts)[0].ns, "docker.io");
  EXPECT_EQ((*hosts)[1].base.text(), "https://registry-1.docker.io/v2");
  EXPECT_EQ((*hosts)[1].ns, "");
  auto named = parse("server = 'https://docker.io'", "docker.io");
  EXPECT_EQ(named->at(0).base.text(), "https://registry-1.docker.io/v2");
  EXPECT_EQ(named->at(0).ns, "");
}

TEST(HostsToml, FaultsHaveFileKeyLineAndReason) {
  struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"server = 1", "server on line 1: not a string"},
      {"server = 'ftp://x'", R"(server on line 1: parse URL "ftp://x": neither http nor https)"},
      {"\n[host.\"a.io\"]\ncapabilities = ['fly']",
       R"(host."a.io".capabilities on line 3: unknown capability "fly")"},
      {"[host.\"a.io\"]\ndial_timeout = 'soon'",
       R"(host."a.io".dial_timeout on line 2: "soon" is not a duration as "10s")"},
      {"[host.\"a.io\"]\nskip_verify = 'yes'",
       R"(host."a.io".skip_verify on line 2: neither true nor false)"},
      {"[host.\"a.io\"]\nca = [1]", R"(host."a.io".ca on line 2: not a string)"},
      {"[host.\"a.io\".credentials]\npassword = 12345",
       R"(host."a.io".credentials.password on line 2: not a string)"},
      {"host = 1", "host on line 1: not a table"},
      {"[host]\n\"a.io\" = 1", R"(host."a.io" on line 2: not a table)"},
      {"client = [['a','b','c']]",
       "client on line 1: not a certificate, or a certificate and its key"},
  };
  for (const auto& test : cases) {
    auto hosts = parse(test.text);
    ASSERT_FALSE(hosts.has_value()) << test.text;
    EXPECT_EQ(hosts.error().message(), cat("read \"", kFile, "\": ", test.message));
    EXPECT_EQ(hosts.error().code(), Code::kInvalidArgument);
  }
  auto syntax = parse("a = \n");
  ASSERT_FALSE(syntax.has_value());
  EXPECT_EQ(syntax.error().message().find(cat("read \"", kFile, "\": line 1: ")), 0U)
      << syntax.error().message();
}

TEST(HostsToml, LettersBeyondAscii) {
  auto good = parse(
      "# f\u00fcr \"uns\nserver = 'https://a.io'  # \u00e4\n"
      "header = {x = \"\u00e4 \\\" \u00e4\", y = '''\u00e4''', \"\u00e4\" = \"\"}");
  EXPECT_TRUE(good.has_value()) << good.error().message();
  auto stray = parse("server = 'https://a.io'\nser\u0315-s = 1");
  ASSERT_FALSE(stray.has_value());
  EXPECT_EQ(stray.error().message().find(cat("read \"", kFile, "\": line 2: ")), 0U)
      << stray.error().message();
}

TEST(Hosts, Defaults) {
  auto hub = default_host({}, "docker.io").value();
  EXPECT_EQ(hub.base.text(), "https://registry-1.docker.io/v2");
  EXPECT_FALSE(hub.plain_fallback || hub.tls.skip_verify);
  for (const char* domain : {"localhost", "localhost:5000", "127.0.0.1:1", "[::1]:5000"}) {
    auto host = default_host({}, domain).value();
    EXPECT_TRUE(host.plain_fallback && host.tls.skip_verify) << domain;
  }
  HostsOptions options{.insecure = {"r.io:5000", "10.0.0.0/8"}};
  EXPECT_TRUE(default_host(options, "r.io:5000")->plain_fallback);
  EXPECT_TRUE(default_host(options, "10.1.1.1:80")->plain_fallback);
  for (const char* domain : {"r.io", "r.io:5001", "a.r.io:5000", "11.1.1.1"}) {
    EXPECT_FALSE(default_host(options, domain)->plain_fallback) << domain;
    EXPECT_FALSE(default_host(options, domain)->tls.skip_verify) << domain;
  }
}

class Folders : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/registry-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
  }
  void TearDown() override { ASSERT_TRUE(remove_tree(kCwd, root_).has_value()); }
  void write(const std::string& path, const std::string& text) {
    ASSERT_TRUE(make_dirs(root_ + "/" + path.substr(0, path.rfind('/')), 0755).has_value());
    std::ofstream(root_ + "/" + path) << text;
  }
  std::string first(std::string_view domain) {
    auto hosts = find_hosts({.folders = {root_ + "/one", root_ + "/two"}}, domain);
    return hosts.has_value() ? hosts->at(0).base.authority() : hosts.error().message();
  }

  std::string root_;
};

TEST_F(Folders, NamesAndTheirOrder) {
  EXPECT_EQ(first("r.io:5000"), "r.io:5000");
  write("one/_default/hosts.toml", "[host.\"default.io\"]");
  EXPECT_EQ(first("r.io:5000"), "default.io");
  write("two/r.io:5000/hosts.toml", "[host.\"colon.io\"]");
  EXPECT_EQ(first("r.io:5000"), "colon.io");
  write("two/r.io_5000_/hosts.toml", "[host.\"under.io\"]");
  EXPECT_EQ(first("r.io:5000"), "under.io");
  EXPECT_EQ(first("r.io"), "default.io");
  write("one/bad.io/hosts.toml", "server = 1");
  EXPECT_EQ(first("bad.io"),
            cat("read \"", root_, "/one/bad.io/hosts.toml\": server on line 1: not a string"));
}

TEST_F(Folders, CertificatesAsDockerHasThem) {
  write("one/localhost:5000/ca.crt", "x");
  write("one/localhost:5000/me.cert", "x");
  HostsOptions options{.folders = {root_ + "/one"}};
  auto hosts = find_hosts(options, "localhost:5000");
  ASSERT_FALSE(hosts.has_value());
  EXPECT_NE(hosts.error().message().find("its key \"me.key\" is not beside it"), std::string::npos);
  write("one/localhost:5000/me.key", "x");
  hosts = find_hosts(options, "localhost:5000");
  ASSERT_TRUE(hosts.has_value()) << hosts.error().message();
  const Host& host = hosts->at(0);
  std::string folder = root_ + "/one/localhost:5000/";
  EXPECT_EQ(host.tls.ca_files, std::vector<std::string>{folder + "ca.crt"});
  EXPECT_EQ(host.tls.client_certificate, folder + "me.cert");
  EXPECT_EQ(host.tls.client_key, folder + "me.key");
  EXPECT_FALSE(host.plain_fallback || host.tls.skip_verify);
}

TEST(Duration, AsGoWritesIt) {
  auto milliseconds = [](std::string_view text) -> std::int64_t {
    auto duration = parse_duration(text);
    return duration ? duration->count() : -1;
  };
  EXPECT_EQ(milliseconds("1m30s"), 90'000);
  EXPECT_EQ(milliseconds("1.5s"), 1500);
  EXPECT_EQ(milliseconds("250ms"), 250);
  EXPECT_EQ(milliseconds("1h"), 3'600'000);
  EXPECT_EQ(milliseconds("0"), 0);
  for (const char* text : {"", "5", "s", "-1s", "1x", "1s ", "inf", "nans", "1e400h"}) {
    EXPECT_EQ(milliseconds(text), -1) << text;
  }
}

}  // namespace
}  // namespace dhow::registry
