// SPDX-License-Identifier: Apache-2.0
#include "registry/auth.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "oci/base64.h"
#include "registry/testing/http_server.h"

namespace dhow::registry {
namespace {

using testing::HttpServer;
using testing::ServerReply;
using testing::ServerRequest;

TEST(Challenge, SeveralOnOneLine) {
  auto challenges = parse_challenges(
      {R"(Negotiate abc==, BASIC Realm="a, \"b\"" , Bearer realm="https://t.io/x?y",service=s.io, scope="repository:a:pull,push")",
       "Digest"});
  ASSERT_EQ(challenges.size(), 4U);
  EXPECT_EQ(challenges[1].scheme, "basic");
  EXPECT_EQ(challenges[1].parameters["realm"], R"(a, "b")");
  EXPECT_EQ(challenges[2].scheme, "bearer");
  EXPECT_EQ(challenges[2].parameters["realm"], "https://t.io/x?y");
  EXPECT_EQ(challenges[2].parameters["service"], "s.io");
  EXPECT_EQ(challenges[2].parameters["scope"], "repository:a:pull,push");
  EXPECT_EQ(challenges[3].scheme, "digest");
}

TEST(Challenge, WhatCannotBeReadEndsTheValue) {
  auto challenges = parse_challenges({R"(Bearer realm="x)", "=a", R"(Basic realm="y")", ""});
  ASSERT_EQ(challenges.size(), 2U);
  EXPECT_TRUE(challenges[0].parameters.empty());
  EXPECT_EQ(challenges[1].parameters["realm"], "y");
}

TEST(Scope, Merge) {
  ScopeSet set = ScopeSet::pull("b");
  set.add(ScopeSet::push("a"));
  set.add("repository:b:push  registry:catalog:* repository:host:5000/c:pull");
  EXPECT_EQ(set.text(),
            "registry:catalog:* repository:a:pull,push repository:b:pull,push "
            "repository:host:5000/c:pull");
  EXPECT_FALSE(set.only_pulls());
  ScopeSet odd;
  odd.add("a:b: c:,");
  EXPECT_EQ(odd.text(), "a:b: c:,");
  EXPECT_TRUE(ScopeSet::pull("a").only_pulls());
}

// A token server, and what a registry says that uses it.
class TokenAuth : public ::testing::Test {
 protected:
  HttpResponse unauthorized(const std::string& extra = "") {
    HttpResponse response{.status = 401, .url = registry_};
    response.headers.add("WWW-Authenticate", cat("Bearer realm=\"", server_.url("/token").text(),
                                                 "\",service=\"reg\"", extra));
    return response;
  }
  HostAuth auth(Credentials credentials) {
    return HostAuth(http_, {.url = registry_, .tls = {}}, [credentials] { return credentials; });
  }

  ServerReply reply_{.body = R"({"token":"t1","expires_in":300})"};
  std::function<ServerReply(const ServerRequest&)> handler_;
  HttpServer server_{
      [this](const ServerRequest& request) { return handler_ ? handler_(request) : reply_; }};
  HttpClient http_{{.proxies = {}}};
  Url registry_ = Url::parse("http://127.0.0.1:1/").value();
};

TEST_F(TokenAuth, NothingUntilAsked) {
  HostAuth host = auth({.username = "u", .password = "p"});
  EXPECT_EQ(host.header(ScopeSet::pull("a"), {}).value(), "");
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(TokenAuth, AnonymousTokenIsKept) {
  HostAuth host = auth({});
  ScopeSet scopes = ScopeSet::pull("a");
  EXPECT_TRUE(host.challenged(unauthorized(), scopes, "", {}).value());
  EXPECT_EQ(host.header(scopes, {}).value(), "Bearer t1");
  auto requests = server_.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].target, "/token?service=reg&scope=repository%3Aa%3Apull");
  EXPECT_EQ(requests[0].headers.get("Authorization"), "");
  // Another scope is another token.
  EXPECT_EQ(host.header(ScopeSet::push("a"), {}).value(), "Bearer t1");
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(TokenAuth, RefusedTokenIsFetchedAgainOnce) {
  HostAuth host = auth({});
  ScopeSet scopes = ScopeSet::pull("a");
  ASSERT_TRUE(host.challenged(unauthorized(), scopes, "", {}).value());
  reply_.body = R"({"access_token":"t2"})";
  EXPECT_TRUE(host.challenged(unauthorized(), scopes, "Bearer t1", {}).value());
  EXPECT_EQ(host.header(scopes, {}).value(), "Bearer t2");
  // The same token again: nothing is left to try.
  EXPECT_FALSE(host.challenged(unauthorized(), scopes, "Bearer t2", {}).value());
}

TEST_F(TokenAuth, PasswordGoesAsBasicToTheTokenServer) {
  HostAuth host = auth({.username = "joe", .password = "pw"});
  ASSERT_TRUE(host.challenged(unauthorized(R"(,scope="repository:a:pull repository:b:pull")"),
                              ScopeSet::push("a"), "", {})
                  .value());
  auto request = server_.requests().at(0);
  EXPECT_EQ(request.headers.get("Authorization"), "Basic " + oci::base64_encode("joe:pw"));
  EXPECT_EQ(request.target,
            "/token?service=reg&scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull&"
            "account=joe");
}

TEST_F(TokenAuth, IdentityTokenIsPostedAndNotRedirected) {
  HttpServer other([](const ServerRequest&) { return ServerReply{}; });
  HostAuth host = auth({.identity_token = "ident+1"});
  ASSERT_TRUE(host.challenged(unauthorized(), ScopeSet::pull("a"), "", {}).value());
  auto request = server_.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.body,
            "grant_type=refresh_token&client_id=dhow&service=reg&scope=repository%3Aa%3Apull&"
            "refresh_token=ident%2B1");
  reply_ = {.status = 307, .headers = {{"Location", other.url("/").text()}}};
  auto next = host.header(ScopeSet::push("a"), {});
  ASSERT_FALSE(next.has_value());
  EXPECT_TRUE(other.requests().empty());
  EXPECT_EQ(next.error().message().find("ident"), std::string::npos);
}

TEST_F(TokenAuth, BadCredentialsDoNotKeepPublicImagesAway) {
  handler_ = [](const ServerRequest& request) {
    if (!request.headers.get("Authorization").empty()) return ServerReply{.status = 401};
    return ServerReply{.body = R"({"token":"public"})"};
  };
  HostAuth host = auth({.username = "joe", .password = "old"});
  ASSERT_TRUE(host.challenged(unauthorized(), ScopeSet::pull("a"), "", {}).value());
  EXPECT_EQ(host.header(ScopeSet::pull("a"), {}).value(), "Bearer public");
  auto push = host.header(ScopeSet::push("a"), {});
  ASSERT_FALSE(push.has_value());
  EXPECT_EQ(push.error().code(), Code::kUnauthenticated);
  EXPECT_EQ(push.error().message(),
            cat("log in to \"127.0.0.1:1\": GET \"", server_.url("/token").text(),
                "\": status 401 (unauthorized)"));
}

TEST_F(TokenAuth, PlainTokenServerOfAnEncryptedRegistryIsRefused) {
  registry_ = Url::parse("https://r.io/").value();
  HostAuth host = auth({.username = "joe", .password = "pw"});
  auto result = host.challenged(unauthorized(), ScopeSet::pull("a"), "", {});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(TokenAuth, AnswerWithoutTokenIsShownWithoutContent) {
  reply_.body = R"({"tokken":"hidden"})";
  HostAuth host = auth({});
  auto result = host.challenged(unauthorized(), ScopeSet::pull("a"), "", {});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message().find("hidden"), std::string::npos);
}

TEST_F(TokenAuth, BasicAndRegistryToken) {
  HttpResponse response{.status = 401, .url = registry_};
  response.headers.add("WWW-Authenticate", R"(Basic realm="r")");
  HostAuth host = auth({.username = "joe", .password = "pw"});
  std::string expected = "Basic " + oci::base64_encode("joe:pw");
  EXPECT_TRUE(host.challenged(response, ScopeSet::pull("a"), "", {}).value());
  EXPECT_EQ(host.header(ScopeSet::pull("a"), {}).value(), expected);
  EXPECT_FALSE(host.challenged(response, ScopeSet::pull("a"), expected, {}).value());
  HostAuth nobody = auth({});
  auto refused = nobody.challenged(response, ScopeSet::pull("a"), "", {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kUnauthenticated);
  EXPECT_EQ(refused.error().message(), "no basic auth credentials");
  HostAuth token = auth({.registry_token = "rt"});
  EXPECT_TRUE(token.challenged(unauthorized(), ScopeSet::pull("a"), "", {}).value());
  EXPECT_EQ(token.header(ScopeSet::pull("a"), {}).value(), "Bearer rt");
  EXPECT_TRUE(server_.requests().empty());
}

}  // namespace
}  // namespace dhow::registry
