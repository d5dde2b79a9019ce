// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/hasher.h"
#include "content/local_content_store.h"
#include "metadata/lease_store.h"
#include "metadata/testing.h"
#include "oci/image.h"

namespace dhow::engine {

// A test with a content store, and a lease "import" for what comes into it.
class ContentFixture : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    auto store = content::open_local_store(folder_ + "/content", *database_);
    ASSERT_TRUE(store.has_value()) << store.error().message();
    store_ = std::move(*store);
    metadata::Lease lease;
    lease.id = "import";
    ASSERT_TRUE(metadata::LeaseStore(*database_).create(lease).has_value());
  }
  void TearDown() override {
    store_.reset();
    DatabaseFixture::TearDown();
  }

  // Puts a blob of that media type into the store.
  oci::Descriptor put(std::string_view type, const std::string& content) {
    oci::Descriptor descriptor;
    descriptor.media_type = type;
    descriptor.digest = digest_of(content);
    descriptor.size = static_cast<std::int64_t>(content.size());
    content::CommitRequest request;
    request.digest = descriptor.digest;
    request.lease = "import";
    auto status = store_->put(content, request);
    EXPECT_TRUE(status.has_value()) << status.error().message();
    return descriptor;
  }

  std::unique_ptr<content::LocalContentStore> store_;
};

}  // namespace dhow::engine
