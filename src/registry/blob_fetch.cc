// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "registry/content_range.h"
#include "registry/host_session.h"
#include "registry/repository.h"

namespace dhow::registry {
namespace {

// That much more of a blob and the failures before it are forgiven: a bad line gets there in the
// end, and a server that sends a byte at a time does not keep us for ever.
constexpr std::int64_t kWorthwhile = 256 << 10;

bool can_pull(const HostSession& host) { return host.host().pull; }

}  // namespace

// Bytes of a blob on their way in: knows how far they are, and drops what is there already.
class Transfer final : public BodySink {
 public:
  enum class Ask { kRest, kPart };
  // The bytes from `begin` to before `end`, which is the blob's unless it is a part.
  Transfer(const oci::Descriptor& descriptor, std::int64_t begin, std::int64_t end, Ask ask,
           BlobWriter& writer, const Progress& progress)
      : descriptor_(descriptor),
        begin_(begin),
        end_(end),
        is_part_(ask == Ask::kPart),
        reached_(begin),
        writer_(writer),
        progress_(progress) {}

  std::int64_t reached() const { return reached_; }
  bool complete() const { return reached_ == end_; }
  bool writer_failed() const { return writer_failed_; }
  // What to ask for; "": for all.
  std::string range() const {
    if (is_part_) return cat("bytes=", reached_, "-", end_ - 1);
    return reached_ > 0 ? cat("bytes=", reached_, "-") : "";
  }

  Status begin(const HttpResponse& head) override;
  Status write(std::string_view data) override;

 private:
  Status wrong(std::string_view why) const {
    return fail(Code::kDataLoss, cat("blob ", descriptor_.digest.text(), ": ", why));
  }

  const oci::Descriptor& descriptor_;
  const std::int64_t begin_;
  const std::int64_t end_;
  const bool is_part_;
  std::int64_t reached_;
  BlobWriter& writer_;
  const Progress& progress_;
  std::int64_t skip_ = 0;
  bool writer_failed_ = false;
};

Status Transfer::begin(const HttpResponse& head) {
  std::int64_t first = 0;
  std::optional<std::int64_t> total;
  if (head.status == 206) {
    auto range = parse_content_range(head.headers.get("Content-Range"));
    if (!range) return wrong("the answer to a range does not say which one it is");
    first = range->first;
    total = range->total;
  } else if (is_part_ && begin_ > 0) {
    // Others fetch what is before it.
    return fail(Code::kUnimplemented,
                cat("GET ", quoted(head.url.safe_text()), ": the host knows no ranges"));
  } else {
    total = parse_number<std::int64_t>(head.headers.get("Content-Length"));
  }
  if (total && *total != descriptor_.size) {
    return wrong(cat("the registry has ", *total, " bytes, not ", descriptor_.size));
  }
  if (first > reached_) {
    return wrong(cat("asked for byte ", reached_, ", got it from ", first, " on"));
  }
  skip_ = reached_ - first;
  return {};
}

Status Transfer::write(std::string_view data) {
  auto dropped = std::min(skip_, static_cast<std::int64_t>(data.size()));
  skip_ -= dropped;
  data.remove_prefix(static_cast<std::size_t>(dropped));
  if (data.empty()) return {};
  std::int64_t room = end_ - reached_;
  bool more = static_cast<std::int64_t>(data.size()) > room;
  if (more && !is_part_) return wrong(cat("there are more than ", descriptor_.size, " bytes"));
  if (more) data = data.substr(0, static_cast<std::size_t>(room));
  if (Status status = writer_.write(data); !status.has_value()) {
    writer_failed_ = true;
    return status;
  }
  reached_ += static_cast<std::int64_t>(data.size());
  if (progress_) progress_(reached_);
  if (more) return fail(Code::kAborted, "the rest is not wanted");
  return {};
}

namespace {

// How one place is asked: a host with its login, or the URL of a foreign layer.
using Ask = std::function<std::expected<HttpResponse, Failure>(HttpRequest)>;

std::expected<void, Failure> fetch_once(Transfer& transfer, const Url& url, const Ask& ask) {
  std::string range = transfer.range();
  for (bool ranged = !range.empty();; ranged = false) {
    // As it is: its digest is of the bytes that are stored.
    HttpRequest request{
        .url = url, .headers = {{"Accept-Encoding", "identity"}}, .sink = &transfer};
    if (ranged) request.headers.add("Range", range);
    auto response = ask(std::move(request));
    if (transfer.complete()) return {};
    if (!response.has_value()) return std::unexpected(std::move(response.error()));
    if (response->status == 416) {
      if (ranged) continue;  // it knows better without
      return std::unexpected(status_failure("GET", *response));
    }
    return std::unexpected(Failure{
        .error = Error(Code::kUnavailable, cat("GET ", quoted(url.safe_text()), ": it ended after ",
                                               transfer.reached(), " bytes")),
        .again = true});
  }
}

// Goes over places until the blob is complete. The outer failure is final; the inner one is that of
// all places.
struct Places {
  std::vector<std::string> names;
  std::function<std::expected<void, Failure>(std::size_t)> fetch;
};

Status fetch_over(Places places, Transfer& transfer, const RetryOptions& retry,
                  const std::stop_token& stop) {
  Rounds rounds(std::move(places.names), retry, stop);
  while (!transfer.complete()) {
    TRY_ASSIGN(std::size_t index, rounds.next());
    std::int64_t before = transfer.reached();
    auto done = places.fetch(index);
    if (done.has_value()) continue;
    if (transfer.writer_failed() || done.error().error.code() == Code::kCancelled) {
      return std::unexpected(std::move(done.error().error));
    }
    if (transfer.reached() - before >= kWorthwhile) rounds.progressed();
    rounds.failed(std::move(done.error()));
  }
  return {};
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view value) {
  value = trim(value);
  if (!value.starts_with("bytes ")) return std::nullopt;
  value = trim(value.substr(6));
  auto slash = value.find('/');
  auto dash = value.find('-');
  if (slash == std::string_view::npos || dash > slash) return std::nullopt;
  auto first = parse_number<std::int64_t>(value.substr(0, dash));
  auto last = parse_number<std::int64_t>(value.substr(dash + 1, slash - dash - 1));
  std::string_view size = value.substr(slash + 1);
  auto total = parse_number<std::int64_t>(size);
  if (!first || !last || *first < 0 || *last < *first) return std::nullopt;
  if (size != "*" && (!total || *total <= *last)) return std::nullopt;
  return ContentRange{.first = *first, .last = *last, .total = total};
}

Status Repository::fetch_foreign(Transfer& transfer, const std::vector<std::string>& places_named,
                                 const std::stop_token& stop) const {
  // Plain only for who has a plain registry: a manifest is somebody else's word.
  bool plain = !hosts_.empty() && (hosts_.back()->host().base.scheme == "http" ||
                                   hosts_.back()->host().plain_fallback);
  std::vector<Url> urls;
  Places places;
  for (const std::string& text : places_named) {
    auto url = Url::parse(text);
    if (!url.has_value() || (url->scheme == "http" && !plain)) continue;
    places.names.push_back(url->authority());
    urls.push_back(std::move(*url));
  }
  places.fetch = [&](std::size_t index) {
    return fetch_once(transfer, urls[index],
                      [&](HttpRequest request) -> std::expected<HttpResponse, Failure> {
                        Result<HttpResponse> response = http_->send(std::move(request), stop);
                        if (!response.has_value())
                          return std::unexpected(transport_failure(response.error()));
                        if (response->ok() || response->status == 416) return std::move(*response);
                        return std::unexpected(status_failure("GET", *response));
                      });
  };
  return fetch_over(std::move(places), transfer, retry_, stop);
}

Status Repository::fetch_from_hosts(Transfer& transfer, const Digest& digest,
                                    const std::stop_token& stop) const {
  auto hosts = hosts_for(can_pull);
  Places places;
  for (const auto& host : hosts) places.names.push_back(host->name());
  places.fetch = [&](std::size_t index) {
    HostSession& host = *hosts[index];
    return fetch_once(transfer, host.url(cat("blobs/", digest.text())), [&](HttpRequest request) {
      return host.ask(std::move(request), ScopeSet::pull(reference_.path), stop, {416});
    });
  };
  return fetch_over(std::move(places), transfer, retry_, stop);
}

Status Repository::fetch_blob(const oci::Descriptor& descriptor, std::int64_t offset,
                              BlobWriter& writer, const Progress& progress,
                              std::stop_token stop) const {
  std::string what = named(cat("fetch the blob ", descriptor.digest.text()));
  if (offset < 0 || offset > descriptor.size) {
    return fail(Code::kInvalidArgument,
                cat(what, ": there is no byte ", offset, " of ", descriptor.size));
  }
  Transfer transfer(descriptor, offset, descriptor.size, Transfer::Ask::kRest, writer, progress);
  Status status = fetch_from_hosts(transfer, descriptor.digest, stop);
  bool elsewhere = !status.has_value() && status.error().code() == Code::kNotFound &&
                   !transfer.writer_failed() && oci::is_foreign_layer(descriptor.media_type) &&
                   !descriptor.urls.empty();
  if (elsewhere) status = fetch_foreign(transfer, descriptor.urls, stop);
  if (!status.has_value()) return std::unexpected(std::move(status).error().add_context(what));
  return {};
}

Status Repository::fetch_blob_part(const oci::Descriptor& descriptor, std::int64_t begin,
                                   std::int64_t end, BlobWriter& writer,
                                   std::stop_token stop) const {
  std::string what = named(cat("fetch the blob ", descriptor.digest.text()));
  if (begin < 0 || begin > end || end > descriptor.size) {
    return fail(Code::kInvalidArgument,
                cat(what, ": there are no bytes ", begin, " to ", end, " of ", descriptor.size));
  }
  Progress nobody;
  Transfer transfer(descriptor, begin, end, Transfer::Ask::kPart, writer, nobody);
  TRY_CONTEXT(fetch_from_hosts(transfer, descriptor.digest, stop), what);
  return {};
}

}  // namespace dhow::registry
