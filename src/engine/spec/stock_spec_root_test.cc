// SPDX-License-Identifier: Apache-2.0
// What stock dockerd tells a runtime, and what we tell it, for the same request.
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "base/strings.h"
#include "engine/container_config_json.h"
#include "engine/names.h"
#include "engine/spec/capabilities.h"
#include "engine/spec/spec.h"
#include "engine/testing/stock_daemon.h"
#include "oci/config_codec.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::engine {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

// What a call of that name comes to, with this first argument: the action, and its errno.
using Outcome = std::pair<oci::SeccompAction, std::uint32_t>;

class Filter {
 public:
  explicit Filter(const oci::Seccomp& filter) : filter_(filter) {
    for (const oci::SeccompSyscall& call : filter.syscalls) {
      for (const std::string& name : call.names) rules_[name].push_back(&call);
    }
  }
  Names names() const {
    Names result;
    for (const auto& [name, rules] : rules_) result.insert(name);
    return result;
  }
  Outcome outcome(const std::string& name, std::uint64_t first) const {
    Outcome result = {filter_.default_action, filter_.default_errno_ret.value_or(EPERM)};
    auto found = rules_.find(name);
    if (found == rules_.end()) return result;
    for (const oci::SeccompSyscall* rule : found->second) {
      bool holds = true;
      for (const oci::SeccompArg& argument : rule->args) {
        EXPECT_EQ(argument.index, 0U) << name;
        holds = holds && compare(argument, first);
      }
      if (!holds) continue;
      result = {rule->action, rule->errno_ret.value_or(EPERM)};
      // The number of an allowed call's errno means nothing, and goes before other actions.
      if (rule->action == oci::SeccompAction::kAllow) return {rule->action, 0};
    }
    return result;
  }

 private:
  static bool compare(const oci::SeccompArg& wanted, std::uint64_t value) {
    using enum oci::SeccompOperator;
    switch (wanted.op) {
      case kNe:
        return value != wanted.value;
      case kLt:
        return value < wanted.value;
      case kLe:
        return value <= wanted.value;
      case kEq:
        return value == wanted.value;
      case kGe:
        return value >= wanted.value;
      case kGt:
        return value > wanted.value;
      case kMaskedEq:
        return (value & wanted.value) == wanted.value_two;
    }
    return false;
  }

  const oci::Seccomp& filter_;
  std::map<std::string, std::vector<const oci::SeccompSyscall*>> rules_;
};

// Families of sockets, personalities, and flags of clone: each of the kernel's namespaces.
std::vector<std::uint64_t> first_arguments() {
  std::vector<std::uint64_t> values;
  for (std::uint64_t i = 0; i < 64; ++i) values.push_back(i);
  for (int bit = 6; bit < 33; ++bit) values.push_back(std::uint64_t{1} << bit);
  values.insert(values.end(), {0x20008, 0x20001, 0xFFFFFFFF, 0x3D0F00, 0x7E020000});
  return values;
}

// The calls that one lets through (or fails with another errno) and the other does not.
Names differences(const oci::Seccomp& ours, const oci::Seccomp& stock) {
  Filter left(ours);
  Filter right(stock);
  Names names = left.names();
  names.merge(right.names());
  Names result;
  for (const std::string& name : names) {
    std::string where;
    bool all = true;
    for (std::uint64_t value : first_arguments()) {
      // No kernel has more families of sockets.
      if (name == "socket" && value >= AF_MAX) continue;
      if (left.outcome(name, value) == right.outcome(name, value)) {
        all = false;
      } else {
        where += cat(where.empty() ? "(" : ",", value);
      }
    }
    if (!where.empty()) result.insert(all ? name : cat(name, where, ")"));
  }
  return result;
}

// What a stock daemon's runtime would be given: its runtime is a script that keeps the bundle's
// config.json and does nothing else.
class StockSpecTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::access("/usr/sbin/dockerd", X_OK) != 0) return;
    std::string pattern = "/tmp/dhow-stock.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::string script = path("runtime");
    std::ofstream(script) << "#!/bin/sh\nwhile [ $# -gt 0 ]; do\n"
                             "  if [ \"$1\" = --bundle ]; then cp \"$2/config.json\" '"
                          << folder_ << "'/\"${2##*/}.json\"; fi\n  shift\ndone\nexit 1\n";
    ASSERT_EQ(::chmod(script.c_str(), 0700), 0);
    std::ofstream(path("none.json")) << "{}";
    auto started = StockDaemon::start({"/usr/sbin/dockerd",
                                       "--host",
                                       cat("unix://", path("socket")),
                                       "--data-root",
                                       path("data"),
                                       "--exec-root",
                                       path("exec"),
                                       "--pidfile",
                                       path("pid"),
                                       "--config-file",
                                       path("none.json"),
                                       "--storage-driver",
                                       "vfs",
                                       "--iptables=false",
                                       "--ip6tables=false",
                                       "--bridge=none",
                                       "--add-runtime",
                                       cat("keep=", script),
                                       "--default-runtime",
                                       "keep"},
                                      folder_);
    ASSERT_TRUE(started.has_value()) << started.error().message();
    daemon_ = std::move(*started);
    // An image of nothing: the end of a tar archive.
    std::string answer =
        post("/images/create?fromSrc=-&repo=empty", std::string(1024, '\0'), "application/x-tar");
    ASSERT_THAT(answer, ::testing::HasSubstr("sha256:"));
  }
  static void TearDownTestSuite() {
    daemon_.reset();
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  void SetUp() override {
    if (!daemon_) GTEST_SKIP() << "there is no dockerd";
  }

  static std::string path(std::string_view name) { return cat(folder_, "/", name); }

  static std::string post(std::string_view target, std::string_view body,
                          std::string_view type = "application/json") {
    auto socket = connect_unix(kCwd, path("socket"), SOCK_STREAM);
    if (!socket) return socket.error().message();
    auto sent = write_all(*socket,
                          cat("POST /v1.41", target, " HTTP/1.0\r\nHost: x\r\nContent-Type: ", type,
                              "\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    if (!sent) return sent.error().message();
    auto answer = read_all(*socket);
    return answer ? *answer : answer.error().message();
  }

  // `config` and `host` are members of the request and of its HostConfig.
  static oci::Config stock(std::string_view config, std::string_view host) {
    std::string answer = post("/containers/create", request(config, host));
    std::size_t at = answer.find(R"("Id":")");
    if (at == std::string::npos) {
      ADD_FAILURE() << answer;
      return {};
    }
    std::string id = answer.substr(at + 6, 64);
    std::string refused = post(cat("/containers/", id, "/start"), "");
    auto text = read_file(path(id + ".json"));
    EXPECT_TRUE(text.has_value()) << refused;
    auto parsed = oci::parse_config(text ? *text : "{}");
    EXPECT_TRUE(parsed.has_value()) << parsed.error().message();
    return parsed ? *parsed : oci::Config();
  }

  static oci::Config ours(std::string_view config, std::string_view host) {
    auto made = make(config, host);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? *made : oci::Config();
  }

  static void expect_same_capabilities(const oci::Config& ours, const oci::Config& stock) {
    ASSERT_TRUE(ours.process && stock.process);
    oci::Capabilities left = ours.process->capabilities.value_or(oci::Capabilities());
    oci::Capabilities right = stock.process->capabilities.value_or(oci::Capabilities());
    // Linux 5.8 and 5.9 brought three that this docker doesn't know, and, as later ones, we give
    // none that the engine itself has not.
    auto set = [](const std::vector<std::string>& names) {
      Names result;
      for (const std::string& name : all_capabilities()) {
        bool newer = name == "CAP_PERFMON" || name == "CAP_BPF" || name == "CAP_CHECKPOINT_RESTORE";
        if (!newer && std::ranges::find(names, name) != names.end()) result.insert(name);
      }
      return result;
    };
    EXPECT_EQ(set(left.bounding), set(right.bounding));
    EXPECT_EQ(set(left.effective), set(right.effective));
    EXPECT_EQ(set(left.permitted), set(right.permitted));
    EXPECT_EQ(set(left.inheritable), set(right.inheritable));
    EXPECT_EQ(set(left.ambient), set(right.ambient));
  }

 private:
  static std::string request(std::string_view config, std::string_view host) {
    return cat(R"({"Image":"empty","Cmd":["true"],)", config, config.empty() ? "" : ",",
               R"("HostConfig":{"NetworkMode":"none")", host.empty() ? "" : ",", host, "}}");
  }
  static Result<oci::Config> make(std::string_view config, std::string_view host) {
    EngineOptions options;
    SeccompFilters seccomp(default_seccomp_profile());
    ContainerRecord record;
    record.id = std::string(64, 'a');
    record.facts.path = "true";
    TRY_ASSIGN(record.config, parse_create_config(request(config, host)));
    std::vector<std::string> warnings;
    TRY(check_config(record.config, options, warnings));
    TRY_ASSIGN(ContainerUser user,
               resolve_user(record.config.config.user, "", "", record.config.host.group_add));
    SpecInput input{.container = record,
                    .engine = options,
                    .seccomp = seccomp,
                    .user = user,
                    .folder = "/folder",
                    .mounts = {},
                    .volumes = {},
                    .joined = {},
                    .shm = {},
                    .init = {},
                    .link_variables = {}};
    return make_spec(input);
  }

  static inline std::string folder_;
  static inline std::unique_ptr<StockDaemon> daemon_;
};

struct Request {
  std::string_view config, host;
};

TEST_F(StockSpecTest, CapabilitiesAreDockers) {
  for (const Request& request : {
           Request{"", ""},
           {R"("User":"1000")", ""},
           {"", R"("Privileged":true)"},
           {R"("User":"1000")", R"("Privileged":true)"},
           {"", R"("CapAdd":["ALL"])"},
           {"", R"("CapAdd":["all"],"CapDrop":["SYS_ADMIN","cap_chown"])"},
           {"", R"("CapAdd":["SYS_ADMIN"])"},
           {"", R"("CapAdd":["NET_ADMIN"],"CapDrop":["ALL"])"},
           {"", R"("CapAdd":["CAP_SYS_PTRACE"],"CapDrop":["MKNOD","NET_RAW"])"},
       }) {
    SCOPED_TRACE(cat(request.config, " ", request.host));
    expect_same_capabilities(ours(request.config, request.host),
                             stock(request.config, request.host));
  }
}

// What docker's profile has been changed in between 20.10 and 28, and 28's successor.
constexpr std::string_view kChanged[] = {
    // Newer than 20.10: calls of Linux 5.17 to 6.13, of no more power than those they extend.
    "cachestat", "fchmodat2", "futex_requeue", "futex_wait", "futex_wake", "getxattrat",
    "listmount", "listxattrat", "map_shadow_stack", "mseal", "removexattrat", "riscv_hwprobe",
    "setxattrat", "statmount", "uretprobe",
    // Allowed since: memory protection keys, and what only tells a file's handle.
    "pkey_alloc", "pkey_free", "pkey_mprotect", "name_to_handle_at",
    // As ptrace, allowed since Linux 4.8, where the kernel checks what it may be used on.
    "process_vm_readv", "process_vm_writev",
    // Forbidden since: too many ways out of containers were found in io_uring.
    "io_uring_enter", "io_uring_register", "io_uring_setup",
    // Forbidden since: 40, vsock, which reaches the host of a virtual machine; 38, the kernel's
    // crypto; and families that nobody has any more.
    "socket(12,19,20,23,25,34,37,38,40)"};

struct FilterRequest {
  std::string_view host;
  Names more;  // differs for this request alone
  Names same;  // of kChanged: the same for this request
};

TEST_F(StockSpecTest, SystemCallsAreDockers) {
  const Names lsm = {"lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr"};
  Names all = lsm;
  all.insert({"clock_settime64", "set_mempolicy_home_node"});
  for (const FilterRequest& request : {
           FilterRequest{"", {}, {}},
           {R"("CapAdd":["ALL"])",
            all,
            {"name_to_handle_at", "process_vm_readv", "process_vm_writev"}},
           {R"("CapAdd":["SYS_ADMIN"])", lsm, {"name_to_handle_at"}},
           {R"("CapAdd":["NET_ADMIN","SYS_TIME"],"CapDrop":["ALL"])", {"clock_settime64"}, {}},
           {R"("CapAdd":["SYS_PTRACE"])", {}, {"process_vm_readv", "process_vm_writev"}},
           {R"("CapAdd":["SYS_MODULE"])", {}, {}},
           {R"("CapAdd":["SYS_BOOT","SYS_PACCT"])", {}, {}},
           {R"("CapAdd":["SYS_NICE"])", {"set_mempolicy_home_node"}, {}},
           {R"("CapAdd":["SYSLOG","SYS_RAWIO"])", {}, {}},
           {R"("CapAdd":["DAC_READ_SEARCH","SYS_TTY_CONFIG"])", {}, {}},
       }) {
    SCOPED_TRACE(request.host);
    oci::Config left = ours("", request.host);
    oci::Config right = stock("", request.host);
    ASSERT_TRUE(left.linux.seccomp && right.linux.seccomp);
    EXPECT_EQ(left.linux.seccomp->architectures, right.linux.seccomp->architectures);
    Names expected(std::begin(kChanged), std::end(kChanged));
    for (const std::string& name : request.same) expected.erase(name);
    expected.insert(request.more.begin(), request.more.end());
    EXPECT_EQ(differences(*left.linux.seccomp, *right.linux.seccomp), expected);
  }
}

TEST_F(StockSpecTest, NoFilterWhereDockerHasNone) {
  for (const Request& request :
       {Request{"", R"("Privileged":true)"},
        {"", R"("SecurityOpt":["seccomp=unconfined"])"},
        {"", R"("SecurityOpt":["seccomp:unconfined"])"},
        {"", R"("Privileged":true,"SecurityOpt":["seccomp=unconfined"])"}}) {
    SCOPED_TRACE(request.host);
    EXPECT_FALSE(stock(request.config, request.host).linux.seccomp.has_value());
    EXPECT_FALSE(ours(request.config, request.host).linux.seccomp.has_value());
  }
}

}  // namespace
}  // namespace dhow::engine
