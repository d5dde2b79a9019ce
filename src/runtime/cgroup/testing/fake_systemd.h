// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "runtime/cgroup/systemd_client.h"

namespace dhow::cgroup::testing {

// The other end of a connection: answers as systemd 252 does, in a thread of its own that ends with
// the connection. JobRemoved comes before the reply to the call that made the job, which the real
// one may do too.
class FakeSystemd {
 public:
  explicit FakeSystemd(DbusConnection::Kind kind) : kind_(kind) {}
  ~FakeSystemd() {
    if (peer_ >= 0) ::shutdown(peer_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    if (peer_ >= 0) ::close(peer_);
  }

  SystemdClient::Connector connector() {
    return [this]() -> Result<DbusConnection> {
      int pair[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return fail_errno(errno, "socketpair");
      }
      peer_ = pair[1];
      thread_ = std::thread([this] { serve(); });
      return DbusConnection::open(Fd(pair[0]), kind_, 0);
    };
  }

  void fail_next(std::string name, std::string text) {
    std::scoped_lock lock(mutex_);
    failure_ = std::pair(std::move(name), std::move(text));
  }
  void job_result(std::string result) { result_ = std::move(result); }
  void reject() { rejects_ = true; }

  // "Member first-string-argument" of each call so far.
  std::vector<std::string> calls() {
    std::scoped_lock lock(mutex_);
    return calls_;
  }
  // The properties that came with the last call that had some.
  std::vector<DbusValue> properties() {
    std::scoped_lock lock(mutex_);
    return properties_;
  }

 private:
  void put(std::string_view text) {
    while (!text.empty()) {
      ssize_t sent = ::send(peer_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  bool fill() {
    char chunk[64];  // small, so that messages arrive in parts
    ssize_t got = ::recv(peer_, chunk, sizeof chunk, 0);
    if (got <= 0) return false;
    buffer_.append(chunk, static_cast<std::size_t>(got));
    return true;
  }

  void serve() {
    std::size_t begin;
    while ((begin = buffer_.find("BEGIN\r\n")) == std::string::npos) {
      if (!fill()) return;
    }
    // The id 0 in hexadecimal digits of its decimal text.
    bool known = buffer_.starts_with(std::string_view("\0AUTH EXTERNAL 30\r\n", 19));
    buffer_.erase(0, begin + 7);
    put(known && !rejects_ ? "OK 0123456789abcdef\r\n" : "REJECTED EXTERNAL\r\n");
    while (true) {
      auto length = message_length(buffer_);
      if (!length) return;
      if (*length == 0 || buffer_.size() < *length) {
        if (!fill()) return;
        continue;
      }
      auto message = decode_message(std::string_view(buffer_).substr(0, *length));
      buffer_.erase(0, *length);
      if (!message) return;
      answer(*message);
    }
  }

  void note(const DbusMessage& call) {
    std::string line = call.member;
    bool bus = call.member == "Hello" || call.member == "AddMatch";
    std::size_t argument = call.member == "Get" ? 1 : 0;
    if (!bus && call.body.size() > argument && call.body[argument].as_string() != nullptr) {
      line += cat(" ", *call.body[argument].as_string());
    }
    calls_.push_back(std::move(line));
    for (const DbusValue& value : call.body) {
      if (value.signature == "a(sv)") properties_ = *value.members();
    }
  }

  void answer(const DbusMessage& call) {
    std::scoped_lock lock(mutex_);
    note(call);
    if (call.no_reply) return;
    DbusMessage reply;
    reply.serial = ++serial_;
    reply.reply_serial = call.serial;
    reply.type = DbusMessageType::kReply;
    if (failure_) {
      reply.type = DbusMessageType::kError;
      reply.error_name = failure_->first;
      reply.body = {DbusValue::string(failure_->second)};
      failure_.reset();
    } else if (call.member == "StartTransientUnit" || call.member == "StopUnit") {
      std::string job = cat("/org/freedesktop/systemd1/job/", serial_);
      // One of another client's first.
      remove_job("/org/freedesktop/systemd1/job/9999", "other.service", "failed");
      remove_job(job, "x.scope", result_);
      reply.body = {DbusValue::path(job)};
    } else if (call.member == "Get") {
      bool version = call.body[1] == DbusValue::string("Version");
      reply.body = {DbusValue::variant(
          DbusValue::string(version ? "252.39-1~deb12u1" : "/user.slice/manager"))};
    }
    put(encode_message(reply));
  }

  void remove_job(const std::string& job, const std::string& unit, const std::string& result) {
    DbusMessage signal;
    signal.type = DbusMessageType::kSignal;
    signal.serial = ++serial_;
    signal.path = "/org/freedesktop/systemd1";
    signal.interface = "org.freedesktop.systemd1.Manager";
    signal.member = "JobRemoved";
    signal.body = {DbusValue::uint32(1), DbusValue::path(job), DbusValue::string(unit),
                   DbusValue::string(result)};
    put(encode_message(signal));
  }

  DbusConnection::Kind kind_;
  int peer_ = -1;
  std::thread thread_;
  std::string buffer_;
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::vector<DbusValue> properties_;
  std::optional<std::pair<std::string, std::string>> failure_;
  std::string result_ = "done";
  bool rejects_ = false;
  std::uint32_t serial_ = 0;
};

}  // namespace dhow::cgroup::testing
