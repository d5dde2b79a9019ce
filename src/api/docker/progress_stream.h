// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "api/docker/exchange.h"
#include "engine/progress.h"
#include "oci/json.h"

namespace dhow::api::docker {

// An answer of JSON objects, one a line, that tells how a pull, push or load gets on. It begins
// with the first line, so that what fails before that is answered with a status; what fails later
// is told in a line. Any thread.
class ProgressStream {
 public:
  enum class Kind { kPull, kPush };
  ProgressStream(ExchangePtr exchange, Kind kind);

  void line(std::string_view json);
  // {"status":…} with an id, if there is one.
  void status(std::string_view text, std::string_view id = {});
  // To be told before the next line, if there is one.
  void status_later(std::string text, std::string id);
  // In docker's words for each phase of a layer.
  void progress(const engine::ProgressEvent& event);
  // The end of the answer, or the fault in its place.
  Status finish(const Status& result);

  // Asked for when the client has gone.
  std::stop_token stop() const { return stop_.get_token(); }

 private:
  void write(std::string_view json);
  void layer(std::string_view text, const engine::ProgressEvent& event, bool with_bytes);
  void pull_progress(const engine::ProgressEvent& event);
  void push_progress(const engine::ProgressEvent& event);

  ExchangePtr exchange_;
  const Kind kind_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> gone_;
  std::mutex mutex_;
  std::string later_;
  std::set<std::string> known_;  // layers that were told of
  std::set<std::string> complete_;
};

}  // namespace dhow::api::docker
