// SPDX-License-Identifier: Apache-2.0
// Annotations that callers of crun use.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"
#include "e2e/support/peer.h"
#include "oci/base64.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

class Annotations : public testing::Test {
 protected:
  void annotate(const char* name, const std::string& value) {
    bundle_.config()["annotations"] = json::object{{name, value}};
  }
  json::object rule(const char* name, const char* action) {
    return {{"names", json::array{name}}, {"action", action}};
  }
  Bundle bundle_{{"/bin/testbox", "wait"}};
};

// What podman's keep-groups asks for: an ordinary user's own groups can't be given, only kept.
TEST_F(Annotations, GroupsOfTheCallerAreKept) {
  bundle_.set_args({"/bin/id", "-G"});
  bundle_.process()["user"] = json::object{{"uid", 0}, {"gid", 0}, {"additionalGids", {7}}};
  Container without(bundle_);
  EXPECT_EQ(without.run().out, "0 7\n");
  annotate("run.oci.keep_original_groups", "1");
  Container with(bundle_);
  EXPECT_EQ(with.run().out, run_command({"id", "-G"}).out);
}

TEST_F(Annotations, PidfdGoesToItsReceiver) {
  Peer peer;
  annotate("run.oci.pidfd_receiver", peer.path());
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  Received received = peer.receive();
  ASSERT_EQ(received.fds.size(), 1U);
  std::string target = read_text("/proc/self/fdinfo/" + std::to_string(received.fds[0].get()));
  EXPECT_THAT(target, HasSubstr("Pid:\t" + std::to_string(container.pid()) + "\n"));
}

TEST_F(Annotations, SeccompListenerGoesToItsReceiver) {
  Peer peer;
  annotate("run.oci.seccomp.receiver", peer.path());
  bundle_.linux()["seccomp"] =
      json::object{{"defaultAction", "SCMP_ACT_ALLOW"},
                   {"syscalls", json::array{rule("getppid", "SCMP_ACT_NOTIFY")}}};
  Container container(bundle_);
  ASSERT_EQ(container.create().code, 0);
  Received received = peer.receive();
  EXPECT_EQ(received.fds.size(), 1U);
  EXPECT_THAT(received.payload, HasSubstr(container.id()));
}

// A program that refuses one system call, in base64.
std::string refusing(unsigned call, unsigned error) {
  const sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  return oci::base64_encode({reinterpret_cast<const char*>(code), sizeof code});
}

TEST_F(Annotations, ReadySeccompProgramsTakeThePlaceOfTheProfile) {
  annotate("run.oci.seccomp_bpf_data", refusing(SYS_getgroups, ENOTNAM));
  bundle_.linux()["seccomp"] =
      json::object{{"defaultAction", "SCMP_ACT_ALLOW"},
                   {"syscalls", json::array{rule("setpgid", "SCMP_ACT_KILL")}}};
  bundle_.set_args({"/bin/sh", "-c", "id -G 2>&1; grep Seccomp: /proc/self/status"});
  Container container(bundle_);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("can't get groups"));
  EXPECT_THAT(outcome.out, HasSubstr("Seccomp:\t2"));
}

TEST_F(Annotations, WrongSeccompProgramsAreNamed) {
  for (auto [text, why] : {std::pair("!", "no base64"), std::pair("", "0 bytes"),
                           std::pair("AAAA", "3 bytes are no whole BPF instructions")}) {
    annotate("run.oci.seccomp_bpf_data", text);
    Container container(bundle_);
    Outcome outcome = container.run();
    EXPECT_EQ(outcome.code, 1) << text;
    EXPECT_THAT(outcome.err, HasSubstr("annotation run.oci.seccomp_bpf_data: " + std::string(why)));
  }
  annotate("run.oci.seccomp_bpf_data", "AAAAAAAAAAA=");  // the kernel wants a return at the end
  Container container(bundle_);
  EXPECT_THAT(container.run().err, HasSubstr("load seccomp filter: invalid argument"));
}

TEST_F(Annotations, UnknownSystemCallsCanBeFaults) {
  bundle_.linux()["seccomp"] =
      json::object{{"defaultAction", "SCMP_ACT_ALLOW"},
                   {"syscalls", json::array{rule("fly_away", "SCMP_ACT_ERRNO")}}};
  bundle_.set_args({"/bin/true"});
  Container lenient(bundle_);
  EXPECT_EQ(lenient.run().code, 0);
  annotate("run.oci.seccomp_fail_unknown_syscall", "1");
  Container strict(bundle_);
  Outcome outcome = strict.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("invalid seccomp syscall \\\"fly_away\\\""));
}

TEST_F(Annotations, HandlersThatAreNotThereAreFaults) {
  annotate("run.oci.handler", "krun");
  Container container(bundle_);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("annotation run.oci.handler: no handler \\\"krun\\\""));
  EXPECT_FALSE(exists(container.state_dir()));
}

TEST_F(Annotations, UnknownOnesAreKeptAndIgnored) {
  annotate("org.example.key", "some value");
  Container container(bundle_);
  container.start_detached();
  EXPECT_EQ(container.state().at("annotations").at("org.example.key"), "some value");
}

}  // namespace
}  // namespace dhow::e2e
