// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <gmock/gmock.h>

#include "base/strings.h"
#include "runtime/cli/testing/cli_fixture.h"

namespace dhow::runtime::cli {
namespace {

using testing::container;
using ::testing::ElementsAre;
using testing::fake;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Outcome;
using ::testing::Pair;
using testing::run_cli;

class CommandsTest : public testing::CliTest {
 protected:
  // The message of the only log line, for a call that must fail without reaching the runtime.
  std::string refusal(std::vector<std::string_view> line) {
    fake().calls.clear();
    line.insert(line.begin(), "crun");
    Outcome outcome = run_cli(line);
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(fake().calls, IsEmpty());
    return outcome.err;
  }
};

TEST_F(CommandsTest, CreateTakesEveryFlag) {
  ASSERT_EQ(mkdir("bundle", 0755), 0);
  Outcome outcome =
      run_cli({"runc", "create", "-b", "bundle", "--config=c.json", "--console-socket", "s",
               "--pidfd-socket", "/p", "--pid-file=pid", "--no-pivot", "--no-new-keyring",
               "--preserve-fds", "3", "--landlock", "l.json", "--no-subreaper", "c1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(fake().calls, ElementsAre("create c1"));
  const CreateOptions& options = fake().create;
  EXPECT_EQ(options.id, "c1");
  EXPECT_EQ(options.bundle, folder_path("bundle"));
  EXPECT_EQ(options.config_file, folder_path("c.json"));
  EXPECT_EQ(options.console_socket, folder_path("s"));
  EXPECT_EQ(options.pidfd_socket, "/p");
  EXPECT_EQ(options.pid_file, folder_path("pid"));
  EXPECT_EQ(options.landlock_file, folder_path("l.json"));
  EXPECT_TRUE(options.no_pivot && options.no_new_keyring && options.no_subreaper);
  EXPECT_EQ(options.preserve_fds, 3);
  EXPECT_FALSE(options.detach || options.keep);
}

TEST_F(CommandsTest, CreateDefaults) {
  ASSERT_EQ(run_cli({"crun", "create", "c1"}).code, 0);
  const CreateOptions& options = fake().create;
  EXPECT_EQ(options.bundle + "/", folder_path(""));
  EXPECT_EQ(options.console_socket + options.pidfd_socket + options.pid_file + options.config_file,
            "");
  EXPECT_EQ(options.preserve_fds, 0);
  EXPECT_FALSE(options.no_pivot || options.no_new_keyring || options.no_subreaper);
}

TEST_F(CommandsTest, CreateRefusals) {
  write_file("file", "");
  EXPECT_EQ(refusal({"create", "-b", "nothing", "c1"}),
            "chdir nothing: no such file or directory\n");
  EXPECT_EQ(refusal({"create", "-b", "file", "c1"}), "chdir file: not a directory\n");
  EXPECT_EQ(refusal({"create", "--", ".."}), "invalid container ID format\n");
  EXPECT_EQ(refusal({"create", "--preserve-fds=-1", "c1"}), "preserve-fds -1: out of range\n");
}

TEST_F(CommandsTest, RunTakesCreatesFlagsAndItsOwn) {
  ASSERT_EQ(run_cli({"runc", "run", "-d", "--keep", "--no-pivot", "-no-subreaper", "c1"}).code, 0);
  EXPECT_THAT(fake().calls, ElementsAre("run c1"));
  EXPECT_TRUE(fake().create.detach && fake().create.keep);
  EXPECT_TRUE(fake().create.no_pivot && fake().create.no_subreaper);
}

TEST_F(CommandsTest, ExecTakesEveryFlag) {
  Outcome outcome = run_cli({"runc",
                             "exec",
                             "--console-socket",
                             "s",
                             "--pidfd-socket=/p",
                             "--cwd",
                             "/w",
                             "-e",
                             "A=1",
                             "--env",
                             "B=2,3",
                             "-t",
                             "-u",
                             "5:6",
                             "-g",
                             "7",
                             "--additional-gids=8",
                             "-d",
                             "--pid-file",
                             "f",
                             "--process-label",
                             "l",
                             "--apparmor=a",
                             "--no-new-privs",
                             "-c",
                             "CAP_KILL",
                             "--cap",
                             "CAP_CHOWN",
                             "--preserve-fds=2",
                             "--cgroup",
                             "cpu,pids:/x",
                             "--cgroup=memory:y",
                             "--ignore-paused",
                             "c1",
                             "sh",
                             "-c",
                             "--tty"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const ExecOptions& options = fake().exec;
  EXPECT_EQ(options.id, "c1");
  EXPECT_THAT(options.args, ElementsAre("sh", "-c", "--tty"));
  EXPECT_THAT(options.env, ElementsAre("A=1", "B=2,3"));
  EXPECT_EQ(options.cwd, "/w");
  EXPECT_TRUE(options.tty && options.detach && options.ignore_paused);
  EXPECT_EQ(options.uid, 5u);
  EXPECT_EQ(options.gid, 6u);
  EXPECT_THAT(options.additional_gids, ElementsAre(7, 8));
  EXPECT_THAT(options.capabilities, ElementsAre("CAP_KILL", "CAP_CHOWN"));
  EXPECT_EQ(options.apparmor, "a");
  EXPECT_EQ(options.process_label, "l");
  EXPECT_EQ(options.no_new_privs, true);
  EXPECT_EQ(options.console_socket, folder_path("s"));
  EXPECT_EQ(options.pidfd_socket, "/p");
  EXPECT_EQ(options.pid_file, folder_path("f"));
  EXPECT_EQ(options.preserve_fds, 2);
  EXPECT_THAT(options.cgroups,
              ElementsAre(Pair("cpu", "/x"), Pair("memory", "y"), Pair("pids", "/x")));
}

TEST_F(CommandsTest, ExecLeavesOutWhatIsNotGiven) {
  ASSERT_EQ(run_cli({"runc", "exec", "c1", "true"}).code, 0);
  const ExecOptions& options = fake().exec;
  EXPECT_EQ(options.uid, std::nullopt);
  EXPECT_EQ(options.no_new_privs, std::nullopt);
  EXPECT_EQ(options.apparmor, std::nullopt);
  EXPECT_EQ(options.process_label, std::nullopt);
  EXPECT_EQ(options.process_file, "");
  ASSERT_EQ(run_cli({"runc", "exec", "-p", "p.json", "--detach", "c1"}).code, 0);
  EXPECT_EQ(fake().exec.process_file, folder_path("p.json"));
  EXPECT_THAT(fake().exec.args, IsEmpty());
}

TEST_F(CommandsTest, ExecRefusals) {
  EXPECT_EQ(run_cli({"runc", "exec", "c1"}).err,
            "time=\"T\" level=error msg=\"exec failed: process args cannot be empty\"\n");
  EXPECT_EQ(run_cli({"runc", "exec", "c1"}).code, 255);
  EXPECT_EQ(refusal({"exec", "-u", "daemon", "c1", "id"}),
            "parse uid \"daemon\": not a number (names are not looked up)\n");
  EXPECT_EQ(refusal({"exec", "-u", "1:x", "c1", "id"}),
            "parse gid \"x\": not a number (names are not looked up)\n");
  EXPECT_EQ(refusal({"exec", "-u", "", "c1", "id"}),
            "parse uid \"\": not a number (names are not looked up)\n");
  EXPECT_EQ(refusal({"exec", "-g", "wheel", "c1", "id"}),
            "parse additional gid \"wheel\": not a number (names are not looked up)\n");
  EXPECT_EQ(refusal({"exec", "--cwd", "x", "c1", "id"}), "cwd must be an absolute path\n");
  EXPECT_THAT(refusal({"exec", "--cgroup", "a", "--cgroup", "b", "c1", "id"}),
              HasSubstr("missing <controller>: prefix"));
}

TEST_F(CommandsTest, Kill) {
  run_cli({"runc", "kill", "c1"});
  run_cli({"runc", "kill", "c1", "KILL"});
  run_cli({"runc", "kill", "-a", "c1", "sigusr1"});
  run_cli({"runc", "kill", "--all", "c1", "9"});
  run_cli({"runc", "kill", "c1", "-5"});
  run_cli({"runc", "kill", "c1", ""});
  EXPECT_THAT(fake().calls,
              ElementsAre("kill c1 15 all=false", "kill c1 9 all=false", "kill c1 10 all=true",
                          "kill c1 9 all=true", "kill c1 -5 all=false", "kill c1 15 all=false"));
  EXPECT_EQ(refusal({"kill", "c1", "BOGUS"}), "unknown signal \"BOGUS\"\n");
}

TEST_F(CommandsTest, RegularExpressionsNameSeveralContainers) {
  fake().containers = {container("ab1"), container("ab2"), container("x")};
  EXPECT_EQ(run_cli({"crun", "delete", "-f", "-r", "^ab[0-9]$"}).code, 0);
  EXPECT_EQ(run_cli({"crun", "kill", "--regex", "b1|x", "HUP"}).code, 0);
  EXPECT_EQ(run_cli({"crun", "delete", "--regex", "nothing"}).code, 0);
  EXPECT_THAT(fake().calls, ElementsAre("remove ab1 force=true", "remove ab2 force=true",
                                        "kill ab1 1 all=false", "kill x 1 all=false"));
  EXPECT_THAT(refusal({"delete", "-r", "("}), HasSubstr("invalid regular expression \"(\": "));
  fake().failure = Error(Code::kFailedPrecondition, "it runs");
  Outcome outcome = run_cli({"crun", "delete", "-r", "ab"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "container \"ab1\": it runs\n");
}

TEST_F(CommandsTest, DeleteByForceForgivesAMissingContainer) {
  fake().failure = Error(Code::kNotFound, "container does not exist");
  EXPECT_EQ(run_cli({"runc", "delete", "c1"}).code, 1);
  EXPECT_EQ(run_cli({"runc", "delete", "--force", "c1"}).code, 0);
  EXPECT_EQ(run_cli({"runc", "delete", "-f", "../x"}).code, 1);
  EXPECT_THAT(fake().calls, ElementsAre("remove c1 force=false", "remove c1 force=true"));
  fake().failure = Error(Code::kPermissionDenied, "no");
  EXPECT_EQ(run_cli({"runc", "delete", "-f", "c1"}).code, 1);
}

TEST_F(CommandsTest, StartPauseResume) {
  run_cli({"runc", "start", "c1"});
  run_cli({"runc", "pause", "c1"});
  run_cli({"runc", "resume", "c1"});
  EXPECT_THAT(fake().calls, ElementsAre("start c1", "pause c1", "resume c1"));
}

TEST_F(CommandsTest, StateAndList) {
  EXPECT_EQ(run_cli({"runc", "state", "c1"}).err,
            "time=\"T\" level=error msg=\"container does not exist\"\n");
  fake().containers = {container("c1", ContainerStatus::kCreated, 7), container("c2")};
  EXPECT_THAT(run_cli({"runc", "state", "c1"}).out, HasSubstr("  \"status\": \"created\",\n"));
  EXPECT_THAT(run_cli({"crun", "state", "c1"}).out, HasSubstr("    \"owner\": \"root\"\n}\n"));
  EXPECT_EQ(run_cli({"runc", "list", "-q"}).out, "c1\nc2\n");
  EXPECT_THAT(run_cli({"runc", "list", "--format", "json"}).out, HasSubstr("\"owner\":\"root\"}]"));
  EXPECT_THAT(run_cli({"runc", "list"}).out, HasSubstr("ID          PID         STATUS "));
  EXPECT_THAT(run_cli({"crun", "list"}).out, HasSubstr("NAME PID       STATUS "));
  EXPECT_EQ(run_cli({"runc", "list", "--format=xml"}).err,
            "time=\"T\" level=error msg=\"invalid format option\"\n");
}

TEST_F(CommandsTest, Ps) {
  fake().pids = {getpid()};
  std::string pid = cat(getpid());
  EXPECT_EQ(run_cli({"runc", "ps", "-f", "json", "c1"}).out, cat("[", pid, "]\n"));
  EXPECT_EQ(run_cli({"crun", "ps", "c1"}).out, cat("PID\n", pid, "\n"));
  EXPECT_EQ(run_cli({"runc", "ps", "-f", "xml", "c1"}).code, 1);
  std::string table = run_cli({"runc", "ps", "c1"}).out;
  EXPECT_THAT(table, HasSubstr("PPID"));
  EXPECT_THAT(table, HasSubstr(pid));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2) << table;
  EXPECT_THAT(run_cli({"runc", "ps", "c1", "-o", "pid,ppid"}).out, HasSubstr(pid));
  EXPECT_THAT(run_cli({"runc", "ps", "c1", "-o", "ppid"}).err,
              HasSubstr("couldn't find PID field in ps output"));
}

TEST_F(CommandsTest, Events) {
  fake().event_lines = {"{\"type\":\"stats\",\"id\":\"c1\"}", "{\"type\":\"oom\"}\n"};
  EXPECT_EQ(run_cli({"runc", "events", "--interval", "1m30s", "c1"}).out,
            "{\"type\":\"stats\",\"id\":\"c1\"}\n{\"type\":\"oom\"}\n");
  run_cli({"runc", "events", "--stats", "c1"});
  run_cli({"runc", "events", "--interval=1us", "c1"});
  EXPECT_THAT(fake().calls, ElementsAre("events c1 90000 once=false", "events c1 5000 once=true",
                                        "events c1 1 once=false"));
  for (std::string_view bad : {"0", "-1s"}) {
    EXPECT_EQ(refusal({"events", "--interval", bad, "c1"}),
              "duration interval must be greater than 0\n");
  }
}

TEST_F(CommandsTest, Features) {
  EXPECT_EQ(run_cli({"runc", "features"}).out, "{\n  \"ociVersionMin\": \"1.0.0\"\n}\n");
}

TEST_F(CommandsTest, SpecWritesAFileOnce) {
  EXPECT_EQ(run_cli({"runc", "spec"}).code, 0);
  EXPECT_THAT(file_content("config.json"), HasSubstr("\"ociVersion\""));
  Outcome again = run_cli({"runc", "spec"});
  EXPECT_EQ(again.code, 1);
  EXPECT_EQ(again.err, "time=\"T\" level=error msg=\"File config.json exists. Remove it first\"\n");
  ASSERT_EQ(mkdir("b", 0755), 0);
  EXPECT_EQ(run_cli({"crun", "spec", "-b", "b", "--rootless", "-f", "x.json"}).code, 0);
  EXPECT_THAT(file_content("b/x.json"), HasSubstr("uidMappings"));
  EXPECT_EQ(run_cli({"crun", "spec", "-b", "missing"}).err,
            "chdir missing: no such file or directory\n");
}

TEST_F(CommandsTest, CheckpointTakesEveryFlag) {
  Outcome outcome = run_cli({"runc",
                             "checkpoint",
                             "--image-path",
                             "i",
                             "--work-path=w",
                             "--parent-path",
                             "../p",
                             "--leave-running",
                             "--tcp-established",
                             "--tcp-skip-in-flight",
                             "--tcp-close",
                             "--link-remap",
                             "--ext-unix-sk",
                             "--shell-job",
                             "--lazy-pages",
                             "--status-fd",
                             "5",
                             "--page-server",
                             "127.0.0.1:99",
                             "--file-locks",
                             "--pre-dump",
                             "--manage-cgroups-mode",
                             "full",
                             "--empty-ns",
                             "network",
                             "--auto-dedup",
                             "--network-lock=skip",
                             "c1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(fake().calls, ElementsAre("checkpoint c1"));
  const CheckpointOptions& options = fake().checkpoint;
  EXPECT_EQ(options.image_path, folder_path("i"));
  EXPECT_EQ(options.work_path, folder_path("w"));
  EXPECT_EQ(options.parent_path, "../p");
  EXPECT_EQ(options.status_fd_number, "5");
  EXPECT_EQ(options.page_server, "127.0.0.1:99");
  EXPECT_EQ(options.cgroups_mode, "full");
  EXPECT_EQ(options.network_lock, "skip");
  EXPECT_THAT(options.empty_ns, ElementsAre("network"));
  EXPECT_TRUE(options.leave_running && options.tcp_established && options.tcp_skip_in_flight &&
              options.tcp_close && options.link_remap && options.ext_unix_sk && options.shell_job &&
              options.lazy_pages && options.file_locks && options.pre_dump && options.auto_dedup);
  ASSERT_EQ(run_cli({"runc", "checkpoint", "c1"}).code, 0);
  EXPECT_EQ(fake().checkpoint.image_path, folder_path("checkpoint"));
}

TEST_F(CommandsTest, CheckpointRefusals) {
  EXPECT_EQ(refusal({"checkpoint", "--parent-path", "/p", "c1"}),
            "parent path \"/p\": must be relative\n");
  for (std::string_view bad : {"host", ":1", "host:", "host:99999"}) {
    EXPECT_THAT(refusal({"checkpoint", "--page-server", bad, "c1"}),
                HasSubstr("want ADDRESS:PORT"));
  }
  EXPECT_EQ(refusal({"checkpoint", "--manage-cgroups-mode", "x", "c1"}),
            "invalid manage-cgroups-mode \"x\"\n");
}

TEST_F(CommandsTest, RestoreTakesEveryFlag) {
  Outcome outcome = run_cli({"runc",
                             "restore",
                             "--console-socket",
                             "/s",
                             "--image-path",
                             "/i",
                             "--work-path",
                             "/w",
                             "--tcp-established",
                             "--tcp-close",
                             "--ext-unix-sk",
                             "--shell-job",
                             "--file-locks",
                             "--manage-cgroups-mode=strict",
                             "-b",
                             ".",
                             "-d",
                             "--pid-file",
                             "/p",
                             "-no-subreaper",
                             "--no-pivot",
                             "--empty-ns",
                             "network",
                             "--auto-dedup",
                             "--lazy-pages",
                             "--lsm-profile",
                             "apparmor:x",
                             "--lsm-mount-context",
                             "m",
                             "--network-lock",
                             "nftables",
                             "c1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(fake().calls, ElementsAre("restore c1"));
  const CheckpointOptions& options = fake().checkpoint;
  EXPECT_EQ(options.create.id, "c1");
  EXPECT_EQ(options.create.bundle + "/", folder_path(""));
  EXPECT_EQ(options.create.console_socket, "/s");
  EXPECT_EQ(options.create.pid_file, "/p");
  EXPECT_TRUE(options.create.detach && options.create.no_subreaper && options.create.no_pivot);
  EXPECT_EQ(options.image_path, "/i");
  EXPECT_EQ(options.work_path, "/w");
  EXPECT_EQ(options.lsm_profile, "apparmor:x");
  EXPECT_EQ(options.lsm_mount_context, "m");
  EXPECT_EQ(options.network_lock, "nftables");
  EXPECT_EQ(options.cgroups_mode, "strict");
  EXPECT_TRUE(options.tcp_established && options.tcp_close && options.ext_unix_sk &&
              options.shell_job && options.file_locks && options.auto_dedup && options.lazy_pages);
}

TEST_F(CommandsTest, Mounts) {
  write_file("m.json", R"([{"destination": "/a", "type": "tmpfs", "source": "t"}])");
  ASSERT_EQ(run_cli({"crun", "mounts", "add", "c1", "m.json"}).code, 0);
  ASSERT_EQ(fake().mounts.size(), 1u);
  EXPECT_EQ(fake().mounts[0].destination, "/a");
  ASSERT_EQ(run_cli({"crun", "mounts", "remove", "c1", "-"}, R"([{"destination": "/b"}])").code, 0);
  EXPECT_EQ(fake().mounts[0].destination, "/b");
  EXPECT_THAT(fake().calls, ElementsAre("add_mounts c1", "remove_mounts c1"));
  EXPECT_EQ(refusal({"mounts", "move", "c1", "m.json"}),
            "unknown action \"move\": want add or remove\n");
  EXPECT_THAT(refusal({"mounts", "add", "c1", "none"}), HasSubstr("no such file or directory"));
}

}  // namespace
}  // namespace dhow::runtime::cli
