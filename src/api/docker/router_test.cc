// SPDX-License-Identifier: Apache-2.0
#include "api/docker/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace dhow::api::docker {
namespace {

using ::testing::ElementsAre;

// What an exchange was answered.
class Recorder final : public Exchange {
 public:
  const RequestHead& head() const override { return head_; }
  std::string_view path() const override { return {}; }
  const Query& query() const override { return query_; }
  ApiVersion version() const override { return {}; }
  const std::string& body() const override { return head_.target; }
  unpack::ByteSource& body_stream() override { std::abort(); }
  std::stop_token stop() const override { return {}; }
  void respond(Response response) override { answer_ = std::move(response); }
  bool begun() const override { return answer_.has_value(); }
  void begin(const Response&) override {}
  Status write(std::string_view) override { return {}; }
  void end(std::string_view) override {}
  void abort() override {}
  void hijack(std::string_view) override {}
  void hijack_silently() override {}
  void join(Fd, JoinOptions) override {}
  void keep(std::shared_ptr<void>) override {}

  std::optional<Response> answer_;

 private:
  RequestHead head_;
  Query query_;
};

class RouterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [method, pattern] :
         std::vector<std::pair<std::string, std::string>>{{"GET", "/containers/json"},
                                                          {"GET", "/containers/{}/json"},
                                                          {"GET", "/images/get"},
                                                          {"GET", "/images/{*}/get"},
                                                          {"GET", "/images/{*}/json"},
                                                          {"DELETE", "/images/{*}"},
                                                          {"GET", "/networks"}}) {
      router_.add(
          {method, pattern, [pattern, this](const ExchangePtr&, const Match& match) -> Status {
             called_ = pattern;
             match_ = match;
             return {};
           }});
    }
  }
  // The answer, or what was called.
  std::string ask(const std::string& method, const std::string& target) {
    RequestHead head;
    head.method = method;
    head.target = target;
    head.headers = {{"Host", "docker"}};
    called_.clear();
    match_.clear();
    Plan plan = router_.plan(head);
    version_ = plan.version;
    auto recorder = std::make_shared<Recorder>();
    plan.handler(recorder);
    if (!recorder->answer_) return called_;
    return cat(recorder->answer_->status, " ", recorder->answer_->body);
  }

  Router router_;
  std::string called_;
  Match match_;
  ApiVersion version_;
};

TEST_F(RouterTest, FindsRoutesWithAndWithoutVersion) {
  EXPECT_EQ(ask("GET", "/v1.41/containers/json?all=1"), "/containers/json");
  EXPECT_EQ(version_, ApiVersion{41});
  EXPECT_EQ(ask("GET", "/containers/json"), "/containers/json");
  EXPECT_EQ(version_, kNewestApi);
  EXPECT_EQ(ask("GET", "/v1.24/networks/"), "/networks");
}

TEST_F(RouterTest, NamesOfImagesMayHaveSlashes) {
  EXPECT_EQ(ask("GET", "/images/r.io:5000/team/app:1/json"), "/images/{*}/json");
  EXPECT_THAT(match_, ElementsAre("r.io:5000/team/app:1"));
  EXPECT_EQ(ask("GET", "/images/get"), "/images/get");
  EXPECT_EQ(ask("DELETE", "/images/json"), "/images/{*}");
  EXPECT_EQ(ask("GET", "/images/team%2Fapp/json"), "/images/{*}/json");
  EXPECT_THAT(match_, ElementsAre("team/app"));
}

TEST_F(RouterTest, RefusesVersionsInDockersWords) {
  EXPECT_EQ(ask("GET", "/v1.53/containers/json"),
            "400 {\"message\":\"client version 1.53 is too new. Maximum supported API version is "
            "1.52\"}\n");
  EXPECT_EQ(ask("GET", "/v1.12/containers/json"),
            "400 {\"message\":\"client version 1.12 is too old. Minimum supported API version is "
            "1.24, please upgrade your client to a newer version\"}\n");
  EXPECT_EQ(ask("GET", "/v2.0/containers/json"),
            "400 {\"message\":\"client version 2.0 is too new. Maximum supported API version is "
            "1.52\"}\n");
}

TEST_F(RouterTest, UnknownPathsAndMethodsAreNotFound) {
  for (const char* target : {"/", "/v1.41", "/v1.41/", "/nothing", "/vx/containers/json",
                             "/containers//json", "/containers/a/b/json", "/images//json"}) {
    EXPECT_EQ(ask("GET", target), "404 {\"message\":\"page not found\"}\n") << target;
  }
  EXPECT_EQ(ask("PATCH", "/containers/json"), "404 {\"message\":\"page not found\"}\n");
  EXPECT_EQ(ask("GET", "/images/%zz/json"), "400 {\"message\":\"invalid URL escape\"}\n");
}

TEST_F(RouterTest, OptionsIsAnsweredEverywhere) {
  EXPECT_EQ(ask("OPTIONS", "/v1.41/anything"), "200 ");
}

TEST(QueryTest, ReadsValuesAsFormsHaveThem) {
  Query query = Query::parse("a=1&b=x%20y+z&a=2&c&d=&e=%zz&all=False");
  EXPECT_EQ(query.get("a"), "1");
  EXPECT_THAT(query.all("a"), ElementsAre("1", "2"));
  EXPECT_EQ(query.get("b"), "x y z");
  EXPECT_TRUE(query.has("c"));
  EXPECT_FALSE(query.has("e"));
  EXPECT_FALSE(query.flag("all", true));
  EXPECT_FALSE(query.flag("d"));
  EXPECT_TRUE(query.flag("missing", true));
  for (const char* yes : {"x=1", "x=true", "x=yes", "x=anything"}) {
    EXPECT_TRUE(Query::parse(yes).flag("x")) << yes;
  }
  for (const char* no : {"x=0", "x=no", "x=none", "x=", "x"}) {
    EXPECT_FALSE(Query::parse(no).flag("x")) << no;
  }
}

}  // namespace
}  // namespace dhow::api::docker
