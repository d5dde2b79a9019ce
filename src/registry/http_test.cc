// SPDX-License-Identifier: Apache-2.0
#include "registry/http.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "base/strings.h"
#include "registry/testing/http_server.h"

namespace dhow::registry {
namespace {

using testing::HttpServer;
using testing::ServerReply;
using testing::ServerRequest;

HttpOptions options() { return {.user_agent = "dhow-test", .proxies = {}}; }

struct Collector final : BodySink {
  Status begin(const HttpResponse& head) override {
    status = head.status;
    return {};
  }
  Status write(std::string_view data) override {
    content += data;
    return fail_writes ? Status(fail(Code::kDataLoss, "the disk is on fire")) : Status();
  }
  int status = 0;
  std::string content;
  bool fail_writes = false;
};

TEST(Http, GetKeepsBodyAndFindsHeadersWithoutCase) {
  HttpServer server([](const ServerRequest&) {
    return ServerReply{.headers = {{"X-Some-Thing", "one"}, {"x-some-thing", "two"}},
                       .body = "hello"};
  });
  HttpClient client(options());
  auto response =
      client.send({.url = server.url("/a?b=c"), .headers = {{"Accept", "text/plain"}}}, {});
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->headers.get("X-SOME-THING"), "one");
  EXPECT_EQ(response->headers.get_all("X-SOME-THING").size(), 2U);
  auto requests = server.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].target, "/a?b=c");
  EXPECT_EQ(requests[0].headers.get("accept"), "text/plain");
  EXPECT_EQ(requests[0].headers.get("user-agent"), "dhow-test");
}

TEST(Http, ConnectionIsUsedAgain) {
  HttpServer server([](const ServerRequest&) { return ServerReply{.body = "x"}; });
  HttpClient client(options());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.send({.url = server.url("/")}, {}).has_value());
  EXPECT_EQ(server.connections(), 1U);
}

TEST(Http, HeadHasNoBody) {
  HttpServer server(
      [](const ServerRequest&) { return ServerReply{.headers = {{"Content-Length", "1234"}}}; });
  HttpClient client(options());
  auto response = client.send({.method = "HEAD", .url = server.url("/")}, {});
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->headers.get("content-length"), "1234");
}

TEST(Http, BodiesAreSentWithTheirLength) {
  HttpServer server([](const ServerRequest& request) {
    return ServerReply{.status = 201, .body = request.body};
  });
  HttpClient client(options());
  std::string large(3'000'000, 'q');
  TextBody body(large);
  for (const char* method : {"PUT", "PATCH", "POST"}) {
    auto response = client.send(
        {.method = method, .url = server.url("/"), .body = &body, .body_limit = large.size()}, {});
    ASSERT_TRUE(response.has_value()) << response.error().message();
    EXPECT_EQ(response->body, large) << method;
  }
  ASSERT_TRUE(client.send({.method = "POST", .url = server.url("/")}, {}).has_value());
  auto requests = server.requests();
  EXPECT_EQ(requests[0].headers.get("Content-Length"), "3000000");
  EXPECT_EQ(requests[0].headers.get("Expect"), "");
  EXPECT_EQ(requests[3].headers.get("Content-Length"), "0");
}

TEST(Http, SinkTakesOnlySuccess) {
  HttpServer server([](const ServerRequest& request) {
    return request.target == "/ok" ? ServerReply{.body = "content"}
                                   : ServerReply{.status = 404, .body = "nothing here"};
  });
  HttpClient client(options());
  Collector sink;
  auto good = client.send({.url = server.url("/ok"), .sink = &sink}, {});
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(sink.content, "content");
  EXPECT_EQ(good->body, "");
  auto bad = client.send({.url = server.url("/no"), .sink = &sink}, {});
  ASSERT_TRUE(bad.has_value());
  EXPECT_EQ(sink.content, "content");
  EXPECT_EQ(bad->body, "nothing here");
}

TEST(Http, FailureOfSinkIsTheFailure) {
  HttpServer server([](const ServerRequest&) { return ServerReply{.body = "content"}; });
  HttpClient client(options());
  Collector sink;
  sink.fail_writes = true;
  auto response = client.send({.url = server.url("/"), .sink = &sink}, {});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code(), Code::kDataLoss);
  EXPECT_EQ(response.error().message(), "the disk is on fire");
}

TEST(Http, BodyAboveTheLimitIsRefused) {
  HttpServer server(
      [](const ServerRequest&) { return ServerReply{.body = std::string(101, 'x')}; });
  HttpClient client(options());
  auto response = client.send({.url = server.url("/"), .body_limit = 100}, {});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code(), Code::kOutOfRange);
}

TEST(Http, CutConnectionIsUnavailable) {
  HttpServer server([](const ServerRequest& request) {
    if (request.target == "/none") return ServerReply{.no_answer = true};
    return ServerReply{.body = std::string(1000, 'x'), .cut_after = 10};
  });
  HttpClient client(options());
  for (const char* path : {"/none", "/cut"}) {
    HttpFault fault = HttpFault::kNone;
    auto response = client.send({.url = server.url(path)}, {}, &fault);
    ASSERT_FALSE(response.has_value()) << path;
    EXPECT_EQ(response.error().code(), Code::kUnavailable) << path;
    EXPECT_EQ(fault, HttpFault::kOther);
    EXPECT_EQ(response.error().message().find(cat("GET \"", server.url(path).text(), "\": ")), 0U)
        << response.error().message();
  }
}

TEST(Http, NobodyThereIsAFaultOfTheConnection) {
  std::uint16_t port = HttpServer([](const ServerRequest&) { return ServerReply{}; }).port();
  HttpClient client(options());
  HttpFault fault = HttpFault::kNone;
  auto url = Url::parse(cat("http://127.0.0.1:", port, "/")).value();
  auto response = client.send({.url = url}, {}, &fault);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code(), Code::kUnavailable);
  EXPECT_EQ(fault, HttpFault::kConnect);
}

TEST(Http, PlainServerIsAFaultOfTheHandshake) {
  HttpServer server([](const ServerRequest&) { return ServerReply{}; });
  HttpClient client(options());
  HttpFault fault = HttpFault::kNone;
  Url url = server.url("/");
  url.scheme = "https";
  auto response = client.send({.url = url}, {}, &fault);
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(fault, HttpFault::kHandshake) << response.error().message();
}

TEST(Http, NoProgressEndsTheExchange) {
  HttpServer server([](const ServerRequest&) {
    return ServerReply{.body = "half", .content_length = 8, .hang = true};
  });
  HttpOptions impatient = options();
  impatient.no_progress = std::chrono::milliseconds(100);
  HttpClient client(impatient);
  auto response = client.send({.url = server.url("/")}, {});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code(), Code::kUnavailable);
  EXPECT_NE(response.error().message().find("no progress for "), std::string::npos);
}

TEST(Http, StopEndsTheExchange) {
  std::stop_source stop;
  HttpServer server([&](const ServerRequest&) {
    stop.request_stop();
    return ServerReply{.body = "half", .content_length = 8, .hang = true};
  });
  HttpClient client(options());
  auto response = client.send({.url = server.url("/")}, stop.get_token());
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code(), Code::kCancelled);
}

TEST(Http, SecretsStayAtTheirOrigin) {
  HttpServer other([](const ServerRequest&) { return ServerReply{.body = "blob"}; });
  HttpServer server([&](const ServerRequest& request) {
    if (request.target == "/same")
      return ServerReply{.status = 302, .headers = {{"Location", "away"}}};
    return ServerReply{.status = 307, .headers = {{"Location", other.url("/b?sig=1").text()}}};
  });
  HttpClient client(options());
  auto response = client.send(
      {.url = server.url("/same"),
       .headers = {{"Authorization", "Bearer secret"}, {"X-Key", "secret"}, {"Range", "bytes=1-"}},
       .private_headers = {"x-key"}},
      {});
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->url.text(), other.url("/b?sig=1").text());
  auto same = server.requests();
  ASSERT_EQ(same.size(), 2U);
  EXPECT_EQ(same[1].target, "/away");
  EXPECT_EQ(same[1].headers.get("Authorization"), "Bearer secret");
  EXPECT_EQ(same[1].headers.get("X-Key"), "secret");
  auto away = other.requests();
  ASSERT_EQ(away.size(), 1U);
  EXPECT_EQ(away[0].headers.get("Authorization"), "");
  EXPECT_EQ(away[0].headers.get("X-Key"), "");
  EXPECT_EQ(away[0].headers.get("Range"), "bytes=1-");
}

TEST(Http, RedirectsEnd) {
  HttpServer server([](const ServerRequest&) {
    return ServerReply{.status = 302, .headers = {{"Location", "/again"}}};
  });
  HttpClient client(options());
  auto response = client.send({.url = server.url("/"), .max_redirects = 3}, {});
  ASSERT_FALSE(response.has_value());
  EXPECT_NE(response.error().message().find("redirected more than 3 times"), std::string::npos);
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST(Http, HeaderWithLineBreakIsRefused) {
  HttpServer server([](const ServerRequest&) { return ServerReply{}; });
  HttpClient client(options());
  auto response = client.send({.url = server.url("/"), .headers = {{"X", "a\r\nY: b"}}}, {});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(server.requests().empty());
}

TEST(Http, ProxyIsAsked) {
  HttpServer proxy([](const ServerRequest&) { return ServerReply{.body = "by proxy"}; });
  HttpOptions through = options();
  through.proxies.http = proxy.authority();
  HttpClient client(through);
  auto response = client.send({.url = Url::parse("http://registry.invalid/v2/").value()}, {});
  ASSERT_TRUE(response.has_value()) << response.error().message();
  EXPECT_EQ(response->body, "by proxy");
  EXPECT_EQ(proxy.requests()[0].target, "http://registry.invalid/v2/");
}

TEST(Http, ErrorsOfTheRegistryAreShown) {
  HttpResponse response{.status = 404, .url = Url::parse("https://r.io/v2/a?token=s").value()};
  response.body =
      R"({"errors":[{"code":"NAME_UNKNOWN","message":"who\nis that"},{"code":"DENIED"}]})";
  Error error = http_error("GET", response);
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_EQ(error.message(),
            "GET \"https://r.io/v2/a\": status 404 (not found): NAME_UNKNOWN: who is that; DENIED");
  response = {.status = 429, .body = "<html>", .url = response.url};
  EXPECT_EQ(http_error("PUT", response).message(),
            "PUT \"https://r.io/v2/a\": status 429 (too many requests)");
  EXPECT_EQ(http_error("PUT", response).code(), Code::kResourceExhausted);
  EXPECT_EQ(code_from_status(401), Code::kUnauthenticated);
  EXPECT_EQ(code_from_status(403), Code::kPermissionDenied);
  EXPECT_EQ(code_from_status(502), Code::kUnavailable);
}

}  // namespace
}  // namespace dhow::registry
