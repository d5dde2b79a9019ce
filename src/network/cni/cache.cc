// SPDX-License-Identifier: Apache-2.0
#include "network/cni/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/log.h"
#include "base/strings.h"
#include "oci/base64.h"
#include "oci/json.h"
#include "oci/json_copy.h"
#include "oci/json_reader.h"
#include "sys/file_io.h"

namespace dhow::cni {
namespace {

constexpr std::string_view kKind = "cniCacheV1";
constexpr std::size_t kMaxCached = std::size_t{8} << 20;
constexpr std::size_t kLongestName = 240;  // with what is put in front, a name of 255 at most

// Open files may be the same while the name has come to mean another.
bool is_file_of(const Fd& fd, const Fd& folder, const std::string& name) {
  struct stat ours{};
  struct stat named{};
  return ::fstat(fd.get(), &ours) == 0 &&
         ::fstatat(folder.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

void decode_args(const oci::JsonReader& in, CniArgs& out) {
  if (!in.present()) return;
  std::vector<std::vector<std::string>> pairs;
  decode(in, pairs);
  for (std::vector<std::string>& pair : pairs) {
    if (pair.size() != 2) return in.fail("not pairs of texts");
    out.emplace_back(std::move(pair[0]), std::move(pair[1]));
  }
}

}  // namespace

void decode(const oci::JsonReader& in, CachedAttachment& out) {
  std::string kind;
  oci::required_member(in, "kind", kind);
  if (kind != kKind) return in.member("kind").fail(cat("unknown kind ", quoted(kind)));
  oci::required_member(in, "networkName", out.key.network);
  oci::required_member(in, "containerId", out.key.container);
  oci::required_member(in, "ifName", out.key.interface);
  oci::optional_member(in, "netns", out.netns);
  std::string config;
  oci::required_member(in, "config", config);
  auto bytes = oci::base64_decode(config);
  if (!bytes) return in.member("config").fail("not base64");
  out.config = std::move(*bytes);
  decode_args(in.member("cniArgs"), out.args);
  oci::JsonReader capabilities = in.member("capabilityArgs");
  if (capabilities.present() && !capabilities.expect(oci::JsonKind::kObject)) return;
  for (std::size_t i = 0; i < capabilities.value().size(); ++i) {
    oci::JsonMember member = capabilities.value().member(i);
    out.capabilities[std::string(member.name)] = oci::value_json(member.value);
  }
  oci::JsonReader result = in.member("result");
  if (result.present() && result.expect(oci::JsonKind::kObject)) {
    out.result = oci::value_json(result.value());
  }
}

std::string AttachmentKey::file_name() const {
  return cat(network, "-", container, "-", interface);
}

std::string cache_text(const CachedAttachment& attachment) {
  oci::JsonWriter out;
  out.begin_object().member("kind", kKind);
  out.member("containerId", attachment.key.container);
  out.member("config", oci::base64_encode(attachment.config));
  out.member("ifName", attachment.key.interface);
  out.member("networkName", attachment.key.network);
  if (!attachment.netns.empty()) out.member("netns", attachment.netns);
  if (!attachment.args.empty()) {
    out.key("cniArgs").begin_array();
    for (const auto& [name, value] : attachment.args) {
      out.begin_array().string(name).string(value).end_array();
    }
    out.end_array();
  }
  if (!attachment.capabilities.empty()) {
    out.key("capabilityArgs").begin_object();
    for (const auto& [name, value] : attachment.capabilities) out.key(name).raw(value);
    out.end_object();
  }
  if (!attachment.result.empty()) out.key("result").raw(attachment.result);
  out.end_object();
  return out.text();
}

Result<CachedAttachment> parse_cached(std::string_view json) {
  return oci::parse_as<CachedAttachment>(json);
}

Result<Fd> ResultCache::open_folder() const {
  TRY(make_dirs(folder_, 0700));
  return open_at(kCwd, folder_, O_RDONLY | O_DIRECTORY);
}

Status ResultCache::put(const CachedAttachment& attachment) const {
  TRY_ASSIGN(Fd folder, open_folder());
  return replace_file(folder, attachment.key.file_name(), cache_text(attachment), 0600);
}

Result<std::optional<CachedAttachment>> ResultCache::get(const AttachmentKey& key) const {
  auto text = read_file(cat(folder_, "/", key.file_name()), kMaxCached);
  if (!text && text.error().sys_errno() == ENOENT) return std::optional<CachedAttachment>();
  if (!text) return fail(std::move(text).error());
  auto attachment = parse_cached(*text);
  if (!attachment) {
    return fail(Code::kDataLoss, cat("read ", quoted(cat(folder_, "/", key.file_name())), ": ",
                                     attachment.error().message()));
  }
  return std::optional(std::move(*attachment));
}

Status ResultCache::remove(const AttachmentKey& key) const {
  TRY_ASSIGN(Fd folder, open_folder());
  // A death may have left the one that was to replace it.
  for (const std::string& name : {"." + key.file_name(), key.file_name()}) {
    if (::unlinkat(folder.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
      return fail_errno(errno, cat("remove ", quoted(cat(folder_, "/", name))));
    }
  }
  return {};
}

Result<std::vector<CachedAttachment>> ResultCache::list() const {
  TRY_ASSIGN(Fd folder, open_folder());
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  std::ranges::sort(names);
  std::vector<CachedAttachment> result;
  for (const std::string& name : names) {
    if (name.starts_with('.')) continue;
    auto attachment = [&]() -> Result<CachedAttachment> {
      TRY_ASSIGN(std::string text, read_file(folder, name, kMaxCached));
      return parse_cached(text);
    }();
    if (attachment) {
      result.push_back(std::move(*attachment));
    } else {
      log::warning(
          cat("read ", quoted(cat(folder_, "/", name)), ": ", attachment.error().message()));
    }
  }
  return result;
}

Result<AttachmentLock> ResultCache::lock(const AttachmentKey& key, int timeout_ms) const {
  using Clock = std::chrono::steady_clock;
  if (key.file_name().size() > kLongestName) {
    return fail(Code::kInvalidArgument,
                cat("the names of network, container and interface are too long: ",
                    quoted(key.file_name())));
  }
  TRY_ASSIGN(Fd folder, open_folder());
  std::string name = cat(".lock-", key.file_name());
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    TRY_ASSIGN(Fd fd, open_at(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    // flock(2) cannot wait for a while only, and there is as good as never somebody to wait for.
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) {
        return fail_errno(errno, cat("lock ", quoted(name)));
      }
      if (Clock::now() >= deadline) {
        log::warning(cat("network ", key.network, ": what was started for container ",
                         key.container, " before has not ended; going on"));
        return AttachmentLock(std::move(folder), {}, std::move(fd));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    if (is_file_of(fd, folder, name)) {
      return AttachmentLock(std::move(folder), std::move(name), std::move(fd));
    }
  }
}

// The file goes first: something that a plugin has left running may hold it open for good.
AttachmentLock::~AttachmentLock() {
  if (fd_ && !name_.empty()) ::unlinkat(folder_.get(), name_.c_str(), 0);
}

}  // namespace dhow::cni
