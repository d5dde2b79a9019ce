// SPDX-License-Identifier: Apache-2.0
#include "registry/credentials.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "oci/base64.h"
#include "sys/file_io.h"

namespace dhow::registry {
namespace {

// A folder with helpers, in front of $PATH while the test runs.
class Helpers : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/registry-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
    path_ = ::getenv("PATH");
    ::setenv("PATH", (folder_ + ":" + path_).c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", path_.c_str(), 1);
    ASSERT_TRUE(remove_tree(kCwd, folder_).has_value());
  }
  void helper(const std::string& name, const std::string& script) {
    std::string file = write("docker-credential-" + name, "#!/bin/sh\n" + script);
    ASSERT_EQ(::chmod(file.c_str(), 0755), 0);
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  std::string folder_;
  std::string path_;
};

AuthFile auths_of(std::string_view text) { return parse_auth_file(text).value(); }

TEST(AuthFile, FormsOfEntries) {
  AuthFile file = auths_of(cat(R"({"auths":{
    "a.io":{"auth":")",
                               oci::base64_encode("joe:pa:ss"), R"(","email":"x"},
    "b.io":{"username":"ann","password":"pw"},
    "c.io":{"auth":")",
                               oci::base64_encode("joe:"), R"(","identitytoken":"it"},
    "d.io":{"registrytoken":"rt"},
    "e.io":{},
    "f.io":{"username":"<token>","password":"it2"}},
    "credsStore":"desktop","credHelpers":{"g.io":"gee"}, "HttpHeaders":{}})"));
  EXPECT_EQ(file.auths["a.io"], (Credentials{.username = "joe", .password = "pa:ss"}));
  EXPECT_EQ(file.auths["b.io"], (Credentials{.username = "ann", .password = "pw"}));
  EXPECT_EQ(file.auths["c.io"].identity_token, "it");
  EXPECT_EQ(file.auths["d.io"].registry_token, "rt");
  EXPECT_TRUE(file.auths["e.io"].empty());
  EXPECT_EQ(file.auths["f.io"].identity_token, "it2");
  EXPECT_EQ(file.auths["f.io"].password, "");
  EXPECT_EQ(helper_for(file, "g.io"), "gee");
  EXPECT_EQ(helper_for(file, "a.io"), "desktop");
  EXPECT_TRUE(auths_of("").auths.empty());
}

TEST(AuthFile, FaultsNameThePlaceAndNoSecret) {
  struct {
    const char* text;
    const char* place;
  } cases[] = {
      {R"([])", "$: not an object"},
      {R"({"auths":["hidden"]})", "$.auths: not an object"},
      {R"({"auths":{"a":"hidden"}})", R"($.auths["a"]: not an object)"},
      {R"({"auths":{"a":{"password":["hidden"]}}})", R"($.auths["a"].password: not a string)"},
      {R"({"auths":{"a":{"auth":"hidden!"}}})", R"($.auths["a"].auth: not a name and a password)"},
      {R"({"credHelpers":{"a":1}})", R"($.credHelpers.a: not a string)"},
  };
  for (const auto& test : cases) {
    auto file = parse_auth_file(test.text);
    ASSERT_FALSE(file.has_value()) << test.text;
    EXPECT_EQ(file.error().message(), test.place);
    EXPECT_EQ(file.error().code(), Code::kInvalidArgument);
  }
}

TEST(AuthFile, LongestPathFirst) {
  AuthFile file = auths_of(R"({"auths":{"r.io":{"username":"host","password":"p"},
    "r.io/team":{"username":"team","password":"p"},
    "r.io/team/app":{"username":"app","password":"p"}}})");
  EXPECT_EQ(find_in_auths(file, "r.io", "team/app").username, "app");
  EXPECT_EQ(find_in_auths(file, "r.io", "team/app/deep").username, "app");
  EXPECT_EQ(find_in_auths(file, "r.io", "team/apple").username, "team");
  EXPECT_EQ(find_in_auths(file, "r.io", "other").username, "host");
  EXPECT_TRUE(find_in_auths(file, "r.io:5000", "team/app").empty());
  EXPECT_TRUE(find_in_auths(file, "team", "app").empty());
}

TEST(AuthFile, NamesOfHosts) {
  for (const char* key : {"https://index.docker.io/v1/", "docker.io", "index.docker.io",
                          "https://registry-1.docker.io", "index.docker.io/v1/"}) {
    AuthFile file = auths_of(cat(R"({"auths":{")", key, R"(":{"username":"u","password":"p"}}})"));
    EXPECT_EQ(find_in_auths(file, "docker.io", "library/busybox").username, "u") << key;
    EXPECT_TRUE(find_in_auths(file, "r.io", "library/busybox").empty()) << key;
  }
  for (const char* key : {"https://r.io:5000/v2/", "http://r.io:5000", "r.io:5000/"}) {
    AuthFile file = auths_of(cat(R"({"auths":{")", key, R"(":{"username":"u","password":"p"}}})"));
    EXPECT_EQ(find_in_auths(file, "r.io:5000", "a").username, "u") << key;
  }
  // The credentials of one path are not those of the host.
  AuthFile file = auths_of(R"({"auths":{"r.io/team":{"username":"u","password":"p"}}})");
  EXPECT_TRUE(find_in_auths(file, "r.io", "a").empty());
  EXPECT_EQ(server_name("docker.io"), "https://index.docker.io/v1/");
  EXPECT_EQ(server_name("r.io"), "r.io");
}

TEST(Fixed, OnlyForItsHost) {
  FixedCredentials fixed("docker.io", {.username = "u", .password = "p"});
  EXPECT_EQ(fixed.find("docker.io", "a")->username, "u");
  EXPECT_EQ(fixed.find("registry-1.docker.io", "a")->username, "u");
  EXPECT_TRUE(fixed.find("mirror.io", "a")->empty());
}

TEST_F(Helpers, AnswerOfHelper) {
  helper("one", R"(read server; test "$1" = get || exit 9
echo "{\"ServerURL\":\"$server\",\"Username\":\"joe\",\"Secret\":\"of $server\"}")");
  auto found = ask_helper("one", "r.io");
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(*found, (Credentials{.username = "joe", .password = "of r.io"}));
  helper("two", R"(echo '{"Username":"<token>","Secret":"it"}')");
  EXPECT_EQ(*ask_helper("two", "r.io"), Credentials{.identity_token = "it"});
}

TEST_F(Helpers, FailuresOfHelpers) {
  helper("none", "echo 'credentials not found in native keychain'; exit 1");
  EXPECT_TRUE(ask_helper("none", "r.io")->empty());
  helper("broken", "echo 'the keychain is locked'; exit 3");
  auto broken = ask_helper("broken", "r.io");
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().message(),
            "ask \"docker-credential-broken\" for the credentials of \"r.io\": exit status 3: the "
            "keychain is locked");
  helper("odd", "echo '{\"Secret\":\"hidden\"}'");
  auto odd = ask_helper("odd", "r.io");
  ASSERT_FALSE(odd.has_value());
  EXPECT_EQ(odd.error().message().find("hidden"), std::string::npos);
  EXPECT_EQ(ask_helper("absent", "r.io").error().code(), Code::kFailedPrecondition);
  EXPECT_EQ(ask_helper("../evil", "r.io").error().code(), Code::kInvalidArgument);
}

TEST_F(Helpers, FilesInTheirOrder) {
  helper("ok", R"(read server; test "$server" = r.io || { echo 'credentials not found'; exit 1; }
echo '{"Username":"helped","Secret":"s"}')");
  std::string first = write("first.json", R"({"credHelpers":{"r.io":"ok"}})");
  std::string second = write(
      "second.json", R"({"auths":{"s.io":{"username":"filed","password":"p"}},"credsStore":"ok"})");
  AuthFiles files({folder_ + "/absent.json", first, second});
  EXPECT_EQ(files.find("r.io", "a")->username, "helped");
  EXPECT_EQ(files.find("s.io", "a")->username, "filed");
  EXPECT_TRUE(files.find("t.io", "a")->empty());
  std::string bad = write("bad.json", "{");
  auto found = AuthFiles({bad}).find("r.io", "a");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().message().find(cat("read ", quoted(bad), ": ")), 0U);
}

}  // namespace
}  // namespace dhow::registry
