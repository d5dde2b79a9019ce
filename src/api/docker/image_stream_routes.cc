// SPDX-License-Identifier: Apache-2.0
// Images on their way: pull, push_image, save_images, load_images, import.
#include "api/docker/door.h"
#include "api/docker/image_query.h"
#include "api/docker/lazy_sink.h"
#include "api/docker/progress_stream.h"
#include "api/docker/request_params.h"
#include "base/strings.h"
#include "oci/json.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

Status pull_image(const ExchangePtr& exchange, const Services& services) {
  engine::PullRequest request;
  request.name = joined_name(exchange->query().get("fromImage"), exchange->query().get("tag"));
  TRY_ASSIGN(oci::Reference name, oci::parse_reference(request.name));
  TRY_ASSIGN(request.platform, parse_platform_text(exchange->query().get("platform")));
  request.credentials = request_credentials(*exchange, name.domain);
  auto stream = std::make_shared<ProgressStream>(exchange, ProgressStream::Kind::kPull);
  request.begin = [&](const oci::Reference& reference) {
    std::string tag = reference.digest.empty() ? reference.tag : reference.digest.text();
    std::string path = reference.domain == "docker.io" ? reference.path : reference.familiar_name();
    if (reference.domain != "docker.io") path = reference.path;
    stream->status_later(cat("Pulling from ", path), std::move(tag));
  };
  request.progress = [&](const engine::ProgressEvent& event) { stream->progress(event); };
  request.end = [&](const oci::Reference& reference, const Digest& digest, bool is_new) {
    stream->status(cat("Digest: ", digest.text()));
    stream->status(
        cat("Status: ", is_new ? "Downloaded newer image for " : "Image is up to date for ",
            reference.familiar()));
  };
  return stream->finish(services.images.pull(request, stream->stop()));
}

Status import_from_url(const ExchangePtr& exchange, const Services& services, std::string url,
                       engine::Images::ImportRequest request) {
  if (url.find("://") == std::string::npos) url = "http://" + url;
  auto stream = std::make_shared<ProgressStream>(exchange, ProgressStream::Kind::kPull);
  auto imported = services.images.import_url(
      url, std::move(request), [&] { stream->status(cat("Downloading from ", url)); },
      stream->stop());
  if (imported) stream->status(imported->text());
  return stream->finish(imported ? Status() : Status(fail(std::move(imported).error())));
}

Status import_image(const ExchangePtr& exchange, const Services& services) {
  engine::Images::ImportRequest request;
  request.name = joined_name(exchange->query().get("repo"), exchange->query().get("tag"));
  request.message = exchange->query().get("message");
  request.changes = exchange->query().all("changes");
  TRY_ASSIGN(request.platform, parse_platform_text(exchange->query().get("platform")));
  std::string source(exchange->query().get("fromSrc"));
  if (source.empty()) return fail(Code::kInvalidArgument, "fromImage and fromSrc are both empty");
  if (source != "-") {
    return import_from_url(exchange, services, std::move(source), std::move(request));
  }
  TRY_ASSIGN(Digest id, services.images.import_rootfs(exchange->body_stream(), request));
  JsonWriter json;
  json.begin_object().member("status", id.text()).end_object();
  exchange->respond(Response::json(json.text() + "\r\n"));
  return {};
}

Status create_image(const ExchangePtr& exchange, const Services& services) {
  if (!exchange->query().get("fromImage").empty()) return pull_image(exchange, services);
  return import_image(exchange, services);
}

Status push_image(const ExchangePtr& exchange, const Match& match, const Services& services) {
  engine::PushRequest request;
  request.name = match[0];
  request.tag = exchange->query().get("tag");
  TRY_ASSIGN(oci::Reference name, oci::parse_reference(request.name));
  TRY_ASSIGN(request.platform, parse_platform_json(exchange->query().get("platform")));
  request.credentials = request_credentials(*exchange, name.domain);
  auto stream = std::make_shared<ProgressStream>(exchange, ProgressStream::Kind::kPush);
  request.begin = [&](const oci::Reference& reference) {
    stream->status_later(cat("The push refers to repository [", reference.name(), "]"), {});
  };
  request.progress = [&](const engine::ProgressEvent& event) { stream->progress(event); };
  request.end = [&](const oci::Reference& reference, const oci::Descriptor& pushed) {
    stream->status(cat(reference.tag, ": digest: ", pushed.digest.text(), " size: ", pushed.size));
    JsonWriter json;
    json.begin_object().key("progressDetail").begin_object().end_object();
    json.key("aux").begin_object().member("Tag", reference.tag);
    json.member("Digest", pushed.digest.text()).member_number("Size", pushed.size);
    json.end_object().end_object();
    stream->line(json.text());
  };
  return stream->finish(services.images.push(request, stream->stop()));
}

Status save_images(const ExchangePtr& exchange, const std::vector<std::string>& names,
                   const Services& services) {
  if (names.empty()) return fail(Code::kInvalidArgument, "no image was named");
  std::vector<std::string> platforms = exchange->query().all("platform");
  if (platforms.size() > 1) {
    return fail(Code::kUnimplemented, "saving several platforms at once is not supported");
  }
  TRY_ASSIGN(auto platform,
             parse_platform_json(platforms.empty() ? std::string() : platforms.front()));
  LazySink sink(*exchange, {200, "application/x-tar", {}, {}});
  TRY(services.images.save(names, platform, sink));
  return sink.finish();
}

Status load_images(const ExchangePtr& exchange, const Services& services) {
  TRY_ASSIGN(std::vector<engine::ImageEntry> loaded, services.images.load(exchange->body_stream()));
  std::string lines;
  for (const engine::ImageEntry& image : loaded) {
    std::vector<std::string> texts;
    for (const oci::Reference& name : image.names) {
      texts.push_back(cat("Loaded image: ", name.familiar(), "\n"));
    }
    if (texts.empty()) texts.push_back(cat("Loaded image ID: ", image.id().text(), "\n"));
    for (const std::string& text : texts) {
      JsonWriter json;
      json.begin_object().member("stream", text).end_object();
      lines += json.text() + "\r\n";
    }
  }
  exchange->respond(Response::json(std::move(lines)));
  return {};
}

}  // namespace

void add_image_stream_routes(Router& router, const Services& services) {
  router.add({.method = "POST",
              .pattern = "/images/create",
              .handler = [&services](const ExchangePtr& exchange,
                                     const Match&) { return create_image(exchange, services); },
              .streams_body = true});
  router.add({.method = "POST",
              .pattern = "/images/load",
              .handler = [&services](const ExchangePtr& exchange,
                                     const Match&) { return load_images(exchange, services); },
              .streams_body = true});
  router.add({.method = "POST",
              .pattern = "/images/{*}/push",
              .handler = [&services](const ExchangePtr& exchange, const Match& match) {
                return push_image(exchange, match, services);
              }});
  router.add({.method = "GET",
              .pattern = "/images/get",
              .handler = [&services](const ExchangePtr& exchange, const Match&) {
                return save_images(exchange, exchange->query().all("names"), services);
              }});
  router.add({.method = "GET",
              .pattern = "/images/{*}/get",
              .handler = [&services](const ExchangePtr& exchange, const Match& match) {
                return save_images(exchange, {match[0]}, services);
              }});
}

}  // namespace dhow::api::docker
