// SPDX-License-Identifier: Apache-2.0
// Landlock policies in force: by option and annotation, at run and at exec.
#include <sys/syscall.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

constexpr const char* kPolicy =
    R"({"paths": [{"paths": ["/bin"], "access": ["ro", "exec"]},
                  {"paths": ["/tmp"], "access": ["rw"]}]})";

class Landlock : public testing::Test {
 protected:
  void SetUp() override {
    constexpr unsigned kVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
    DHOW_NEEDS(::syscall(SYS_landlock_create_ruleset, nullptr, 0UL, kVersion) > 0,
               "the kernel has no Landlock");
  }
  std::string policy_file(const std::string& text) {
    std::string file = bundle_.path() + "/policy.json";
    write_text(file, text);
    return file;
  }
  Bundle bundle_{{"/bin/testbox", "wait"}};
};

TEST_F(Landlock, OptionRestrictsTheContainer) {
  bundle_.set_script("echo x > /tmp/x && echo wrote; cat /etc/passwd || echo denied");
  Container container(bundle_);
  Outcome outcome = container.run({"--landlock", policy_file(kPolicy)});
  EXPECT_EQ(outcome.out, "wrote\ndenied\n") << outcome.err;
}

TEST_F(Landlock, OptionWinsOverTheAnnotation) {
  bundle_.config()["annotations"] =
      json::object{{"dhow.landlock", R"({"paths": [{"paths": ["/"], "access": ["ro", "exec"]}]})"}};
  bundle_.set_script("cat /etc/passwd > /dev/null 2>&1 || echo denied");
  Container container(bundle_);
  EXPECT_EQ(container.run({"--landlock", policy_file(kPolicy)}).out, "denied\n");
}

TEST_F(Landlock, HoldsForExecWithoutNoNewPrivilegesToo) {
  for (bool no_new_privileges : {true, false}) {
    bundle_.process()["noNewPrivileges"] = no_new_privileges;
    Container container(bundle_);
    container.start_detached({"--landlock", policy_file(kPolicy)});
    Outcome denied = container.exec({"/bin/cat", "/etc/passwd"});
    EXPECT_EQ(denied.code, 1);
    EXPECT_THAT(denied.err, HasSubstr("ermission denied"));
    EXPECT_EQ(container.exec({"/bin/sh", "-c", "echo x > /tmp/y && echo $HOME"}).out, "/root\n");
    EXPECT_EQ(container.exec({"/etc/passwd"}).code, 255);
  }
}

TEST_F(Landlock, HoldsForExecOfAnotherUser) {
  bundle_.config()["annotations"] = json::object{{"dhow.landlock", kPolicy}};
  Container container(bundle_);
  container.start_detached();
  EXPECT_EQ(container.exec({"/bin/cat", "/etc/passwd"}, {"--user", "1000"}).code, 1);
}

TEST_F(Landlock, FaultsAreNamed) {
  Container container(bundle_);
  Outcome outcome = container.create(
      {"--landlock", policy_file(R"({"paths": [{"paths": ["/"], "access": ["fly"]}]})")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("$.paths[0].access[0]: unknown right"));
  EXPECT_EQ(container.create({"--landlock", "/no/such/policy"}).code, 1);
  outcome = container.create(
      {"--landlock", policy_file(R"({"paths": [{"paths": ["/gone"], "access": ["ro"]}]})")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("/gone"));
  EXPECT_FALSE(exists(container.state_dir()));
}

}  // namespace
}  // namespace dhow::e2e
