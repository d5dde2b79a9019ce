// SPDX-License-Identifier: Apache-2.0
// login, logout, push and pull against Debian's docker-registry with passwords, and what they show
// on a terminal and without one. Each test goes through docker's command line and ours.
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

#include "base/strings.h"
#include "cli/client_fixture.h"
#include "registry/testing/docker_registry.h"
#include "sys/file_io.h"

namespace dhow::cli_test {
namespace {

using registry::testing::DockerRegistry;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class RegistryTest : public ClientTest {
 protected:
  void SetUp() override {
    if (std::string why = DockerRegistry::missing(); !why.empty()) GTEST_SKIP() << why;
    ClientTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    std::filesystem::create_directories(folder_ / "registry");
    std::string passwords = (folder_ / "registry/htpasswd").string();
    SpawnOptions options;
    options.arguments = {"htpasswd", "-Bbn", "joe", "secret"};
    std::ofstream(passwords) << spawn_and_wait(options).value().output;
    auto started = DockerRegistry::start(
        {.folder = (folder_ / "registry").string(),
         .auth = cat("  htpasswd:\n    realm: test\n    path: ", passwords, "\n")});
    ASSERT_TRUE(started.has_value()) << started.error().message();
    registry_ = std::move(*started);
    image_ = registry_->domain() + "/team/box:1";
    output({"tag", "busybox", image_});
  }
  void TearDown() override {
    registry_.reset();
    ClientTest::TearDown();
  }
  void log_in() {
    output({"login", "-u", "joe", "--password-stdin", registry_->domain()}, "secret\n");
  }
  std::string config() { return read_file(config_folder() + "/config.json").value_or(""); }

  std::unique_ptr<DockerRegistry> registry_;
  std::string image_;
};

TEST_P(RegistryTest, LoginKeepsWhatTheRegistryTook) {
  write("client/config.json", R"({"detachKeys": "ctrl-b", "unknown": {"kept": [1, 2.5, null]}})");
  SpawnOutput done =
      call({"login", "-u", "joe", "--password-stdin", registry_->domain()}, "secret\n");
  EXPECT_EQ(done.exit_code, 0) << done.error_text;
  EXPECT_EQ(done.output, "Login Succeeded\n");
  EXPECT_THAT(done.error_text, HasSubstr("stored unencrypted in '" + config_folder()));
  EXPECT_THAT(config(), AllOf(HasSubstr(registry_->domain()), HasSubstr("am9lOnNlY3JldA=="),
                              HasSubstr("ctrl-b")));
  // What docker doesn't know it drops, and it leaves a file readable that was.
  if (!is_docker()) {
    EXPECT_THAT(config(), HasSubstr("kept"));
    EXPECT_EQ(std::filesystem::status(config_folder() + "/config.json").permissions(),
              std::filesystem::perms(0600));
  }
  // What is kept is used again.
  SpawnOutput again = call({"login", registry_->domain()});
  EXPECT_EQ(again.exit_code, 0) << again.error_text;
  EXPECT_THAT(again.output, HasSubstr("Login Succeeded"));
  EXPECT_EQ(output({"logout", registry_->domain()}),
            "Removing login credentials for " + registry_->domain());
  EXPECT_THAT(config(), AllOf(Not(HasSubstr("am9lOnNlY3JldA==")), HasSubstr("ctrl-b")));
  EXPECT_EQ(call({"logout", registry_->domain()}).exit_code, 0);
}

TEST_P(RegistryTest, AWrongPasswordIsRefusedAndNotKept) {
  SpawnOutput refused =
      call({"login", "-u", "joe", "--password-stdin", registry_->domain()}, "wrong");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.error_text, HasSubstr("Error response from daemon: login attempt to http"));
  EXPECT_THAT(refused.error_text, HasSubstr("401 Unauthorized"));
  EXPECT_THAT(refused.error_text, Not(HasSubstr("wrong")));
  EXPECT_THAT(config(), Not(HasSubstr(registry_->domain())));
}

TEST_P(RegistryTest, LoginAsksOnATerminal) {
  Child login = on_terminal({"login", registry_->domain()});
  ASSERT_TRUE(login.await("Username: ")) << login.said();
  ASSERT_TRUE(login.write("joe\r").has_value());
  ASSERT_TRUE(login.await("Password: ")) << login.said();
  ASSERT_TRUE(login.write("secret\r").has_value());
  EXPECT_EQ(login.finish(), 0) << login.said();
  EXPECT_THAT(login.said(), AllOf(HasSubstr("Login Succeeded"), Not(HasSubstr("secret\r"))));
}

TEST_P(RegistryTest, FlagsOfLoginThatDoNotGoTogether) {
  SpawnOutput both = call({"login", "-p", "x", "--password-stdin", "-u", "joe", "r.io"}, "x");
  EXPECT_EQ(both.exit_code, 1);
  EXPECT_THAT(both.error_text, HasSubstr("--password"));
  SpawnOutput nobody = call({"login", "--password-stdin", "r.io"}, "x");
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.error_text, HasSubstr("username"));
  SpawnOutput pipe = call({"login", "-u", "joe", registry_->domain()});
  EXPECT_EQ(pipe.exit_code, 1);
  EXPECT_THAT(pipe.error_text, HasSubstr("non TTY device"));
}

TEST_P(RegistryTest, PushAndPullNeedTheLogin) {
  SpawnOutput refused = call({"push", image_});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.error_text, HasSubstr("no basic auth credentials"));
  log_in();
  SpawnOutput pushed = call({"push", image_});
  EXPECT_EQ(pushed.exit_code, 0) << pushed.error_text;
  EXPECT_THAT(pushed.output, AllOf(HasSubstr("The push refers to repository [" +
                                             registry_->domain() + "/team/box]"),
                                   HasSubstr("1: digest: sha256:"), Not(HasSubstr("\x1b"))));
  output({"rmi", image_, "busybox"});
  SpawnOutput pulled = call({"pull", image_});
  EXPECT_EQ(pulled.exit_code, 0) << pulled.error_text;
  EXPECT_THAT(pulled.output, AllOf(HasSubstr("1: Pulling from team/box\n"),
                                   HasSubstr("Status: Downloaded newer image for " + image_),
                                   Not(HasSubstr("\x1b"))));
  output({"logout", registry_->domain()});
  output({"rmi", image_});
  SpawnOutput closed = call({"pull", image_});
  EXPECT_EQ(closed.exit_code, 1);
  EXPECT_THAT(closed.error_text, HasSubstr("no basic auth credentials"));
}

TEST_P(RegistryTest, ProgressIsDrawnOnATerminalAndWrittenElsewhere) {
  log_in();
  Child push = on_terminal({"push", image_}, 24, 120);
  EXPECT_EQ(push.finish(), 0) << push.said();
  // Bars, and lines that are written over.
  EXPECT_THAT(push.said(), AllOf(HasSubstr("\x1b["), HasSubstr("Pushed")));
  output({"rmi", image_, "busybox"});
  Child pull = on_terminal({"pull", image_}, 24, 120);
  EXPECT_EQ(pull.finish(), 0) << pull.said();
  EXPECT_THAT(pull.said(),
              AllOf(HasSubstr("\x1b["), HasSubstr("Pull complete"), HasSubstr("Digest: sha256:")));
  output({"rmi", image_});
  Child quiet = on_terminal({"pull", "-q", image_});
  EXPECT_EQ(quiet.finish(), 0) << quiet.said();
  EXPECT_THAT(quiet.said(), Not(HasSubstr("Pull complete")));
}

INSTANTIATE_TEST_SUITE_P(Clients, RegistryTest, ::testing::Values("docker", "dhow"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace dhow::cli_test
