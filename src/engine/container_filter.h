// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/container_record.h"
#include "engine/image_filter.h"
#include "engine/pattern.h"

namespace dhow::engine {

// Which containers a list shows. Negated labels are under the key "label!".
class ListFilter {
 public:
  // Reads docker's filters; unknown ones and faults are kInvalidArgument in its words. `find` gives
  // the container of `before` and `since`; `images` the ids of the images that `ancestor` names.
  static Result<ListFilter> parse(
      const Filters& filters,
      const std::function<Result<std::int64_t>(const std::string&)>& created_of,
      const std::function<std::set<std::string>(const std::string&)>& images);

  // What only the engine can tell of a container; called where it is asked for.
  struct View {
    std::function<std::vector<PortStatus>()> ports;
    std::function<std::vector<NetworkStatus>()> networks;
  };
  bool matches(const ContainerRecord& record, const View& view) const;
  // It asks for those that don't run, so that `all` need not be said.
  bool wants_all() const { return wants_all_; }

  struct PortRange {
    bool has(std::uint16_t port, std::string_view its_protocol) const;
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    std::string protocol;
  };

 private:
  bool matches_ports(const ContainerRecord& record, const View& view) const;

  Filters filters_;
  NameFilter names_{{}};
  std::vector<PortRange> exposed_;
  std::vector<PortRange> published_;
  std::set<std::string> ancestors_;
  std::optional<std::int64_t> before_;
  std::optional<std::int64_t> since_;
  bool wants_all_ = false;
};

// Which containers a prune removes: until (a time or how long ago), label, label!.
class PruneFilter {
 public:
  static Result<PruneFilter> parse(const Filters& filters);
  bool matches(const ContainerRecord& record) const;

 private:
  std::vector<LabelQuery> labels_;
  std::vector<LabelQuery> without_labels_;
  std::optional<std::int64_t> until_;
};

// kInvalidArgument for more than one "until".
Status check_until(const Filters& filters);

// "2006-01-02", "2006-01-02T15:04" or with seconds and a fraction, by the clock of this machine, as
// nanoseconds since 1970.
std::optional<std::int64_t> parse_local_time(std::string_view text);

// "10m", "1h30m", RFC 3339, a local time or seconds since 1970, as nanoseconds since 1970; the
// first two are ago.
std::optional<std::int64_t> parse_filter_time(std::string_view text, std::int64_t now);

// "Up 2 minutes (healthy)", "Exited (0) 3 seconds ago".
std::string status_text(const ContainerState& state, std::int64_t now);

}  // namespace dhow::engine
