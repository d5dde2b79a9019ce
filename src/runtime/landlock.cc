// SPDX-License-Identifier: Apache-2.0
#include "runtime/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/landlock_rights.h"

namespace dhow::runtime {
namespace {

using landlock::Right;

// struct landlock_ruleset_attr as of version 6; an older kernel takes it as long as what it doesn't
// know is 0.
struct RulesetAttr {
  std::uint64_t handled_access_fs = 0;
  std::uint64_t handled_access_net = 0;
  std::uint64_t scoped = 0;
};

constexpr int kRulePathBeneath = 1;
constexpr int kRuleNetPort = 2;
constexpr unsigned kCreateRulesetVersion = 1;

struct [[gnu::packed]] PathBeneathAttr {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
};

struct NetPortAttr {
  std::uint64_t allowed_access;
  std::uint64_t port;
};

// The bits of names that parse_landlock accepted. A right that the kernel lacks is an error, or
// with best effort left out.
template <std::size_t kSize>
Result<std::uint64_t> bits_of(const Right (&table)[kSize], const std::vector<std::string>& names,
                              int abi, bool best_effort) {
  std::uint64_t bits = 0;
  for (const std::string& name : names) {
    const Right* right = landlock::find_right(table, name);
    if (right == nullptr) {
      return fail(Code::kInvalidArgument, cat("landlock: unknown right ", quoted(name)));
    }
    if (right->abi <= abi) {
      bits |= right->bit;
    } else if (!best_effort) {
      return fail(Code::kUnimplemented,
                  cat("landlock: right ", quoted(name), " needs version ", right->abi,
                      " of the interface, this kernel has version ", abi));
    } else {
      log::warning(cat("landlock: right ", quoted(name), " is not in this kernel: ignored"));
    }
  }
  return bits;
}

Result<RulesetAttr> ruleset_of(const LandlockPolicy& policy, int abi) {
  RulesetAttr ruleset;
  if (policy.handled_fs) {
    TRY_ASSIGN(ruleset.handled_access_fs,
               bits_of(landlock::kFsRights, *policy.handled_fs, abi, policy.best_effort));
  } else if (!policy.path_rules.empty()) {
    ruleset.handled_access_fs = landlock::bits_of_abi(landlock::kFsRights, abi);
  }
  std::vector<std::string> net;
  if (policy.handled_net) {
    net = *policy.handled_net;
  } else {
    for (const auto& rule : policy.port_rules) {
      net.insert(net.end(), rule.access.begin(), rule.access.end());
    }
  }
  TRY_ASSIGN(ruleset.handled_access_net,
             bits_of(landlock::kNetRights, net, abi, policy.best_effort));
  TRY_ASSIGN(ruleset.scoped, bits_of(landlock::kScopes, policy.scoped, abi, policy.best_effort));
  return ruleset;
}

// A rule's words: groups, which give what can be given, and single rights, which must be.
struct Access {
  std::uint64_t groups = 0;
  std::uint64_t single = 0;
};

Result<Access> access_of(const LandlockPolicy::PathRule& rule, int abi, bool best_effort) {
  Access access;
  std::vector<std::string> single;
  for (const std::string& word : rule.access) {
    if (auto bits = landlock::group_bits(word)) {
      access.groups |= *bits;
    } else {
      single.push_back(word);
    }
  }
  TRY_ASSIGN(access.single, bits_of(landlock::kFsRights, single, abi, best_effort));
  return access;
}

Status add_path(FdRef ruleset, const DirFd& root, const std::string& path, bool optional,
                Access access, std::uint64_t handled) {
  std::string context = cat("landlock: allow access to ", quoted(path));
  auto opened = root.open_in_root(path, O_PATH);
  if (!opened) {
    if (optional && opened.error().sys_errno() == ENOENT) return {};
    return fail(std::move(opened).error().add_context(context));
  }
  struct stat info{};
  if (::fstat(opened->get(), &info) != 0) return fail_errno(errno, context);
  std::uint64_t groups = access.groups & handled;
  if (!S_ISDIR(info.st_mode)) {
    if ((access.single & ~landlock::file_bits()) != 0) {
      return fail_errno(ENOTDIR, cat(context, ": a right of the rule is for folders"));
    }
    groups &= landlock::file_bits();
  }
  PathBeneathAttr attributes{groups | access.single, opened->get()};
  // The kernel refuses an empty set; a folder-only group on a file is one.
  if (attributes.allowed_access == 0) return {};
  if (::syscall(SYS_landlock_add_rule, ruleset.get(), kRulePathBeneath, &attributes, 0U) != 0) {
    return fail_errno(errno, context);
  }
  return {};
}

Status add_ports(FdRef ruleset, const LandlockPolicy::PortRule& rule, std::uint64_t handled,
                 int abi, bool best_effort) {
  TRY_ASSIGN(std::uint64_t access, bits_of(landlock::kNetRights, rule.access, abi, best_effort));
  access &= handled;
  if (access == 0) return {};
  for (std::uint16_t port : rule.ports) {
    NetPortAttr attributes{access, port};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), kRuleNetPort, &attributes, 0U) != 0) {
      return fail_errno(errno, cat("landlock: allow port ", port));
    }
  }
  return {};
}

}  // namespace

int landlock_abi() {
  long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0UL, kCreateRulesetVersion);
  return version < 0 ? 0 : static_cast<int>(version);
}

Status apply_landlock(const LandlockPolicy& policy, const DirFd& root) {
  int abi = landlock_abi();
  if (abi == 0) {
    if (policy.best_effort) {
      log::warning("landlock: not in this kernel or turned off: the policy is not applied");
      return {};
    }
    return fail(Code::kUnimplemented, "landlock: not in this kernel, or turned off");
  }
  TRY_ASSIGN(RulesetAttr attributes, ruleset_of(policy, abi));
  if (attributes.handled_access_fs == 0 && attributes.handled_access_net == 0 &&
      attributes.scoped == 0) {
    log::warning("landlock: this kernel has nothing of the policy: it is not applied");
    return {};
  }
  Fd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0U)));
  if (!ruleset) return fail_errno(errno, "landlock: make rule set");
  for (const auto& rule : policy.path_rules) {
    TRY_ASSIGN(Access access, access_of(rule, abi, policy.best_effort));
    for (const std::string& path : rule.paths) {
      TRY(add_path(ruleset, root, path, rule.optional, access, attributes.handled_access_fs));
    }
  }
  for (const auto& rule : policy.port_rules) {
    TRY(add_ports(ruleset, rule, attributes.handled_access_net, abi, policy.best_effort));
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0U) != 0) {
    std::string text = "landlock: restrict process";
    if (errno == EPERM) text += ": needs noNewPrivileges or CAP_SYS_ADMIN";
    return fail_errno(errno, text);
  }
  return {};
}

}  // namespace dhow::runtime
