// SPDX-License-Identifier: Apache-2.0
// That messages are on the wire as Go's protobuf has them. The bytes were put together by hand from
// the numbers of the published .proto files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "rpc/bootstrap.h"
#include "rpc/cgroup_metrics.h"
#include "rpc/events.h"
#include "rpc/runc_options.h"
#include "rpc/sandbox.h"
#include "rpc/task.h"

namespace dhow::rpc {
namespace {

template <std::size_t N>
std::string raw(const char (&text)[N]) {
  return std::string(text, N - 1);
}

TEST(Messages, CreateIsAsOnTheWire) {
  task::CreateTaskRequest request;
  request.id = "c1";
  request.bundle = "/b";
  request.rootfs = {{"overlay", "o", "", {"ro"}}};
  request.terminal = true;
  request.stdout_uri = "f";
  request.options = pack(runc::Options{.binary_name = "runc", .systemd_cgroup = true});
  EXPECT_EQ(encode(request),
            raw("\x0a\x02"
                "c1\x12\x02/b\x1a\x10\x0a\x07overlay\x12\x01o\x22\x02ro\x20\x01\x32\x01"
                "f\x52\x26\x0a\x1a"
                "containerd.runc.v1.Options\x12\x08\x32\x04runc\x48\x01"));
}

TEST(Messages, StateIsReadAsItComes) {
  auto read = decode<task::StateResponse>(
      raw("\x0a\x01"
          "a\x18\x2a\x20\x03\x48\x89\x01\x52\x06\x08\x80\x01\x10\xff\x01"));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(read->id, "a");
  EXPECT_EQ(read->pid, 42U);
  EXPECT_EQ(read->status, task::ProcessStatus::kStopped);
  EXPECT_EQ(read->exit_status, 137U);
  EXPECT_EQ(read->exited_at, (Timestamp{128, 255}));
}

TEST(Messages, EventsTravelInEnvelopes) {
  auto request = events::forward(events::TaskExit{"c", "e", 7, 1, Timestamp{5, 6}}, "moby");
  auto read = decode<events::ForwardRequest>(encode(request));
  ASSERT_TRUE(read.has_value() && read->envelope && read->envelope->event);
  EXPECT_EQ(read->envelope->name_space, "moby");
  EXPECT_EQ(read->envelope->topic, "/tasks/exit");
  EXPECT_GT(read->envelope->timestamp->seconds, 0);
  auto event = unpack<events::TaskExit>(*read->envelope->event);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->id, "e");
  EXPECT_EQ(event->exited_at, (Timestamp{5, 6}));
  EXPECT_FALSE(is_packed<events::TaskStart>(*read->envelope->event));
  EXPECT_EQ(unpack<events::TaskStart>(*read->envelope->event).error().code(),
            Code::kInvalidArgument);
}

TEST(Messages, TypesAreKnownByTheirLastPart) {
  Any any{"type.googleapis.com/containerd.events.TaskOOM", encode(events::TaskOom{"c"})};
  ASSERT_TRUE(is_packed<events::TaskOom>(any));
  EXPECT_EQ(unpack<events::TaskOom>(any)->container_id, "c");
}

TEST(Messages, BootstrapKeepsNegativeLevels) {
  bootstrap::BootstrapParams params;
  params.log_level = bootstrap::LogLevel::kDebug;
  params.socket_dir = "";
  auto read = decode<bootstrap::BootstrapParams>(encode(params));
  EXPECT_EQ(read->log_level, bootstrap::LogLevel::kDebug);
  EXPECT_EQ(read->socket_dir, "");
}

TEST(Messages, MetricsKeepTheirLastFields) {
  cgroup1::Metrics one;
  one.memory.emplace().kernel_tcp = cgroup1::MemoryEntry{1, 2, 3, 4};
  one.memory_oom_control = cgroup1::MemoryOomControl{0, 0, 5};
  auto read = unpack<cgroup1::Metrics>(pack(one));
  EXPECT_EQ(read->memory->kernel_tcp->failcnt, 4U);
  EXPECT_EQ(read->memory_oom_control->oom_kill, 5U);
  cgroup2::Metrics two;
  two.memory.emplace().swap_max_usage = 9;
  two.memory_events = cgroup2::MemoryEvents{.oom_kill = 3};
  EXPECT_EQ(encode(two), raw("\x22\x03\xa8\x02\x09\x42\x02\x28\x03"));
}

TEST(Messages, CodesHaveTheNumbersOfGrpc) {
  EXPECT_EQ(status_number(Code::kCancelled), 1);
  EXPECT_EQ(status_number(Code::kUnknown), 2);
  EXPECT_EQ(status_number(Code::kNotFound), 5);
  EXPECT_EQ(status_number(Code::kUnauthenticated), 16);
  for (int number = 1; number <= 16; ++number) {
    EXPECT_EQ(status_number(code_from_status_number(number)), number);
  }
  EXPECT_EQ(code_from_status_number(17), Code::kUnknown);
  EXPECT_EQ(code_from_status_number(-1), Code::kUnknown);
  EXPECT_EQ(to_error({5, "no such task", {}}).code(), Code::kNotFound);
}

}  // namespace
}  // namespace dhow::rpc
