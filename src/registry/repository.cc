// SPDX-License-Identifier: Apache-2.0
#include "registry/repository.h"

#include "base/hasher.h"
#include "base/strings.h"
#include "oci/image_codec.h"
#include "oci/json_value.h"
#include "registry/host_session.h"
#include "registry/manifest_media.h"

namespace dhow::registry {
namespace {

namespace media = oci::media_type;

bool can_pull(const HostSession& host) { return host.host().pull; }
bool can_resolve(const HostSession& host) { return host.host().resolve; }

Failure damaged(const HttpResponse& response, std::string_view why) {
  return {.error =
              Error(Code::kDataLoss, cat("GET ", quoted(response.url.safe_text()), ": ", why))};
}

}  // namespace

Headers manifest_accept() {
  return {
      {"Accept", join({std::string(media::kOciIndex), std::string(media::kOciManifest),
                       std::string(media::kDockerList), std::string(media::kDockerManifest), "*/*"},
                      ", ")}};
}

std::string media_type_of(const HttpResponse& response) {
  std::string_view value = response.headers.get("Content-Type");
  return lower_text(trim(value.substr(0, value.find(';'))));
}

bool is_manifest_media(std::string_view type) {
  return oci::is_index_type(type) || oci::is_manifest_type(type);
}

namespace {

// The type that a manifest says it has, or that its members show.
std::string media_type_inside(std::string_view content) {
  auto document = oci::JsonDocument::parse(content);
  if (!document.has_value()) return {};
  oci::JsonValue root = document->root();
  if (auto type = root.find("mediaType").as_string()) return std::string(*type);
  if (root.find("schemaVersion").as_int64() != 2) return {};
  if (!root.find("manifests").is_null()) return std::string(media::kOciIndex);
  if (!root.find("layers").is_null()) return std::string(media::kOciManifest);
  return {};
}

// What a HEAD says, when it says all that is needed.
std::optional<oci::Descriptor> from_head(const HttpResponse& head, std::string_view name) {
  oci::Descriptor descriptor;
  descriptor.media_type = media_type_of(head);
  auto size = parse_number<std::int64_t>(head.headers.get("Content-Length"));
  auto digest = Digest::parse(head.headers.get("Docker-Content-Digest"));
  auto wanted = Digest::parse(name);
  if (!size || *size <= 0 || !is_manifest_media(descriptor.media_type)) return std::nullopt;
  if (wanted.has_value()) {
    // One that has another for it is to show it.
    if (digest.has_value() && *digest != *wanted) return std::nullopt;
    digest = wanted;
  }
  if (!digest.has_value()) return std::nullopt;
  descriptor.digest = *digest;
  descriptor.size = *size;
  return descriptor;
}

}  // namespace

Repository::Repository(oci::Reference reference, HttpClient& http,
                       std::vector<std::shared_ptr<HostSession>> hosts, RetryOptions retry)
    : reference_(std::move(reference)), http_(&http), hosts_(std::move(hosts)), retry_(retry) {}

std::string Repository::named(std::string_view what) const {
  return cat(what, " of ", quoted(reference_.name()));
}

std::vector<std::shared_ptr<HostSession>> Repository::hosts_for(Capability capability) const {
  std::vector<std::shared_ptr<HostSession>> able;
  for (const auto& host : hosts_) {
    if (capability(*host)) able.push_back(host);
  }
  return able;
}

Status Repository::over_hosts(Capability capability, std::string_view what,
                              const std::stop_token& stop, const Attempt& attempt) const {
  auto hosts = hosts_for(capability);
  std::vector<std::string> names;
  for (const auto& host : hosts) names.push_back(host->name());
  Rounds rounds(std::move(names), retry_, stop);
  for (;;) {
    Result<std::size_t> index = rounds.next();
    if (!index.has_value())
      return std::unexpected(std::move(index).error().add_context(named(what)));
    auto done = attempt(*hosts[*index]);
    if (done.has_value()) return {};
    if (done.error().error.code() == Code::kCancelled) {
      return std::unexpected(std::move(done.error().error).add_context(named(what)));
    }
    rounds.failed(std::move(done.error()));
  }
}

std::expected<FetchedManifest, Failure> Repository::get_manifest(
    HostSession& host, std::string_view name, const std::stop_token& stop) const {
  auto response = host.ask({.url = host.url(cat("manifests/", name)),
                            .headers = manifest_accept(),
                            .body_limit = oci::kMaxManifest},
                           ScopeSet::pull(reference_.path), stop);
  if (!response.has_value()) return std::unexpected(std::move(response.error()));
  FetchedManifest manifest{.descriptor = {}, .content = std::move(response->body)};
  // By the digest that was asked for, or the one that the registry names.
  auto expected = Digest::parse(name);
  if (!expected.has_value()) {
    expected = Digest::parse(response->headers.get("Docker-Content-Digest"));
  }
  Hasher hasher(expected.has_value() ? expected->algorithm() : "sha256");
  hasher.update(manifest.content);
  Digest found = hasher.finish();
  if (expected.has_value() && found != *expected) {
    return std::unexpected(
        damaged(*response, cat("the content is ", found.text(), ", not ", expected->text())));
  }
  std::string type = media_type_of(*response);
  if (!is_manifest_media(type)) type = media_type_inside(manifest.content);
  if (!is_manifest_media(type)) {
    return std::unexpected(Failure{
        .error = Error(Code::kUnimplemented, cat("GET ", quoted(response->url.safe_text()),
                                                 ": neither an image manifest nor an index: ",
                                                 quoted(media_type_of(*response))))});
  }
  manifest.descriptor.media_type = std::move(type);
  manifest.descriptor.digest = std::move(found);
  manifest.descriptor.size = static_cast<std::int64_t>(manifest.content.size());
  return manifest;
}

Result<oci::Descriptor> Repository::resolve(std::string_view name, std::stop_token stop) const {
  oci::Descriptor found;
  TRY(over_hosts(can_resolve, cat("resolve ", quoted(name)), stop,
                 [&](HostSession& host) -> std::expected<void, Failure> {
                   auto head = host.ask({.method = "HEAD",
                                         .url = host.url(cat("manifests/", name)),
                                         .headers = manifest_accept()},
                                        ScopeSet::pull(reference_.path), stop, {400, 405, 501});
                   if (!head.has_value()) return std::unexpected(std::move(head.error()));
                   auto descriptor = head->ok() ? from_head(*head, name) : std::nullopt;
                   if (!descriptor) {
                     auto manifest = get_manifest(host, name, stop);
                     if (!manifest.has_value()) return std::unexpected(std::move(manifest.error()));
                     descriptor = std::move(manifest->descriptor);
                   }
                   found = std::move(*descriptor);
                   return {};
                 }));
  return found;
}

Result<FetchedManifest> Repository::fetch_manifest(std::string_view name,
                                                   std::stop_token stop) const {
  FetchedManifest found;
  TRY(over_hosts(can_pull, cat("fetch the manifest ", quoted(name)), stop,
                 [&](HostSession& host) -> std::expected<void, Failure> {
                   auto manifest = get_manifest(host, name, stop);
                   if (!manifest.has_value()) return std::unexpected(std::move(manifest.error()));
                   found = std::move(*manifest);
                   return {};
                 }));
  return found;
}

Result<FetchedManifest> Repository::fetch_manifest(const oci::Descriptor& descriptor,
                                                   std::stop_token stop) const {
  if (descriptor.size > static_cast<std::int64_t>(oci::kMaxManifest)) {
    return fail(Code::kOutOfRange,
                named(cat("fetch the manifest ", descriptor.digest.text(), " (", descriptor.size,
                          " bytes, ", oci::kMaxManifest, " are allowed)")));
  }
  TRY_ASSIGN(FetchedManifest manifest, fetch_manifest(descriptor.digest.text(), stop));
  if (descriptor.size != 0 && manifest.descriptor.size != descriptor.size) {
    return fail(Code::kDataLoss,
                cat(named(cat("fetch the manifest ", descriptor.digest.text())), ": it has ",
                    manifest.descriptor.size, " bytes, not ", descriptor.size));
  }
  return manifest;
}

}  // namespace dhow::registry
