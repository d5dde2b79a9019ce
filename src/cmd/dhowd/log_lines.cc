// SPDX-License-Identifier: Apache-2.0
#include "cmd/dhowd/log_lines.h"

#include <unistd.h>

#include <mutex>

#include "base/rfc3339.h"
#include "base/strings.h"
#include "metadata/lease_store.h"
#include "oci/json.h"
#include "sys/file_io.h"

namespace dhow::dhowd {
namespace {

class LineSink final : public log::Sink {
 public:
  explicit LineSink(bool json) : json_(json) {}

  void write(log::Level level, std::string_view message) override {
    std::string time = rfc3339_nano(metadata::now());
    std::string line;
    if (json_) {
      oci::JsonWriter out;
      out.begin_object().member("time", time).member("level", log::level_name(level));
      out.member("msg", message).end_object();
      line = out.text() + "\n";
    } else {
      line = cat("time=\"", time, "\" level=", log::level_name(level),
                 " msg=", oci::json_quoted(message), "\n");
    }
    // One write a line, so that lines of several threads are not mixed. There is nowhere to say
    // that it failed.
    std::lock_guard lock(mutex_);
    std::ignore = write_all(FdRef(STDERR_FILENO), line);
  }

 private:
  const bool json_;
  std::mutex mutex_;
};

LineSink* g_sink = nullptr;

}  // namespace

void start_log(log::Level level, bool json) {
  // Never freed: threads may log until the process has ended.
  g_sink = new LineSink(json);
  log::set_sink(g_sink, level);
}

void set_log_level(log::Level level) {
  if (g_sink != nullptr) log::set_sink(g_sink, level);
}

}  // namespace dhow::dhowd
