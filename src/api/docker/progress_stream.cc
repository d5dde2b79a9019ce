// SPDX-License-Identifier: Apache-2.0
#include "api/docker/progress_stream.h"

#include <utility>

#include "api/docker/errors.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

using engine::ProgressEvent;
using engine::ProgressPhase;
using oci::JsonWriter;

std::string status_json(std::string_view text, std::string_view id) {
  JsonWriter json;
  json.begin_object().member("status", text);
  if (!id.empty()) json.member("id", id);
  json.end_object();
  return json.text();
}

std::string layer_id(const ProgressEvent& event) {
  return std::string(event.digest.hex().substr(0, 12));
}

}  // namespace

ProgressStream::ProgressStream(ExchangePtr exchange, Kind kind)
    : exchange_(std::move(exchange)),
      kind_(kind),
      gone_(exchange_->stop(), [this] { stop_.request_stop(); }) {}

void ProgressStream::write(std::string_view json) {
  if (!exchange_->begun()) exchange_->begin({200, "application/json", {}, {}});
  if (!later_.empty()) {
    std::string first = std::exchange(later_, {});
    write(first);
  }
  // A client that has gone needs no more of it.
  if (!exchange_->write(cat(json, "\r\n"))) stop_.request_stop();
}

void ProgressStream::line(std::string_view json) {
  std::lock_guard lock(mutex_);
  write(json);
}

void ProgressStream::status(std::string_view text, std::string_view id) {
  line(status_json(text, id));
}

void ProgressStream::status_later(std::string text, std::string id) {
  std::lock_guard lock(mutex_);
  later_ = status_json(text, id);
}

void ProgressStream::layer(std::string_view text, const ProgressEvent& event, bool with_bytes) {
  JsonWriter json;
  json.begin_object().member("status", text).key("progressDetail").begin_object();
  if (with_bytes) {
    json.member_number("current", event.bytes).member_number("total", event.total);
  }
  json.end_object().member("id", layer_id(event)).end_object();
  write(json.text());
}

void ProgressStream::progress(const ProgressEvent& event) {
  if (event.phase == ProgressPhase::kResolving) return;
  std::lock_guard lock(mutex_);
  if (kind_ == Kind::kPull) return pull_progress(event);
  push_progress(event);
}

void ProgressStream::pull_progress(const ProgressEvent& event) {
  std::string id = layer_id(event);
  bool is_new = known_.insert(id).second;
  switch (event.phase) {
    case ProgressPhase::kWaiting:
      return layer(is_new ? "Pulling fs layer" : "Waiting", event, false);
    case ProgressPhase::kDownloading:
      return layer("Downloading", event, true);
    case ProgressPhase::kVerifying:
      return layer("Verifying Checksum", event, false);
    case ProgressPhase::kUnpacking:
      if (complete_.insert(id).second) layer("Download complete", event, false);
      return layer("Extracting", event, true);
    case ProgressPhase::kDone:
      return layer("Pull complete", event, false);
    case ProgressPhase::kExists:
      return layer("Already exists", event, false);
    case ProgressPhase::kUploading:
    case ProgressPhase::kMounted:
    case ProgressPhase::kReading:
    case ProgressPhase::kResolving:
      return;
  }
}

void ProgressStream::push_progress(const ProgressEvent& event) {
  bool is_new = known_.insert(layer_id(event)).second;
  switch (event.phase) {
    case ProgressPhase::kWaiting:
      return layer(is_new ? "Preparing" : "Waiting", event, false);
    case ProgressPhase::kUploading:
      return layer("Pushing", event, true);
    case ProgressPhase::kDone:
      return layer("Pushed", event, false);
    case ProgressPhase::kExists:
      return layer("Layer already exists", event, false);
    case ProgressPhase::kMounted:
      return layer("Mounted from another repository", event, false);
    case ProgressPhase::kVerifying:
    case ProgressPhase::kDownloading:
    case ProgressPhase::kUnpacking:
    case ProgressPhase::kReading:
    case ProgressPhase::kResolving:
      return;
  }
}

Status ProgressStream::finish(const Status& result) {
  std::lock_guard lock(mutex_);
  if (!result && !exchange_->begun()) return result;
  if (!result) {
    JsonWriter json;
    const std::string& message = result.error().message();
    json.begin_object().key("errorDetail").begin_object();
    json.member_number("code", http_status(result.error().code())).member("message", message);
    json.end_object().member("error", message).end_object();
    write(json.text());
  }
  if (!exchange_->begun()) exchange_->begin({200, "application/json", {}, {}});
  exchange_->end();
  return {};
}

}  // namespace dhow::api::docker
