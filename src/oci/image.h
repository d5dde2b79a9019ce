// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "oci/platform.h"

// The types of the image specification 1.1 and of docker's image manifest version 2, schema 2.
// Names of fields are the specification's; a text that is "" and a list that is empty are absent.
namespace dhow::oci {

// What some content is, and how to fetch and check it (descriptor.md).
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::int64_t size = 0;  // bytes, not negative
  std::vector<std::string> urls;
  std::string data;  // the content itself, decoded
  std::string artifact_type;
  std::map<std::string, std::string> annotations;
  std::optional<Platform> platform;

  bool operator==(const Descriptor&) const = default;
};

// One image or artifact (manifest.md).
struct Manifest {
  std::string media_type;
  std::string artifact_type;
  Descriptor config;
  std::vector<Descriptor> layers;  // the lowest first
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

// Several manifests, as a rule of one image for several platforms (image-index.md).
struct Index {
  std::string media_type;
  std::string artifact_type;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

// docker's addition to the configuration; durations in nanoseconds, 0: the default.
struct Healthcheck {
  std::vector<std::string> test;
  std::int64_t interval = 0;
  std::int64_t timeout = 0;
  std::int64_t start_period = 0;
  std::int64_t start_interval = 0;
  std::int64_t retries = 0;

  bool operator==(const Healthcheck&) const = default;
};

// What a container of the image runs when not told otherwise (config.md, "config").
struct ImageConfig {
  std::string user;
  std::vector<std::string> exposed_ports;  // "80/tcp", sorted
  std::vector<std::string> env;
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> cmd;
  std::vector<std::string> volumes;  // paths, sorted
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  bool args_escaped = false;
  std::optional<Healthcheck> healthcheck;
  std::vector<std::string> on_build;
  std::vector<std::string> shell;
  std::optional<std::int64_t> stop_timeout;  // seconds
};

// A step that made the image.
struct History {
  std::string created;  // RFC 3339
  std::string author;
  std::string created_by;
  std::string comment;
  bool empty_layer = false;

  bool operator==(const History&) const = default;
};

// The configuration of an image (config.md).
struct Image {
  std::string created;  // RFC 3339
  std::string author;
  Platform platform;
  ImageConfig config;
  std::vector<Digest> diff_ids;  // of the unpacked layers, the lowest first
  std::vector<History> history;
};

namespace media_type {
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciEmpty = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kDockerLayerZstd =
    "application/vnd.docker.image.rootfs.diff.tar.zstd";
inline constexpr std::string_view kDockerForeignLayer =
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}  // namespace media_type

enum class Compression { kNone, kGzip, kZstd };

// Whether a media type is that of an index or manifest list, or of one image's manifest.
bool is_index_type(std::string_view media_type);
bool is_manifest_type(std::string_view media_type);
// How a layer is packed by its media type; none for what is no layer. Parameters that are no
// compression, as "+encrypted", make it no layer.
std::optional<Compression> layer_compression(std::string_view media_type);
// Layers that registries need not hold: fetched from the URLs of their descriptor, and not pushed.
bool is_foreign_layer(std::string_view media_type);

// An image layout (image-layout.md): the file that says that it is one, what is in that, and where
// a blob is.
inline constexpr std::string_view kLayoutFile = "oci-layout";
inline constexpr std::string_view kLayoutContent = R"({"imageLayoutVersion":"1.0.0"})";
std::string layout_path(const Digest& blob);

// Names each layer together with all below it (config.md, "Layer ChainID"): the chain id of the
// first is its diff id, of the next sha256("<chain id below> <diff id>").
std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids);

// The best manifest for a platform, the first of equals; those without a platform come last, and
// attestations are never one. None: npos.
std::size_t choose_manifest(const Index& index, const Platform& wanted);
inline constexpr std::size_t kNoManifest = static_cast<std::size_t>(-1);

}  // namespace dhow::oci
