// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "base/hasher.h"
#include "base/strings.h"
#include "registry/client.h"
#include "registry/testing/http_server.h"
#include "sys/file_io.h"

namespace dhow::registry::testing {

// A client with short pauses, and a folder for its configuration that goes with the test.
class RepositoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/registry-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    client_.reset();
    ASSERT_TRUE(remove_tree(kCwd, folder_).has_value());
  }

  ClientOptions options() const {
    ClientOptions options;
    options.http.proxies = {};
    options.http.no_progress = std::chrono::milliseconds(5000);
    options.hosts.folders = {folder_};
    options.retry = {.rounds = 4,
                     .first_wait = std::chrono::milliseconds(2),
                     .longest_wait = std::chrono::milliseconds(10),
                     .longest_retry_after = std::chrono::milliseconds(20)};
    return options;
  }

  // The configuration of the domain "test.io".
  void hosts_toml(const std::string& text) {
    ASSERT_TRUE(make_dirs(folder_ + "/test.io", 0755).has_value());
    std::ofstream(folder_ + "/test.io/hosts.toml") << text;
  }

  // The repository "a/b" of test.io.
  Repository open(std::shared_ptr<CredentialSource> credentials = nullptr) {
    return open("test.io/a/b", std::move(credentials));
  }
  Repository open(const std::string& name, std::shared_ptr<CredentialSource> credentials) {
    if (client_ == nullptr) client_ = std::make_unique<Client>(options());
    return client_->repository(oci::parse_reference(name).value(), std::move(credentials)).value();
  }

  std::string folder_;
  std::unique_ptr<Client> client_;
};

// Keeps a blob in memory.
struct StringWriter final : BlobWriter {
  Status write(std::string_view data) override {
    content += data;
    return {};
  }
  std::string content;
};

// What a server answers that keeps to the range that it is asked for: "bytes=5-" or "bytes=5-9".
inline ServerReply ranged(const ServerRequest& request, const std::string& content) {
  std::string_view range = request.headers.get("Range");
  if (range.empty()) return {.body = content};
  range.remove_prefix(6);
  auto dash = range.find('-');
  auto first = parse_number<std::size_t>(range.substr(0, dash)).value();
  if (first >= content.size()) return {.status = 416};
  auto last = parse_number<std::size_t>(range.substr(dash + 1)).value_or(content.size() - 1);
  last = std::min(last, content.size() - 1);
  return {.status = 206,
          .headers = {{"Content-Range", cat("bytes ", first, "-", last, "/", content.size())}},
          .body = content.substr(first, last - first + 1)};
}

inline oci::Descriptor describe(std::string_view content, std::string_view media_type = {}) {
  oci::Descriptor descriptor;
  descriptor.media_type = media_type;
  descriptor.digest = digest_of(content);
  descriptor.size = static_cast<std::int64_t>(content.size());
  return descriptor;
}

// Bytes that repeat late, so that one in the wrong place shows.
inline std::string sample(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (char& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace dhow::registry::testing
