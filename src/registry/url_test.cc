// SPDX-License-Identifier: Apache-2.0
#include "registry/url.h"

#include <gtest/gtest.h>

#include "registry/proxy.h"

namespace dhow::registry {
namespace {

Url url(std::string_view text) { return Url::parse(text).value(); }

TEST(Url, Parts) {
  Url parsed = url("HTTPS://Example.org:5000/v2/a%2Fb/?x=1&y=%20");
  EXPECT_EQ(parsed.scheme, "https");
  EXPECT_EQ(parsed.authority(), "example.org:5000");
  EXPECT_EQ(parsed.path, "/v2/a%2Fb/");
  EXPECT_EQ(parsed.query, "x=1&y=%20");
  EXPECT_EQ(parsed.text(), "https://example.org:5000/v2/a%2Fb/?x=1&y=%20");
  EXPECT_EQ(parsed.safe_text(), "https://example.org:5000/v2/a%2Fb/");
  EXPECT_EQ(url("http://[::1]:80").authority(), "[::1]:80");
  EXPECT_EQ(url("http://a").path, "/");
}

TEST(Url, FaultsDoNotShowSecrets) {
  for (const char* text : {"https://user:secret@host/", "ftp://host/x?secret", "http://a b/?secret",
                           "http://user:secret@a b/", "", "host/path"}) {
    auto parsed = Url::parse(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(parsed.error().message().find("secret"), std::string::npos)
        << parsed.error().message();
  }
}

TEST(Url, EncodedHostsAreNone) {
  for (const char* text :
       {"https://a%7Fb/", "https://a%2Fb/", "https://a%3Fb/", "https://\xc3\xbc.io/"}) {
    EXPECT_FALSE(Url::parse(text).has_value()) << text;
  }
  EXPECT_EQ(url("https://a%2Db/").text(), "https://a-b/");
}

TEST(Url, Resolve) {
  Url base = url("https://r.io/v2/a/blobs/uploads/?x=1");
  EXPECT_EQ(base.resolve("/v2/b?s=2")->text(), "https://r.io/v2/b?s=2");
  EXPECT_EQ(base.resolve("1234")->text(), "https://r.io/v2/a/blobs/uploads/1234");
  EXPECT_EQ(base.resolve("?n=2")->text(), "https://r.io/v2/a/blobs/uploads/?n=2");
  EXPECT_EQ(base.resolve("//cdn.io/x")->text(), "https://cdn.io/x");
  EXPECT_EQ(base.resolve("http://cdn.io/x")->text(), "http://cdn.io/x");
  EXPECT_FALSE(base.resolve("file:///etc/passwd").has_value());
  EXPECT_FALSE(base.resolve("https://u:p@cdn.io/").has_value());
}

TEST(Url, Origin) {
  EXPECT_TRUE(url("https://r.io/a").same_origin(url("https://R.io:443/b")));
  EXPECT_FALSE(url("https://r.io/a").same_origin(url("http://r.io/a")));
  EXPECT_FALSE(url("https://r.io/a").same_origin(url("https://r.io:444/a")));
  EXPECT_FALSE(url("https://r.io/a").same_origin(url("https://x.r.io/a")));
}

TEST(Url, Query) {
  Url parsed = url("https://r.io/a");
  parsed.add_query("digest", "sha256:00");
  parsed.add_query("q", "a b&c");
  EXPECT_EQ(parsed.text(), "https://r.io/a?digest=sha256%3A00&q=a%20b%26c");
}

TEST(Url, Loopback) {
  for (const char* host : {"localhost", "x.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const char* host : {"localhost.io", "128.0.0.1", "127.0.0.1.io", "[::2]", ""}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

TEST(Proxy, ListOfHosts) {
  struct {
    const char* list;
    const char* host;
    bool matches;
  } cases[] = {
      {"*", "any.org", true},
      {"x.org", "x.org", true},
      {"x.org", "A.X.org", true},
      {"x.org", "ax.org", false},
      {".x.org", "a.x.org", true},
      {".x.org", "x.org", false},
      {"*.x.org", "a.x.org", true},
      {"*.x.org", "x.org", false},
      {"a.org , x.org:443", "x.org", true},
      {"x.org:80", "x.org", false},
      {"10.0.0.0/8", "10.200.1.1", true},
      {"10.0.0.0/9", "10.200.1.1", false},
      {"10.0.0.0/33", "10.0.0.0", false},
      {"10.1.1.1:443", "10.1.1.1", true},
      {"fd00::/8", "[fd12::1]", true},
      {"fd00::1", "[fd00::1]", true},
      {"[fd00::1]:443", "[fd00::1]", true},
      {"fd00::1", "[fd00::2]", false},
      {"", "x.org", false},
      {",,", "x.org", false},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(host_in_list(test.list, test.host, "443"), test.matches)
        << test.list << " " << test.host;
  }
}

TEST(Proxy, ChosenByScheme) {
  ProxySettings settings{.http = "p:1", .https = "socks5://p:2", .no_proxy = "in.org"};
  EXPECT_EQ(settings.choose(url("http://r.io/")), "http://p:1");
  EXPECT_EQ(settings.choose(url("https://r.io/")), "socks5://p:2");
  EXPECT_EQ(settings.choose(url("https://a.in.org/")), "");
  EXPECT_EQ(settings.choose(url("http://localhost:5000/")), "");
  EXPECT_EQ(ProxySettings{}.choose(url("http://r.io/")), "");
}

TEST(Proxy, EnvironmentInEitherCase) {
  ::setenv("HTTP_PROXY", "a", 1);
  ::setenv("https_proxy", "b", 1);
  ::setenv("no_proxy", "c", 1);
  ::setenv("NO_PROXY", "d", 1);
  auto settings = ProxySettings::from_environment();
  EXPECT_EQ(settings.http, "a");
  EXPECT_EQ(settings.https, "b");
  EXPECT_EQ(settings.no_proxy, "d");
  ::setenv("REQUEST_METHOD", "GET", 1);
  EXPECT_EQ(ProxySettings::from_environment().http, "");
  for (const char* name : {"HTTP_PROXY", "https_proxy", "no_proxy", "NO_PROXY", "REQUEST_METHOD"}) {
    ::unsetenv(name);
  }
}

}  // namespace
}  // namespace dhow::registry
