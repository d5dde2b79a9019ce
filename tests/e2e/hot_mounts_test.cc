// SPDX-License-Identifier: Apache-2.0
// mounts add and mounts remove on containers that run.
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

class HotMounts : public testing::Test {
 protected:
  Outcome mounts(const char* action, const json::array& list) {
    std::string file = bundle_.path() + "/mounts.json";
    write_text(file, json::serialize(list));
    return runtime({"mounts", action, container_.id(), file});
  }
  std::string cat(const std::string& path) { return container_.exec({"/bin/cat", path}).out; }
  static json::object bind(const std::string& source, const std::string& destination) {
    return {{"type", "bind"},
            {"source", source},
            {"destination", destination},
            {"options", json::array{"bind", "ro"}}};
  }
  TempDir host_;
  Bundle bundle_{{"/bin/testbox", "wait"}};
  Container container_{bundle_};
};

TEST_F(HotMounts, ComeAndGo) {
  write_text(host_.path() + "/file", "hot\n");
  container_.start_detached();
  Outcome added = mounts("add", {bind(host_.path(), "/new/place"),
                                 json::object{{"type", "tmpfs"},
                                              {"source", "tmpfs"},
                                              {"destination", "/mem"},
                                              {"options", json::array{"size=1m", "mode=711"}}}});
  ASSERT_EQ(added.code, 0) << added.err;
  EXPECT_EQ(cat("/new/place/file"), "hot\n");
  EXPECT_NE(container_.exec({"/bin/touch", "/new/place/x"}).code, 0) << "it is read-only";
  EXPECT_EQ(container_.exec({"/bin/stat", "-c", "%a", "/mem"}).out, "711\n");
  EXPECT_TRUE(mounts_with(bundle_.path()).empty()) << "nothing of it is on the host";

  Outcome removed = mounts("remove", {json::object{{"destination", "/new/place"}},
                                      json::object{{"destination", "/mem"}}});
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_EQ(cat("/new/place/file"), "");
  EXPECT_NE(mounts("remove", {json::object{{"destination", "/mem"}}}).code, 0);
}

TEST_F(HotMounts, AreReadFromTheStandardInputToo) {
  write_text(host_.path() + "/file", "piped\n");
  container_.start_detached();
  CommandOptions options;
  options.input = json::serialize(json::array{bind(host_.path() + "/file", "/etc/new-file")});
  Outcome added = runtime({"mounts", "add", container_.id(), "-"}, options);
  EXPECT_EQ(added.code, 0) << added.err;
  EXPECT_EQ(cat("/etc/new-file"), "piped\n");
}

TEST_F(HotMounts, StayInTheRoot) {
  container_.start_detached();
  std::filesystem::create_symlink(host_.path(), bundle_.rootfs() + "/link");
  TempDir source;
  Outcome outcome = mounts("add", {bind(source.path(), "/link/made")});
  EXPECT_FALSE(exists(host_.path() + "/made")) << outcome.err;
}

TEST_F(HotMounts, InAUserNamespace) {
  bundle_.use_user_namespace(100000);
  write_text(host_.path() + "/file", "mapped\n");
  container_.start_detached();
  Outcome added = mounts("add", {bind(host_.path(), "/tmp/hot")});
  EXPECT_EQ(added.code, 0) << added.err;
  EXPECT_EQ(cat("/tmp/hot/file"), "mapped\n");
}

TEST_F(HotMounts, FaultsAreNamedAndLeaveNothing) {
  container_.start_detached();
  EXPECT_THAT(mounts("add", {bind("/no/such", "/mnt")}).err, HasSubstr("/no/such"));
  EXPECT_EQ(runtime({"mounts", "change", container_.id(), "-"}).code, 1);
  EXPECT_EQ(runtime({"mounts", "add", container_.id(), "/no/such/file"}).code, 1);
  EXPECT_THAT(runtime({"mounts", "add", "no-such", bundle_.path() + "/mounts.json"}).err,
              HasSubstr("container does not exist"));
  std::string table = cat("/proc/self/mountinfo");
  EXPECT_THAT(table, testing::Not(HasSubstr(" /mnt ")));
}

}  // namespace
}  // namespace dhow::e2e
