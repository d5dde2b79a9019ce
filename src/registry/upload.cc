// SPDX-License-Identifier: Apache-2.0
#include "registry/upload.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::registry {
namespace {

constexpr std::pair<const char*, const char*> kBytes{"Content-Type", "application/octet-stream"};

// A part of a body.
class Part final : public BodySource {
 public:
  Part(BodySource& whole, std::int64_t first, std::int64_t size, Progress progress)
      : whole_(whole), first_(first), size_(size), progress_(std::move(progress)) {}

  std::int64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::int64_t offset, std::span<char> buffer) override {
    auto count = std::min(static_cast<std::int64_t>(buffer.size()), size_ - offset);
    if (count <= 0) return std::size_t{0};
    TRY_ASSIGN(std::size_t got,
               whole_.read_at(first_ + offset, buffer.first(static_cast<std::size_t>(count))));
    if (progress_) progress_(first_ + offset + static_cast<std::int64_t>(got));
    return got;
  }

 private:
  BodySource& whole_;
  std::int64_t first_;
  std::int64_t size_;
  Progress progress_;
};

// How many bytes "0-9" are. "0-0" is what registries say for none; a single byte is sent again.
std::optional<std::int64_t> received(std::string_view range) {
  if (range.starts_with("bytes=")) range.remove_prefix(6);
  if (!range.starts_with("0-")) return std::nullopt;
  auto last = parse_number<std::int64_t>(range.substr(2));
  if (!last || *last < 0) return std::nullopt;
  return *last == 0 ? 0 : *last + 1;
}

}  // namespace

Upload::Upload(HostSession& host, const oci::Descriptor& descriptor, BodySource& content,
               const UploadOptions& options, std::stop_token stop)
    : host_(host),
      descriptor_(descriptor),
      content_(content),
      options_(options),
      stop_(std::move(stop)) {}

std::expected<HttpResponse, Failure> Upload::ask(HttpRequest request,
                                                 std::initializer_list<int> accepted) {
  auto response =
      host_.ask(std::move(request), ScopeSet::push(host_.repository()), stop_, accepted);
  if (!response.has_value()) uncertain_ = true;
  reachable_ = response.has_value() || response.error().error.code() != Code::kUnavailable;
  return response;
}

void Upload::abandon() {
  if (!location_ || !reachable_ || stop_.stop_requested()) return;
  // It ends by itself in time: a failure changes nothing.
  std::ignore = host_.send({.method = "DELETE", .url = *location_},
                           ScopeSet::push(host_.repository()), stop_);
}

Upload::Step Upload::follow(const HttpResponse& response) {
  std::string_view location = response.headers.get("Location");
  if (location.empty() && location_) return {};  // an older registry's: it stays
  auto next = HostSession::follow(response, location);
  if (!next.has_value()) return std::unexpected(Failure{.error = next.error()});
  location_ = std::move(*next);
  return {};
}

Upload::Step Upload::begin() {
  auto response = ask({.method = "POST", .url = host_.url("blobs/uploads/")});
  if (!response.has_value()) return std::unexpected(std::move(response.error()));
  confirmed_ = 0;
  uncertain_ = false;
  auto least = parse_number<std::int64_t>(response->headers.get("OCI-Chunk-Min-Length"));
  least_chunk_ = std::max<std::int64_t>(least.value_or(0), 0);
  return follow(*response);
}

Upload::Step Upload::find_state() {
  auto response = ask({.url = *location_}, {404});
  if (!response.has_value()) return std::unexpected(std::move(response.error()));
  uncertain_ = false;
  if (response->status == 404) {
    // It is over, and may have been a success whose answer was lost.
    location_.reset();
    auto blob =
        ask({.method = "HEAD", .url = host_.url(cat("blobs/", descriptor_.digest.text()))}, {404});
    if (!blob.has_value()) return std::unexpected(std::move(blob.error()));
    done_ = blob->ok();
    return {};
  }
  confirmed_ = std::min(received(response->headers.get("Range")).value_or(0), descriptor_.size);
  return follow(*response);
}

Upload::Step Upload::send_chunks() {
  while (confirmed_ < descriptor_.size) {
    std::int64_t left = descriptor_.size - confirmed_;
    std::int64_t size = options_.chunk == 0 ? left : std::max(options_.chunk, least_chunk_);
    size = std::min(size, left);
    Part part(content_, confirmed_, size, options_.progress);
    auto response =
        ask({.method = "PATCH",
             .url = *location_,
             .headers = {kBytes, {"Content-Range", cat(confirmed_, "-", confirmed_ + size - 1)}},
             .body = &part},
            {404, 416});
    if (!response.has_value()) return std::unexpected(std::move(response.error()));
    if (!response->ok()) {
      // Out of step with the host: what it has is asked for next.
      uncertain_ = true;
      Failure failure = status_failure("PATCH", *response);
      failure.again = true;
      return std::unexpected(std::move(failure));
    }
    confirmed_ += size;
    if (auto step = follow(*response); !step.has_value()) return step;
  }
  return {};
}

Upload::Step Upload::finish(bool whole) {
  Url url = *location_;
  url.add_query("digest", descriptor_.digest.text());
  Part part(content_, 0, whole ? descriptor_.size : 0, whole ? options_.progress : Progress());
  auto response =
      ask({.method = "PUT", .url = std::move(url), .headers = {kBytes}, .body = &part}, {404, 416});
  if (!response.has_value()) return std::unexpected(std::move(response.error()));
  if (response->ok()) return {};
  uncertain_ = true;
  Failure failure = status_failure("PUT", *response);
  failure.again = true;
  return std::unexpected(std::move(failure));
}

std::expected<void, Failure> Upload::attempt() {
  if (location_ && uncertain_) {
    if (auto step = find_state(); !step.has_value() || done_) return step;
  }
  if (!location_) {
    if (auto step = begin(); !step.has_value()) return step;
  }
  bool whole = options_.chunk == 0 && confirmed_ == 0;
  if (!whole) {
    if (auto step = send_chunks(); !step.has_value()) return step;
  }
  return finish(whole);
}

}  // namespace dhow::registry
