// SPDX-License-Identifier: Apache-2.0
// On a folder that stands in for resctrl. Its files are made by the writes (resctrl makes them with
// the group), and go before the folder can.
#include "runtime/intel_rdt.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/testing/forked.h"

namespace dhow::runtime {
namespace {

using dhow::testing::message_of;
using ::testing::HasSubstr;

class IntelRdtTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/dhow-resctrl-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root_ = name;
    put("/tasks", "");
    put("/schemata", "    MB:0=100;1=100\n    L3:0=fffff;1=fffff\n");
    ASSERT_TRUE(make_dirs(cat(root_, "/info"), 0755));
    ASSERT_TRUE(make_dirs(cat(root_, "/mon_groups"), 0755));
    put("/info/last_cmd_status", "ok\n");
  }
  void TearDown() override {
    EXPECT_TRUE(remove_tree(*open_at(kCwd, "/tmp", O_PATH), std::string_view(root_).substr(5)));
  }

  void put(std::string_view name, std::string_view content) {
    auto file = open_at(kCwd, cat(root_, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ASSERT_TRUE(file && write_all(*file, content)) << name;
  }
  std::string get(std::string_view name) {
    auto content = read_file(cat(root_, name));
    return content ? *content : content.error().message();
  }
  bool exists(std::string_view name) { return access(cat(root_, name).c_str(), F_OK) == 0; }
  void make_group(std::string_view name, std::string_view schemata) {
    ASSERT_TRUE(make_dirs(cat(root_, "/", name, "/mon_groups"), 0755));
    put(cat("/", name, "/schemata"), schemata);
  }

  std::string root_;
};

TEST_F(IntelRdtTest, WithoutClosIdTheContainerHasItsGroup) {
  oci::IntelRdt config;
  config.l3_cache_schema = "L3:0=f;1=f";
  auto made = create_rdt_groups("box", config, 42, root_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->group, cat(root_, "/box"));
  EXPECT_EQ(made->monitor, "");
  EXPECT_EQ(get("/box/schemata"), "L3:0=f;1=f\n");
  EXPECT_EQ(get("/box/tasks"), "42");
  EXPECT_FALSE(exists("/box/mon_groups/box"));
}

TEST_F(IntelRdtTest, SchemasAreCombined) {
  oci::IntelRdt config;
  config.l3_cache_schema = "L3:0=f\nMB:0=10\nL2:0=3";
  config.mem_bw_schema = "MB:0=70";
  ASSERT_TRUE(create_rdt_groups("box", config, 42, root_));
  EXPECT_EQ(get("/box/schemata"), "L3:0=f\nL2:0=3\nMB:0=70\n");
  config.mem_bw_schema.clear();
  ASSERT_TRUE(create_rdt_groups("other", config, 43, root_));
  EXPECT_EQ(get("/other/schemata"), "L3:0=f\nMB:0=10\nL2:0=3\n");
}

TEST_F(IntelRdtTest, SchemataAreWrittenLast) {
  oci::IntelRdt config;
  config.clos_id = "gold";
  config.l3_cache_schema = "L3:0=f";
  config.schemata = {"L3:0=7", "MB:0=20"};
  auto made = create_rdt_groups("box", config, 42, root_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->group, cat(root_, "/gold"));
  EXPECT_EQ(get("/gold/schemata"), "L3:0=7\nMB:0=20\n");
}

TEST_F(IntelRdtTest, PresetGroupIsUsedAndStays) {
  make_group("gold", "L3:0=f\n");
  oci::IntelRdt config;
  config.clos_id = "gold";
  config.enable_monitoring = true;
  auto made = create_rdt_groups("box", config, 42, root_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->group, "");
  EXPECT_EQ(made->monitor, cat(root_, "/gold/mon_groups/box"));
  EXPECT_EQ(get("/gold/tasks"), "42");
  EXPECT_EQ(get("/gold/mon_groups/box/tasks"), "42");
  EXPECT_EQ(get("/gold/schemata"), "L3:0=f\n");

  ASSERT_EQ(unlink(cat(root_, "/gold/mon_groups/box/tasks").c_str()), 0);
  EXPECT_EQ(message_of(remove_rdt_groups(made->group, made->monitor)), "");
  EXPECT_FALSE(exists("/gold/mon_groups/box"));
  EXPECT_TRUE(exists("/gold"));
}

TEST_F(IntelRdtTest, PresetGroupMustExist) {
  oci::IntelRdt config;
  config.clos_id = "gold";
  EXPECT_THAT(message_of(create_rdt_groups("box", config, 42, root_)),
              HasSubstr("closID \"gold\" does not exist"));
  EXPECT_FALSE(exists("/gold"));
}

TEST_F(IntelRdtTest, ExistingGroupMustHaveTheSchema) {
  make_group("gold", "    MB:0=70;1=100\n    L3:0=0f;1=fffff\n");
  oci::IntelRdt config;
  config.clos_id = "gold";
  config.l3_cache_schema = "L3:0=f";
  config.mem_bw_schema = "MB:0=70";
  auto made = create_rdt_groups("box", config, 42, root_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->group, "");
  config.mem_bw_schema = "MB:0=50";
  EXPECT_THAT(message_of(create_rdt_groups("box", config, 42, root_)),
              HasSubstr("exists with another schema: MB of 0 is \"70\", not \"50\""));
  config.mem_bw_schema = "MB:2=50";
  EXPECT_THAT(message_of(create_rdt_groups("box", config, 42, root_)),
              HasSubstr("MB of 2 is nothing, not \"50\""));
}

TEST_F(IntelRdtTest, SlashIsTheRootGroup) {
  oci::IntelRdt config;
  config.clos_id = "/";
  config.enable_monitoring = true;
  auto made = create_rdt_groups("box", config, 42, root_);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->group, "");
  EXPECT_EQ(made->monitor, cat(root_, "/mon_groups/box"));
  EXPECT_EQ(get("/tasks"), "42");
}

TEST_F(IntelRdtTest, FailureQuotesTheKernel) {
  put("/info/last_cmd_status", "No write to it\n");
  oci::IntelRdt config;
  config.enable_monitoring = true;
  // No mon_groups folder inside: making the monitoring group fails.
  EXPECT_THAT(message_of(create_rdt_groups("box", config, 42, root_)),
              HasSubstr(cat("make group \"", root_,
                            "/box/mon_groups/box\": No write to it: no such "
                            "file or directory")));
}

TEST_F(IntelRdtTest, FailureLeavesNoGroup) {
  // A path that is just short enough for the folder, and too long for the files in it.
  std::string id(200, 'x');
  std::string root = root_;
  while (root.size() + 1 + id.size() + 2 < PATH_MAX - 1) root += "/.";
  oci::IntelRdt config;
  for (auto schemata : {std::vector<std::string>{"L3:0=f"}, std::vector<std::string>{}}) {
    config.schemata = schemata;
    auto made = create_rdt_groups(id, config, 42, root);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().sys_errno(), ENAMETOOLONG);
    EXPECT_FALSE(exists(cat("/", id)));
  }
}

TEST_F(IntelRdtTest, NamesThatAreNoGroupsAreRefused) {
  oci::IntelRdt config;
  config.schemata = {"L3:0=f"};
  for (const char* name : {"..", ".", "a/b", "info", "mon_groups", "mon_data", "/x"}) {
    config.clos_id = name;
    EXPECT_EQ(message_of(create_rdt_groups("box", config, 42, root_)),
              cat("intelRdt: bad closID \"", name, "\""));
  }
}

TEST_F(IntelRdtTest, SaysWhenNothingIsMounted) {
  EXPECT_EQ(message_of(create_rdt_groups("box", {}, 42, cat(root_, "/info"))),
            cat("intelRdt: resctrl is not mounted on \"", root_,
                "/info\", or the processor has nothing that it controls"));
}

TEST_F(IntelRdtTest, UpdateWritesTheGroup) {
  make_group("gold", "");
  oci::IntelRdt config;
  config.clos_id = "gold";
  EXPECT_EQ(message_of(update_rdt_group("box", config, "L3:0=3", "MB:0=30", root_)), "");
  EXPECT_EQ(get("/gold/schemata"), "L3:0=3\nMB:0=30\n");
  EXPECT_EQ(message_of(update_rdt_group("box", config, "", "MB:0=40", root_)), "");
  EXPECT_EQ(get("/gold/schemata"), "MB:0=40\n");
  EXPECT_EQ(message_of(update_rdt_group("box", config, "", "", root_)), "");
  EXPECT_THAT(message_of(update_rdt_group("box", {}, "L3:0=3", "", root_)),
              HasSubstr("/box\" does not exist"));
}

TEST_F(IntelRdtTest, RemovingWhatIsGoneIsFine) {
  EXPECT_EQ(message_of(remove_rdt_groups(cat(root_, "/x"), cat(root_, "/x/mon_groups/y"))), "");
  EXPECT_EQ(message_of(remove_rdt_groups("", "")), "");
}

}  // namespace
}  // namespace dhow::runtime
