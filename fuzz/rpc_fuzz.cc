// SPDX-License-Identifier: Apache-2.0
// What a peer sends over ttrpc: frames, envelopes, and the messages in them.
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rpc/bootstrap.h"
#include "rpc/cgroup_metrics.h"
#include "rpc/events.h"
#include "rpc/frame.h"
#include "rpc/sandbox.h"
#include "rpc/server.h"
#include "rpc/task.h"
#include "sys/unix_socket.h"

namespace {

using namespace dhow::rpc;

// What was read and is written is read as the same.
template <typename M>
void check_message(std::string_view bytes) {
  auto read = decode<M>(bytes);
  if (!read) return;
  std::string written = encode(*read);
  auto again = decode<M>(written);
  if (!again || encode(*again) != written) std::abort();
}

void check_messages(std::string_view bytes) {
  check_message<Request>(bytes);
  check_message<Response>(bytes);
  check_message<task::CreateTaskRequest>(bytes);
  check_message<task::StateResponse>(bytes);
  check_message<task::UpdateTaskRequest>(bytes);
  check_message<events::ForwardRequest>(bytes);
  check_message<bootstrap::BootstrapParams>(bytes);
  check_message<bootstrap::BootstrapResult>(bytes);
  check_message<sandbox::SandboxStatusResponse>(bytes);
  check_message<cgroup1::Metrics>(bytes);
  check_message<cgroup2::Metrics>(bytes);
}

// The same frames whether they come at once or byte by byte.
void check_frames(std::string_view bytes) {
  FrameReader whole, pieces;
  whole.take(bytes);
  for (char byte : bytes) {
    pieces.take({&byte, 1});
    while (auto frame = pieces.next()) {
      auto other = whole.next();
      if (!other || other->stream != frame->stream || other->data != frame->data) std::abort();
    }
  }
  if (whole.next()) std::abort();
}

// A server that gets the bytes answers or not, and lives.
void check_server(std::string_view bytes) {
  Service service;
  service.on<task::KillRequest>([](const task::KillRequest&) -> dhow::Status { return {}; });
  auto server = Server::make();
  if (!server) std::abort();
  (*server)->add("t", service);
  auto pair = dhow::make_socket_pair(SOCK_STREAM);
  if (!pair || !(*server)->serve(std::move(pair->first))) std::abort();
  if (::send(pair->second.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) < 0) return;
  for (std::size_t read = 0; read <= bytes.size(); read += 4096) {
    if (!(*server)->dispatch()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_messages(bytes);
  check_frames(bytes);
  check_server(bytes);
  return 0;
}
