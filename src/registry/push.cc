// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/hasher.h"
#include "base/strings.h"
#include "oci/image_codec.h"
#include "oci/json_value.h"
#include "registry/host_session.h"
#include "registry/repository.h"
#include "registry/upload.h"

namespace dhow::registry {
namespace {

bool can_push(const HostSession& host) { return host.host().push; }

}  // namespace

Result<std::shared_ptr<HostSession>> Repository::push_host() const {
  auto hosts = hosts_for(can_push);
  if (hosts.empty()) {
    return fail(Code::kFailedPrecondition,
                cat("no host of ", quoted(reference_.domain), " is configured for pushing"));
  }
  return std::move(hosts.front());
}

Result<bool> Repository::has_blob(const Digest& digest, std::stop_token stop) const {
  TRY_ASSIGN(auto host, push_host());
  Rounds rounds({host->name()}, retry_, stop);
  for (;;) {
    auto next = rounds.next();
    if (!next.has_value()) {
      return std::unexpected(
          std::move(next).error().add_context(named(cat("look for the blob ", digest.text()))));
    }
    auto response = host->ask({.method = "HEAD", .url = host->url(cat("blobs/", digest.text()))},
                              ScopeSet::push(reference_.path), stop, {404});
    if (response.has_value()) return response->ok();
    rounds.failed(std::move(response.error()));
  }
}

Result<bool> Repository::mount_blob(const Digest& digest, std::string_view from,
                                    std::stop_token stop) const {
  TRY_ASSIGN(auto host, push_host());
  ScopeSet scopes = ScopeSet::push(reference_.path);
  scopes.add(ScopeSet::pull(from));
  Url url = host->url("blobs/uploads/");
  url.add_query("mount", digest.text());
  url.add_query("from", from);
  Rounds rounds({host->name()}, retry_, stop);
  for (;;) {
    auto next = rounds.next();
    if (!next.has_value()) {
      return std::unexpected(std::move(next).error().add_context(
          named(cat("mount the blob ", digest.text(), " of ", quoted(from), " as one"))));
    }
    // Who may not read the other repository has to upload.
    auto response =
        host->ask({.method = "POST", .url = url}, scopes, stop, {400, 401, 403, 404, 405});
    if (!response.has_value()) {
      rounds.failed(std::move(response.error()));
      continue;
    }
    if (response->status == 201) return true;
    if (response->status == 202) {
      // An upload was begun that nobody goes on with; the server ends it in time anyway.
      auto location = HostSession::follow(*response, response->headers.get("Location"));
      if (location.has_value()) {
        std::ignore = host->send({.method = "DELETE", .url = *location}, scopes, stop);
      }
    }
    return false;
  }
}

Status Repository::upload_blob(const oci::Descriptor& descriptor, BodySource& content,
                               const UploadOptions& options, std::stop_token stop) const {
  std::string what = named(cat("upload the blob ", descriptor.digest.text(), " as one"));
  if (content.size() != descriptor.size) {
    return fail(Code::kInvalidArgument,
                cat(what, ": it has ", content.size(), " bytes, not ", descriptor.size));
  }
  TRY_ASSIGN(auto host, push_host());
  Upload upload(*host, descriptor, content, options, stop);
  Rounds rounds({host->name()}, retry_, stop);
  for (;;) {
    auto next = rounds.next();
    if (!next.has_value()) {
      upload.abandon();
      return std::unexpected(std::move(next).error().add_context(what));
    }
    std::int64_t before = upload.confirmed();
    auto done = upload.attempt();
    if (done.has_value()) return {};
    if (upload.confirmed() > before) rounds.progressed();
    rounds.failed(std::move(done.error()));
  }
}

Result<oci::Descriptor> Repository::put_manifest(std::string_view content,
                                                 std::string_view media_type, std::string_view tag,
                                                 std::stop_token stop) const {
  TRY_ASSIGN(auto host, push_host());
  oci::Descriptor descriptor;
  descriptor.media_type = media_type;
  descriptor.digest = digest_of(content);
  descriptor.size = static_cast<std::int64_t>(content.size());
  std::string name = tag.empty() ? descriptor.digest.text() : std::string(tag);
  std::string what = named(cat("push the manifest ", quoted(name)));
  // Only one that refers to another has to be understood.
  std::optional<oci::Descriptor> subject;
  auto document = oci::JsonDocument::parse(content);
  if (document.has_value() && !document->root().find("subject").is_null()) {
    TRY_ASSIGN(oci::ManifestOrIndex parsed, oci::parse_manifest_or_index(content, media_type));
    std::visit(
        [&](const auto& manifest) {
          subject = manifest.subject;
          descriptor.artifact_type = manifest.artifact_type;
          descriptor.annotations = manifest.annotations;
        },
        parsed);
    auto* manifest = std::get_if<oci::Manifest>(&parsed);
    if (manifest != nullptr && descriptor.artifact_type.empty()) {
      descriptor.artifact_type = manifest->config.media_type;
    }
  }
  Rounds rounds({host->name()}, retry_, stop);
  for (;;) {
    auto next = rounds.next();
    if (!next.has_value()) return std::unexpected(std::move(next).error().add_context(what));
    TextBody body(content);
    auto response = host->ask({.method = "PUT",
                               .url = host->url(cat("manifests/", name)),
                               .headers = {{"Content-Type", std::string(media_type)}},
                               .body = &body},
                              ScopeSet::push(reference_.path), stop);
    if (!response.has_value()) {
      rounds.failed(std::move(response.error()));
      continue;
    }
    auto stored = Digest::parse(response->headers.get("Docker-Content-Digest"));
    if (stored.has_value() && stored->algorithm() == "sha256" && *stored != descriptor.digest) {
      return fail(Code::kDataLoss, cat(what, ": the registry stored ", stored->text(), ", not ",
                                       descriptor.digest.text()));
    }
    if (subject && response->headers.get("OCI-Subject").empty()) {
      TRY_CONTEXT(add_referrer(*host, *subject, descriptor, stop), what);
    }
    return descriptor;
  }
}

Status Repository::add_referrer(HostSession& host, const oci::Descriptor& subject,
                                const oci::Descriptor& referrer,
                                const std::stop_token& stop) const {
  std::string tag = referrers_tag(subject.digest);
  oci::Index index;
  auto old = get_manifest(host, tag, stop);
  if (old.has_value()) {
    TRY_ASSIGN(index, oci::parse_index(old->content, old->descriptor.media_type));
  } else if (old.error().error.code() != Code::kNotFound) {
    return std::unexpected(std::move(old.error().error));
  }
  for (const oci::Descriptor& known : index.manifests) {
    if (known.digest == referrer.digest) return {};
  }
  index.media_type = oci::media_type::kOciIndex;
  index.subject.reset();  // or this list would have a list of its own
  index.manifests.push_back(referrer);
  TRY(put_manifest(oci::index_json(index), index.media_type, tag, stop));
  return {};
}

}  // namespace dhow::registry
