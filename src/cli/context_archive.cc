// SPDX-License-Identifier: Apache-2.0
#include "cli/context_archive.h"

#include <optional>

#include "base/strings.h"
#include "sys/file_io.h"
#include "unpack/file_source.h"
#include "unpack/tar_writer.h"

namespace dhow::cli {
namespace {

constexpr std::int64_t kMostBytes = 10 << 20;  // of a file

class FdSink final : public unpack::ByteSink {
 public:
  explicit FdSink(FdRef fd) : fd_(fd) {}
  Status write(std::string_view piece) override { return write_all(fd_, piece); }

 private:
  FdRef fd_;
};

}  // namespace

Status write_context_archive(const Context& context, FdRef out) {
  FdSink sink(out);
  unpack::TarWriter writer(sink);
  auto put = [&](std::string path, std::string_view content, unsigned mode) -> Status {
    unpack::Entry entry;
    entry.path = std::move(path);
    entry.mode = mode;
    entry.size = static_cast<std::int64_t>(content.size());
    TRY(writer.begin(entry));
    return writer.write(content);
  };
  TRY(put("meta.json", context_json(context), 0644));
  for (const char* folder : {"tls", "tls/docker"}) {
    if (context.tls.empty() && folder != std::string_view("tls")) continue;
    unpack::Entry entry;
    entry.path = folder;
    entry.type = unpack::EntryType::kFolder;
    entry.mode = 0700;
    TRY(writer.begin(entry));
  }
  for (const auto& [name, content] : context.tls) TRY(put("tls/docker/" + name, content, 0600));
  return writer.finish();
}

Result<Context> read_context_archive(Fd file) {
  unpack::FileSource source(std::move(file), "the archive of a context");
  unpack::TarReader reader(source);
  std::optional<Context> context;
  std::map<std::string, std::string> tls;
  while (true) {
    TRY_ASSIGN(auto entry, reader.next());
    if (!entry) break;
    if (entry->type != unpack::EntryType::kFile) continue;
    if (entry->size > kMostBytes) {
      return fail(Code::kInvalidArgument,
                  cat("invalid context: ", quoted(entry->path), " is too large"));
    }
    std::string content;
    TRY(reader.read([&](std::int64_t, std::string_view piece) -> Status {
      content += piece;
      return {};
    }));
    if (entry->path == "meta.json") {
      TRY_ASSIGN(context, parse_context(content));
    } else if (entry->path == "tls/docker/ca.pem" || entry->path == "tls/docker/cert.pem" ||
               entry->path == "tls/docker/key.pem") {
      tls[entry->path.substr(entry->path.rfind('/') + 1)] = std::move(content);
    } else {
      return fail(Code::kInvalidArgument,
                  cat("invalid context: unexpected context file ", quoted(entry->path)));
    }
  }
  if (!context) return fail(Code::kInvalidArgument, "invalid context: no metadata found");
  context->tls = std::move(tls);
  return std::move(*context);
}

}  // namespace dhow::cli
