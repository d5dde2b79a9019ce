// SPDX-License-Identifier: Apache-2.0
//
// dhow-storage-check: what of storage takes a kernel with more than hosts of tests have, in the
// guest "cgroup2" of tests/vm: project quotas of ext4 and xfs, and servers of NFS and SMB on
// loopback. It starts engines of its own from /dhow/bin.

#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

#include "vm/engine.h"

namespace {

using dhow::vm::Outcome;
using dhow::vm::say;
using dhow::vm::sh;

const std::string kPlace = "/var/tmp/dhow-storage";

class Engine : public dhow::vm::EngineTest {
 protected:
  Engine() : EngineTest(kPlace) {}

  void SetUp() override {
    say("ip link set lo up");
    EngineTest::SetUp();
  }
  void TearDown() override {
    EngineTest::TearDown();
    sh("umount -l " + kPlace + "/data; rm -rf " + kPlace);
  }
  // A command line that runs a container, with flags.
  static std::string container(const std::string& flags, const std::string& script) {
    return dhow("run --rm --network none " + flags + " busybox sh -c '" + script + "'");
  }
};

// On a disk with project quotas: its file system is the parameter.
class Quota : public Engine, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Engine::SetUp();
    const bool is_xfs = GetParam() == std::string("xfs");
    const std::string image = kPlace + "/disk";
    say("truncate -s 400M " + image);
    say(is_xfs ? "mkfs.xfs -q " + image
               : "mkfs.ext4 -q -O project,quota -E quotatype=prjquota " + image);
    say("modprobe loop; mount -o loop,prjquota " + image + " " + kPlace + "/data");
  }
};

// How many MiB of 16 fit into a place: one a file, until there is no more room.
std::string fill(const std::string& place) {
  return "n=0; while [ $n -lt 16 ] && dd if=/dev/zero of=" + place +
         "/f$n bs=1M count=1 2>/dev/null; do n=$((n+1)); done; echo $n";
}

TEST_P(Quota, ContainersAreFullAtTheirSize) {
  start();
  EXPECT_EQ(say(container("", fill("/root"))), "16");
  EXPECT_EQ(say(container("--storage-opt size=4608k", fill("/root"))), "4");
  EXPECT_EQ(say(container("--storage-opt size=0", fill("/root"))), "16");
  // It stays, over ends of the container and of the engine, and is of one container alone.
  say(dhow("create --name one --network none --storage-opt size=4608k busybox sh -c '" +
           fill("/root") + "'"));
  EXPECT_EQ(say(dhow("start -a one")), "4");
  stop();
  start();
  EXPECT_EQ(say(container("--storage-opt size=8704k", fill("/root"))), "8");
  EXPECT_EQ(say(dhow("start -a one")), "4");
  EXPECT_EQ(say(dhow("inspect -f '{{.HostConfig.StorageOpt.size}}' one")), "4608k");
  EXPECT_NE(sh(container("--storage-opt size=much", "true")).text.find("invalid size: 'much'"),
            std::string::npos);
  EXPECT_NE(sh(container("--storage-opt room=1m", "true")).text.find("unknown option room"),
            std::string::npos);
}

TEST_P(Quota, TheConfigurationHasADefault) {
  start("storage-opts = [\"overlay2.size=4608k\"]");
  EXPECT_EQ(say(container("", fill("/root"))), "4");
  EXPECT_EQ(say(container("--storage-opt size=8704k", fill("/root"))), "8");
}

TEST_P(Quota, VolumesAreFullAtTheirSize) {
  start();
  say(dhow("volume create -o size=4608k small"));
  EXPECT_EQ(say(container("-v small:/v", fill("/v"))), "4");
  EXPECT_EQ(say(container("-v small:/v", "rm /v/*; " + fill("/v"))), "4");
  EXPECT_EQ(say(container("-v other:/v", fill("/v"))), "16");
  // What comes as a whole has the same limit, and stays outside when it is larger.
  Outcome large = sh(dhow("volume cp other small"));
  EXPECT_NE(large.code, 0);
  EXPECT_EQ(say(container("-v small:/v", "ls /v | wc -l")), "5");
  say(container("-v other:/v", "rm /v/*; dd if=/dev/zero of=/v/f bs=1M count=1 2>/dev/null"));
  say(dhow("volume cp other small"));
  EXPECT_EQ(say(container("-v small:/v", "ls /v")), "f");
  say(dhow("volume export small") + " | " + dhow("volume import back"));
  EXPECT_EQ(say(container("-v back:/v", "ls /v")), "f");
  EXPECT_EQ(say(container("-v small:/v", fill("/v"))), "3");
  // Nor does the engine itself exceed it.
  say(dhow("create --name one -v small:/v busybox"));
  EXPECT_NE(
      sh("head -c 6M /dev/zero > " + kPlace + "/large; " + dhow("cp " + kPlace + "/large one:/v/"))
          .code,
      0);
  say(dhow("rm one"));
  stop();
  start();
  EXPECT_EQ(say(container("-v small:/v", "rm /v/*; " + fill("/v"))), "4");
}

INSTANTIATE_TEST_SUITE_P(On, Quota, testing::Values("ext4", "xfs"),
                         [](const auto& of) { return std::string(of.param); });

TEST_F(Engine, RefusesLimitsWithoutQuotas) {
  start();
  EXPECT_NE(
      sh(container("--storage-opt size=4608k", "true"))
          .text.find(
              "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"),
      std::string::npos);
  EXPECT_NE(sh(dhow("volume create -o size=4608k small"))
                .text.find("create small: quota size requested but no quota support"),
            std::string::npos);
  EXPECT_EQ(say(dhow("volume ls -q")), "");
  stop();
  say("echo 'storage-opts = [\"overlay2.size=4608k\"]' >" + kPlace + "/dhowd.toml");
  Outcome refused = sh("/dhow/bin/dhowd --config " + kPlace + "/dhowd.toml --root " + kPlace +
                       "/data/root --state " + kPlace + "/state");
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.text.find("overlay2.size: limit the size of a snapshot"), std::string::npos)
      << refused.text;
}

// Containers have no network of their own: the engine's is the way to the server.
TEST_F(Engine, VolumesAreMountedByNfs) {
  const std::string share = kPlace + "/share";
  say("mkdir -p " + share + "/d /run/rpcbind && echo served >" + share + "/d/file");
  say("echo '" + share + " 127.0.0.0/8(rw,no_root_squash,no_subtree_check,fsid=1)' >/etc/exports");
  say("modprobe nfsd; mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd");
  say("echo 2 >/proc/fs/nfsd/nfsv4gracetime; echo 2 >/proc/fs/nfsd/nfsv4leasetime; exportfs -ra; "
      "rpc.mountd --no-nfs-version 3; rpc.nfsd --no-nfs-version 3 --no-udp 2");
  start();
  say(dhow("volume create -o type=nfs -o device=:" + share +
           " -o o=addr=localhost,vers=4.2,soft net"));
  EXPECT_EQ(say(container("-v net:/n", "cat /n/d/file; echo written >/n/new")), "served");
  EXPECT_EQ(say("cat " + share + "/new"), "written");
  EXPECT_EQ(
      say(container("--mount type=volume,source=net,target=/n,volume-subpath=d", "cat /n/file")),
      "served");
  EXPECT_NE(sh(container("-v net:/n:ro", "touch /n/no")).code, 0);
  EXPECT_EQ(say(dhow("volume export net") + " | tar -xO ./d/file"), "served");
  // One mount for all that have it, taken over by the next engine, and gone with the last of them.
  for (const char* name : {"one", "two"}) {
    say(dhow(std::string("run -d --network none -v net:/n --name ") + name +
             " busybox sleep 1000"));
  }
  EXPECT_EQ(say("grep -c ' " + kPlace + "/state/volumes/net nfs4 ' /proc/mounts"), "1");
  stop();
  start();
  say(dhow("rm -f one"));
  EXPECT_EQ(say(dhow("exec two cat /n/d/file")), "served");
  say(dhow("rm -f two"));
  EXPECT_EQ(sh("grep -c ' nfs4 ' /proc/mounts").text, "0");
  // What the server has not.
  say(dhow("volume create -o type=nfs -o device=:/none -o o=addr=127.0.0.1,vers=4.2,soft none"));
  Outcome none = sh(container("-v none:/n", "true"));
  EXPECT_NE(none.code, 0);
  EXPECT_NE(none.text.find("failed to mount local volume: mount :/none:"), std::string::npos)
      << none.text;
  EXPECT_EQ(sh("ls " + kPlace + "/state/volumes").text, "");
  stop();
  sh("rpc.nfsd 0; exportfs -ua; pkill -x rpc.mountd; umount /proc/fs/nfsd");
}

// As far as the server goes: that of Linux 6.1 has no shares by the tools of Debian 12, but knows
// who may log in.
TEST_F(Engine, VolumesAreMountedBySmb) {
  const std::string share = kPlace + "/share";
  say("mkdir -p /etc/ksmbd " + share + " && echo served >" + share + "/file");
  say("printf '[files]\n  path = " + share + "\n' >/etc/ksmbd/ksmbd.conf");
  say("modprobe ksmbd; ksmbd.adduser -a someone -p secret; ksmbd.mountd");
  // It listens as soon as its kernel part has the configuration.
  for (int i = 0; i < 300 && sh("grep -q ':01BD ' /proc/net/tcp /proc/net/tcp6").code != 0; ++i)
    usleep(100'000);
  start();
  const std::string create =
      "volume create -o type=cifs -o device=//localhost/files -o o=vers=3.0,";
  say(dhow(create + "username=someone,password=secret net"));
  Outcome right = sh(container("-v net:/n", "cat /n/file"));
  const std::string share_is_missing = "mount //127.0.0.1/files:" + kPlace +
                                       "/state/volumes/net, data: vers=3.0,username=someone,"
                                       "password=********: create file system: no such file";
  EXPECT_TRUE(right.text == "served" || right.text.find(share_is_missing) != std::string::npos)
      << right.text;
  say(dhow(create + "username=someone,password=wrong wrong"));
  Outcome wrong = sh(container("-v wrong:/n", "true"));
  EXPECT_NE(wrong.code, 0);
  EXPECT_NE(wrong.text.find("password=********: create file system: permission denied"),
            std::string::npos)
      << wrong.text;
  EXPECT_EQ(sh("ls " + kPlace + "/state/volumes").text, "");
  stop();
  sh("ksmbd.control -s");
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
