// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/rpc.h"

#include "base/protobuf.h"
#include "base/strings.h"

namespace dhow::criu {
namespace {

// A pair of texts is a message of its own, with the fields 1 and 2.
ProtoWriter pair_of(std::string_view first, std::string_view second) {
  ProtoWriter pair;
  pair.text(1, first).text(2, second);
  return pair;
}

void encode_texts(ProtoWriter& writer, const Options& options) {
  auto given = [&](std::uint32_t field, const std::string& value) {
    if (!value.empty()) writer.text(field, value);
  };
  given(10, options.log_file);
  given(13, options.root);
  given(14, options.parent_image);
  given(44, options.freeze_cgroup);
  given(51, options.config_file);
  given(53, options.lsm_profile);
  given(63, options.lsm_mount_context);
}

void encode_switches(ProtoWriter& writer, const Options& options) {
  auto given = [&](std::uint32_t field, bool value) {
    if (value) writer.boolean(field, true);
  };
  given(3, options.leave_running);
  given(4, options.external_unix_sockets);
  given(5, options.tcp_established);
  given(6, options.evasive_devices);
  given(7, options.shell_job);
  given(8, options.file_locks);
  given(12, options.notify);
  given(15, options.track_memory);
  given(16, options.auto_dedup);
  given(18, options.link_remap);
  given(26, options.restore_as_sibling);
  given(46, options.tcp_skip_in_flight);
  given(48, options.lazy_pages);
  given(50, options.orphan_pts_master);
  given(52, options.tcp_close);
}

void encode_lists(ProtoWriter& writer, const Options& options) {
  for (const ExternalMount& mount : options.external_mounts) {
    writer.message(23, pair_of(mount.key, mount.value));
  }
  for (const CgroupRoot& root : options.cgroup_roots) {
    ProtoWriter entry;
    if (!root.controller.empty()) entry.text(1, root.controller);
    writer.message(25, entry.text(2, root.path));
  }
  for (const InheritedFd& inherited : options.inherited_fds) {
    ProtoWriter entry;
    writer.message(27, entry.text(1, inherited.key).signed_number(2, inherited.fd));
  }
  for (const std::string& object : options.external) writer.text(37, object);
  for (const JoinedNamespace& joined : options.joined_namespaces) {
    writer.message(39, pair_of(joined.kind, joined.file));
  }
}

ProtoWriter encode_options(const Options& options) {
  ProtoWriter writer;
  writer.signed_number(1, options.images_fd);
  if (options.pid != 0) writer.signed_number(2, options.pid);
  writer.signed_number(9, options.log_level);
  if (options.work_fd >= 0) writer.signed_number(17, options.work_fd);
  if (options.page_server) {
    ProtoWriter server;
    server.text(1, options.page_server->address).signed_number(2, options.page_server->port);
    writer.message(11, server);
  }
  if (options.cgroup_mode) {
    // Older versions only know whether at all (24).
    writer.boolean(24, *options.cgroup_mode != CgroupMode::kIgnore);
    writer.number(34, static_cast<std::uint32_t>(*options.cgroup_mode));
  }
  if (options.empty_namespaces != 0) writer.number(38, options.empty_namespaces);
  if (options.status_fd) writer.signed_number(49, *options.status_fd);
  if (options.network_lock) writer.number(64, static_cast<std::uint32_t>(*options.network_lock));
  encode_texts(writer, options);
  encode_switches(writer, options);
  encode_lists(writer, options);
  return writer;
}

// Calls `take` with each field of a message.
template <typename Take>
Status for_each_field(std::string_view bytes, Take take) {
  ProtoReader reader(bytes);
  while (true) {
    TRY_ASSIGN(auto field, reader.next());
    if (!field) return {};
    TRY(take(*field));
  }
}

Status decode_notice(std::string_view bytes, Response& response) {
  return for_each_field(bytes, [&](const ProtoField& field) -> Status {
    if (field.number == 1) response.script = field.bytes;
    if (field.number == 2) response.pid = field.int32();
    return {};
  });
}

Status decode_restored(std::string_view bytes, Response& response) {
  return for_each_field(bytes, [&](const ProtoField& field) -> Status {
    if (field.number == 1) response.pid = field.int32();
    return {};
  });
}

Status decode_features(std::string_view bytes, Response& response) {
  return for_each_field(bytes, [&](const ProtoField& field) -> Status {
    if (field.number == 1) response.features.memory_tracking = field.boolean();
    if (field.number == 2) response.features.lazy_pages = field.boolean();
    return {};
  });
}

Status decode_version(std::string_view bytes, Response& response) {
  int major = 0, minor = 0, patch = 0;
  bool between_releases = false;
  TRY(for_each_field(bytes, [&](const ProtoField& field) -> Status {
    auto part = static_cast<int>(field.uint32() % 1000);
    if (field.number == 1) major = part;
    if (field.number == 2) minor = part;
    if (field.number == 3) between_releases = !field.bytes.empty();
    if (field.number == 4) patch = part;
    return {};
  }));
  // Built from the sources of the next release: it has what that has.
  if (between_releases) {
    ++minor;
    patch = 0;
  }
  response.version = major * 10'000 + minor * 100 + patch;
  return {};
}

Status decode_field(const ProtoField& field, Response& response) {
  switch (field.number) {
    case 1:
      response.type = static_cast<RequestType>(field.uint32());
      return {};
    case 2:
      response.success = field.boolean();
      return {};
    case 4:
      return decode_restored(field.bytes, response);
    case 5:
      return decode_notice(field.bytes, response);
    case 7:
      response.error_number = field.int32();
      return {};
    case 8:
      return decode_features(field.bytes, response);
    case 9:
      response.error_text = field.bytes;
      return {};
    case 10:
      return decode_version(field.bytes, response);
    default:
      return {};
  }
}

}  // namespace

std::string encode_request(const Request& request) {
  ProtoWriter writer;
  writer.number(1, static_cast<std::uint32_t>(request.type));
  if (request.options) writer.message(2, encode_options(*request.options));
  if (request.notify_success) writer.boolean(3, *request.notify_success);
  if (request.keep_open) writer.boolean(4, true);
  if (request.features) {
    ProtoWriter features;
    if (request.features->memory_tracking) features.boolean(1, true);
    if (request.features->lazy_pages) features.boolean(2, true);
    writer.message(5, features);
  }
  return writer.bytes();
}

Result<Response> decode_response(std::string_view bytes) {
  Response response;
  bool has_type = false, has_success = false;
  TRY(for_each_field(bytes, [&](const ProtoField& field) -> Status {
    bool is_number = field.kind == ProtoField::Kind::kNumber;
    has_type = has_type || (field.number == 1 && is_number);
    has_success = has_success || (field.number == 2 && is_number);
    return decode_field(field, response);
  }));
  if (has_type && has_success) return response;
  return fail(Code::kDataLoss, "criu's answer has no type or no result");
}

std::string version_text(int version) {
  std::string text = cat(version / 10'000, ".", version / 100 % 100);
  return version % 100 == 0 ? text : cat(text, ".", version % 100);
}

}  // namespace dhow::criu
