// SPDX-License-Identifier: Apache-2.0
#include "registry/retry.h"

#include <algorithm>
#include <condition_variable>
#include <curl/curl.h>
#include <mutex>
#include <random>

#include "base/strings.h"

namespace dhow::registry {

using std::chrono::milliseconds;

Failure transport_failure(Error error) {
  bool again = error.code() == Code::kUnavailable;
  return {.error = std::move(error), .again = again};
}

Failure status_failure(std::string_view method, const HttpResponse& response) {
  int status = response.status;
  bool again = status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
  Failure failure{.error = http_error(method, response), .again = again};
  if (again) {
    failure.after =
        parse_retry_after(response.headers.get("Retry-After"), std::chrono::system_clock::now());
  }
  return failure;
}

std::optional<milliseconds> parse_retry_after(std::string_view value,
                                              std::chrono::system_clock::time_point now) {
  value = trim(value);
  if (value.empty()) return std::nullopt;
  constexpr std::int64_t kYear = std::int64_t{365} * 24 * 3600;
  if (auto seconds = parse_number<std::uint64_t>(value)) {
    return std::chrono::seconds(std::min(*seconds, std::uint64_t{kYear}));
  }
  // curl_getdate takes more than a date of HTTP; digits and signs alone are no date.
  if (value.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
      std::string_view::npos) {
    return std::nullopt;
  }
  time_t date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  std::int64_t seconds = date - std::chrono::system_clock::to_time_t(now);
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kYear));
}

Status wait_for(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, time, [] { return false; });
  if (stop.stop_requested()) return fail(Code::kCancelled, "cancelled");
  return {};
}

Rounds::Rounds(std::vector<std::string> names, RetryOptions options, std::stop_token stop)
    : options_(options), stop_(std::move(stop)) {
  for (std::string& name : names) hosts_.push_back({.name = std::move(name), .error = {}});
}

Error Rounds::summary() const {
  if (hosts_.empty()) return {Code::kFailedPrecondition, "no host is configured for this"};
  Error error = hosts_.back().error.value_or(Error(Code::kUnavailable, "not asked"));
  std::string others;
  for (const Entry& host : hosts_) {
    if (&host == &hosts_.back() || !host.error) continue;
    others +=
        cat(others.empty() ? "" : "; ", "mirror ", quoted(host.name), ": ", host.error->message());
  }
  if (others.empty()) return error;
  return {error.code(), error.sys_errno(), cat(error.message(), " (before: ", others, ")")};
}

Status Rounds::pause() {
  static thread_local std::minstd_rand random{std::random_device{}()};
  auto whole =
      std::min(options_.longest_wait, options_.first_wait * (1 << std::min(round_ - 1, 20)));
  auto half = whole.count() / 2;
  milliseconds wait(half + std::uniform_int_distribution<std::int64_t>(0, half)(random));
  if (after_) wait = std::max(wait, std::min(*after_, options_.longest_retry_after));
  after_.reset();
  return wait_for(wait, stop_);
}

Result<std::size_t> Rounds::next() {
  if (started_) ++current_;
  started_ = true;
  for (;;) {
    for (; current_ < hosts_.size(); ++current_) {
      if (!hosts_[current_].out) return current_;
    }
    bool left = std::ranges::any_of(hosts_, [](const Entry& host) { return !host.out; });
    if (!left || ++round_ >= options_.rounds) return std::unexpected(summary());
    TRY(pause());
    current_ = 0;
  }
}

void Rounds::failed(Failure failure) {
  Entry& host = hosts_[current_];
  // A mirror is a convenience: two chances are enough for one that may only time out.
  bool is_mirror = current_ + 1 < hosts_.size();
  host.out = !failure.again || (is_mirror && round_ > 0);
  // The shortest: another host may be ready before.
  if (failure.after) after_ = after_ ? std::min(*after_, *failure.after) : *failure.after;
  host.error = std::move(failure.error);
}

void Rounds::progressed() { round_ = 0; }

}  // namespace dhow::registry
