// SPDX-License-Identifier: Apache-2.0
// Names, annotations and sizes in configurations and on command lines, and files that the runtime
// makes or reads in hostile images.
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/attack.h"

namespace dhow::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

TEST(AttackConfig, IdsAreNoPaths) {
  Bundle bundle;
  bundle.write();
  Container container(bundle);
  for (const char* id : {"../escaped", "a/b", "..", ".", "/escaped", "a\nb", "", "a b"}) {
    for (const char* command : {"create", "run"}) {
      Outcome outcome = runtime({command, "--bundle", bundle.path(), id});
      EXPECT_EQ(outcome.code, 1) << command << id;
      EXPECT_THAT(outcome.err, HasSubstr("invalid container ID format")) << command << id;
    }
    for (const char* command : {"start", "state", "delete", "pause", "resume", "ps"}) {
      EXPECT_NE(runtime({command, id}).code, 0) << command << id;
    }
    EXPECT_NE(runtime({"exec", id, "/bin/true"}).code, 0) << id;
  }
  EXPECT_FALSE(exists(fs::path(Container::root()).parent_path().string() + "/escaped"));
}

// CVE-2021-43784: lengths that don't fit into 16 bits.
TEST(AttackConfig, CVE_2021_43784_LongValues) {
  Bundle bundle;
  bundle.set_script("echo ${#LONG}");
  bundle.process()["env"].as_array().emplace_back("LONG=" + std::string(70000, 'x'));
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.out, "70000\n") << outcome.err;
  // No more than the kernel takes in one string (MAX_ARG_STRLEN).
  bundle.process()["env"].as_array().emplace_back("LONGER=" + std::string(140000, 'x'));
  Container longer(bundle);
  outcome = longer.run();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("argument list too long"));
  EXPECT_FALSE(exists(longer.state_dir()));
  for (const char* type : {"bind", "tmpfs"}) {
    Bundle mounting;
    mounting.add_mount("/mnt", type, "/" + std::string(70000, 'x'), "ro");
    mounting.config()["mounts"].as_array().back().at("options") =
        json::array{std::string(type) == "bind" ? "bind" : "ro"};
    Container made(mounting);
    outcome = made.run();
    EXPECT_EQ(outcome.code, 1) << type;
    EXPECT_FALSE(exists(made.state_dir())) << type;
  }
}

// An annotation must not become options of a mount.
TEST(AttackConfig, AnnotationsAreNotInjectedIntoMountOptions) {
  for (const char* value : {"size=4k,context", "rw,suid,context", "context,", "", "none"}) {
    Bundle bundle;
    bundle.linux()["mountLabel"] = "system_u:object_r:container_file_t:s0";
    bundle.config()["annotations"] = json::object{{"run.oci.mount_context_type", value}};
    Container container(bundle);
    Outcome outcome = container.run();
    EXPECT_EQ(outcome.code, 1) << value;
    EXPECT_THAT(outcome.err, HasSubstr("run.oci.mount_context_type")) << value;
  }
  Bundle bundle;
  bundle.config()["annotations"] = json::object{{"run.oci.mount_context_type", "rootcontext"}};
  Container container(bundle);
  EXPECT_EQ(container.run().code, 0);
}

TEST(AttackConfig, CgroupsStayBelowTheirBase) {
  std::string name = "e2e-climbed-" + std::to_string(::getpid());
  Bundle bundle;
  for (const std::string& path : {"../../../../" + name, "/../../../../" + name}) {
    bundle.linux()["cgroupsPath"] = path;
    bundle.config()["annotations"] =
        json::object{{"run.oci.systemd.subgroup", "../../../../" + name}};
    Container container(bundle);
    Outcome outcome = container.create();
    EXPECT_EQ(outcome.code, 0) << path << outcome.err;
    EXPECT_FALSE(cgroup_folders_with(name).empty()) << path;
    for (const char* outside : {"/sys/fs/", "/sys/", "/", "/sys/fs/cgroup/"}) {
      // On v2 /sys/fs/cgroup is the base itself.
      if (unified_cgroups() && std::string(outside) == "/sys/fs/cgroup/") continue;
      EXPECT_FALSE(exists(outside + name)) << outside;
    }
    container.remove();
  }
  EXPECT_TRUE(cgroup_folders_with(name).empty());
}

TEST(AttackConfig, SubCgroupsOfExecStayInTheContainers) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  for (const char* path : {"..", "../..", "/..", "a/../..", "../", "./../x", "/../../../etc"}) {
    Outcome outcome = container.exec({"/bin/true"}, {"--cgroup", path});
    EXPECT_NE(outcome.code, 0) << path;
    EXPECT_THAT(outcome.err, HasSubstr("bad sub cgroup path")) << path;
  }
}

// CVE-2025-24965: what the runtime makes in the image must not go through the image's links. It
// writes no configuration for other programs into it, but it makes folders and copies files.
TEST(AttackConfig, CVE_2025_24965_LinksOfTheImageLeadNowhere) {
  TempDir outside;
  fs::create_directory(outside.path() + "/inside");
  write_text(outside.path() + "/inside/secret", "secret of the host");
  write_text(outside.path() + "/victim", "safe");
  Unchanged victim(outside.path() + "/victim");
  Unchanged secret(outside.path() + "/inside/secret");
  for (bool among_host_mounts : {false, true}) {
    Bundle bundle;
    std::string rootfs = bundle.rootfs();
    build_among_host_mounts(bundle, among_host_mounts);
    fs::create_symlink("../../../../../.." + outside.path(), rootfs + "/link");
    for (const char* name : {"/.krun_config.json", "/.krun_vm.json", "/.dockerenv"}) {
      fs::create_symlink(outside.path() + "/victim", rootfs + name);
    }
    fs::remove(rootfs + "/run");
    fs::create_symlink(outside.path(), rootfs + "/run");
    bundle.process()["cwd"] = "/link/cwd";
    bundle.config()["annotations"] = json::object{{"run.oci.handler", "krun"}};
    bundle.add_mount("/link/inside", "tmpfs", "tmpfs", "tmpcopyup");
    bundle.add_mount("/link/file", "bind", testbox_path(), "bind,ro");
    bundle.set_script("cat /link/inside/secret");
    Container container(bundle);
    CommandOptions notifying;
    notifying.environment["NOTIFY_SOCKET"] = "/nonexistent";
    Outcome outcome = container.run({}, notifying);
    EXPECT_THAT(outcome.out, Not(HasSubstr("secret"))) << outcome.err;
    EXPECT_EQ(std::distance(fs::directory_iterator(outside.path()), fs::directory_iterator()), 2);
  }
}

// The image's /etc/passwd gives HOME, and is neither followed out of the root nor waited for.
TEST(AttackConfig, PasswdOfTheImageIsOfTheImage) {
  TempDir outside;
  write_text(outside.path() + "/passwd", "root:x:0:0::/of-the-host:/bin/sh\n");
  for (bool fifo : {false, true}) {
    Bundle bundle;
    fs::remove(bundle.rootfs() + "/etc/passwd");
    if (fifo) {
      ASSERT_EQ(::mkfifo((bundle.rootfs() + "/etc/passwd").c_str(), 0644), 0);
    } else {
      fs::create_symlink("../../../../../.." + outside.path() + "/passwd",
                         bundle.rootfs() + "/etc/passwd");
    }
    bundle.set_script("echo $HOME");
    Container container(bundle);
    Outcome outcome = container.run();
    EXPECT_EQ(outcome.out, "/\n") << outcome.err;
  }
}

}  // namespace
}  // namespace dhow::e2e
