// SPDX-License-Identifier: Apache-2.0
// dhow-make-image: makes one of the images that come with dhow, at build time.
//   dhow-make-image hello|busybox PROGRAM ARCHIVE
#include <fcntl.h>

#include <algorithm>
#include <cstdio>

#include "base/strings.h"
#include "builtin/archive.h"
#include "sys/file_io.h"
#include "sys/spawn.h"

namespace dhow::builtin {
namespace {

constexpr std::string_view kPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    "nobody:x:65534:65534:nobody:/home:/bin/false\n";
constexpr std::string_view kGroup =
    "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n";
constexpr std::string_view kShadow = "root:*:::::::\ndaemon:*:::::::\nnobody:*:::::::\n";

Member folder(std::string path, unsigned mode = 0755) {
  Member member;
  member.entry.path = cat(path, "/");
  member.entry.type = unpack::EntryType::kFolder;
  member.entry.mode = mode;
  return member;
}

Member file(std::string path, std::string_view content, unsigned mode = 0644) {
  Member member;
  member.entry.path = std::move(path);
  member.entry.mode = mode;
  member.content = content;
  return member;
}

// To a program: containerd gives what a link leads to the mode of the link's own header.
Member link_to(std::string path, std::string target) {
  Member member;
  member.entry.mode = 0755;
  member.entry.path = std::move(path);
  member.entry.type = unpack::EntryType::kHardlink;
  member.entry.target = std::move(target);
  return member;
}

// One program under all the names that it knows, as docker's image of it is.
Result<std::vector<Member>> busybox_members(const std::string& path, std::string_view program) {
  TRY_ASSIGN(SpawnOutput listed, run_program({path, "--list"}));
  std::vector<std::string> names;
  for (std::string_view name : split(trim(listed.output), '\n')) {
    if (!name.empty() && name != "busybox") names.emplace_back(name);
  }
  std::ranges::sort(names);
  if (listed.exit_code != 0 || !std::ranges::binary_search(names, "sh")) {
    return fail(Code::kFailedPrecondition, "its list of programs has no sh");
  }
  std::vector<Member> members = {folder("bin"), file("bin/busybox", program, 0755)};
  for (const std::string& name : names) {
    members.push_back(link_to(cat("bin/", name), "bin/busybox"));
  }
  members.push_back(folder("dev"));
  members.push_back(folder("etc"));
  members.push_back(file("etc/group", kGroup));
  members.push_back(file("etc/passwd", kPasswd));
  members.push_back(file("etc/shadow", kShadow, 0600));
  members.push_back(folder("home"));
  members.push_back(folder("proc"));
  members.push_back(folder("root", 0700));
  members.push_back(folder("sys"));
  members.push_back(folder("tmp", 01777));
  members.push_back(folder("usr"));
  members.push_back(folder("usr/bin"));
  // Scripts call it there.
  members.push_back(link_to("usr/bin/env", "bin/busybox"));
  members.push_back(folder("var"));
  return members;
}

class File final : public unpack::ByteSink {
 public:
  explicit File(Fd fd) : fd_(std::move(fd)) {}
  Status write(std::string_view piece) override { return write_all(fd_, piece); }

 private:
  Fd fd_;
};

Status make(const std::string& name, const std::string& path, const std::string& output) {
  TRY_ASSIGN(std::string program, read_file(path));
  oci::Image image;
  auto platform = platform_of(program);
  if (!platform) return std::unexpected(std::move(platform).error().add_context(quoted(path)));
  image.platform = *platform;
  image.config.env = {std::string(kPath)};
  std::vector<Member> members;
  if (name == "hello") {
    members.push_back(file("hello", program, 0755));
    image.config.cmd = {{"/hello"}};
  } else if (name == "busybox") {
    auto made = busybox_members(path, program);
    if (!made) return std::unexpected(std::move(made).error().add_context(quoted(path)));
    members = std::move(*made);
    image.config.cmd = {{"sh"}};
    image.config.labels["org.opencontainers.image.licenses"] = "GPL-2.0-only";
  } else {
    return fail(Code::kInvalidArgument, cat("no image ", quoted(name), " is known"));
  }
  TRY_ASSIGN(Fd file, open_at(kCwd, output, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  File sink(std::move(file));
  return write_archive(cat("docker.io/library/", name, ":latest"), members, std::move(image), sink);
}

}  // namespace
}  // namespace dhow::builtin

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: dhow-make-image hello|busybox PROGRAM ARCHIVE\n", stderr);
    return 2;
  }
  auto made = dhow::builtin::make(argv[1], argv[2], argv[3]);
  if (made) return 0;
  std::fprintf(stderr, "dhow-make-image: %s\n", made.error().message().c_str());
  return 1;
}
