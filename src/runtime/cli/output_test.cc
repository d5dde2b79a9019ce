// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/output.h"

#include <gtest/gtest.h>

namespace dhow::runtime::cli {
namespace {

ContainerInfo sample() {
  return {.id = "c1",
          .pid = 9895,
          .status = ContainerStatus::kRunning,
          .bundle = "/srv/bundle",
          .rootfs = "/srv/bundle/rootfs",
          .created = "2026-11-22T02:36:48.919187245Z",
          .annotations = {},
          .owner_uid = 0,
          .systemd_scope = ""};
}

TEST(OutputTest, StateAsRunc) {
  EXPECT_EQ(state_json(Style::kRunc, sample(), ""),
            R"({
  "ociVersion": "1.3.0",
  "id": "c1",
  "pid": 9895,
  "status": "running",
  "bundle": "/srv/bundle",
  "rootfs": "/srv/bundle/rootfs",
  "created": "2026-11-22T02:36:48.919187245Z",
  "owner": ""
})");
}

TEST(OutputTest, StateAsRuncWithAnnotations) {
  ContainerInfo info = sample();
  info.annotations = {{"a", "1"}, {"b", "\"2\""}};
  EXPECT_EQ(state_json(Style::kRunc, info, ""),
            R"({
  "ociVersion": "1.3.0",
  "id": "c1",
  "pid": 9895,
  "status": "running",
  "bundle": "/srv/bundle",
  "rootfs": "/srv/bundle/rootfs",
  "created": "2026-11-22T02:36:48.919187245Z",
  "annotations": {
    "a": "1",
    "b": "\"2\""
  },
  "owner": ""
})");
}

TEST(OutputTest, StateAsCrun) {
  ContainerInfo info = sample();
  info.systemd_scope = "crun-c1.scope";
  EXPECT_EQ(state_json(Style::kCrun, info, "root"),
            R"({
    "ociVersion": "1.3.0",
    "id": "c1",
    "pid": 9895,
    "status": "running",
    "bundle": "/srv/bundle",
    "rootfs": "/srv/bundle/rootfs",
    "created": "2026-11-22T02:36:48.919187245Z",
    "systemd-scope": "crun-c1.scope",
    "owner": "root"
}
)");
}

TEST(OutputTest, Lists) {
  std::vector<ContainerInfo> all{sample()};
  std::vector<std::string> owners{"root"};
  EXPECT_EQ(list_json(Style::kRunc, all, owners),
            "[{\"ociVersion\":\"1.3.0\",\"id\":\"c1\",\"pid\":9895,\"status\":\"running\","
            "\"bundle\":\"/srv/bundle\",\"rootfs\":\"/srv/bundle/rootfs\","
            "\"created\":\"2026-11-22T02:36:48.919187245Z\",\"owner\":\"root\"}]\n");
  EXPECT_EQ(list_json(Style::kRunc, {}, {}), "null\n");
  EXPECT_EQ(
      list_table(Style::kRunc, all, owners),
      "ID          PID         STATUS      BUNDLE        CREATED                          OWNER\n"
      "c1          9895        running     /srv/bundle   2026-11-22T02:36:48.919187245Z   root\n");
  EXPECT_EQ(list_table(Style::kRunc, {}, {}),
            "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  EXPECT_EQ(list_json(Style::kCrun, all, owners),
            R"([
    {
        "id": "c1",
        "pid": 9895,
        "status": "running",
        "bundle": "/srv/bundle",
        "created": "2026-11-22T02:36:48.919187245Z",
        "owner": "root"
    }
]
)");
  EXPECT_EQ(
      list_table(Style::kCrun, all, owners),
      "NAME PID       STATUS   BUNDLE PATH                             CREATED                "
      "        OWNER\n"
      "c1   9895      running  /srv/bundle                             "
      "2026-11-22T02:36:48.919187245Z"
      " root\n");
}

TEST(OutputTest, ProcessIds) {
  std::vector<pid_t> pids{1, 20};
  EXPECT_EQ(pids_json(Style::kRunc, pids), "[1,20]\n");
  EXPECT_EQ(pids_json(Style::kRunc, {}), "null\n");
  EXPECT_EQ(pids_json(Style::kCrun, pids), "[\n  1,\n  20\n]\n");
}

TEST(OutputTest, PsTablesAreFilteredByTheirPidColumn) {
  constexpr std::string_view kTable =
      "UID        PID  PPID CMD\n"
      "root         7     1 /bin/sleep 8\n"
      "root         8     7 /bin/sleep 7\n"
      "\n";
  std::vector<pid_t> pids{8};
  EXPECT_EQ(filter_ps(kTable, pids).value(),
            "UID        PID  PPID CMD\n"
            "root         8     7 /bin/sleep 7\n");
  EXPECT_EQ(filter_ps("COMMAND\nsh\n", pids).error().message(),
            "couldn't find PID field in ps output");
  EXPECT_FALSE(filter_ps("PID\nx\n", pids).has_value());
}

TEST(OutputTest, UserNames) {
  constexpr std::string_view kPasswd = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/:\n";
  EXPECT_EQ(user_name(kPasswd, 0), "root");
  EXPECT_EQ(user_name(kPasswd, 1000), "bob");
  EXPECT_EQ(user_name(kPasswd, 100), "#100");
  EXPECT_EQ(user_name("", 0), "#0");
}

}  // namespace
}  // namespace dhow::runtime::cli
