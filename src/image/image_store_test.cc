// SPDX-License-Identifier: Apache-2.0
#include "image/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metadata/testing.h"

namespace dhow::image {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Digest digest(char digit) { return Digest::parse("sha256:" + std::string(64, digit)).value(); }

class ImageStoreTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    run({"INSERT INTO blob (digest, size, created) VALUES ('" + digest('a').text() +
         "', 1, 1), ('" + digest('b').text() + "', 1, 1)"});
  }
  static Record record(std::string name, char digit = 'a') {
    Record record;
    record.name = std::move(name);
    record.digest = digest(digit);
    record.media_type = "x/y";
    record.size = 7;
    record.labels = {{"k", "v"}};
    return record;
  }
};

TEST_F(ImageStoreTest, NamesAreSetReadAndTakenAway) {
  Store store(*database_);
  auto made = store.put("moby", record("app:1"));
  ASSERT_TRUE(made.has_value()) << made.error().message();
  reopen();
  Store again(*database_);
  auto found = again.get("moby", "app:1");
  ASSERT_TRUE(found.has_value()) << found.error().message();
  EXPECT_EQ(found->digest, digest('a'));
  EXPECT_EQ(found->media_type, "x/y");
  EXPECT_EQ(found->size, 7);
  EXPECT_EQ(found->labels, record("").labels);
  EXPECT_EQ(found->created, made->created);
  ASSERT_TRUE(again.remove("moby", "app:1").has_value());
  EXPECT_THAT(again.list("moby").value(), IsEmpty());
}

TEST_F(ImageStoreTest, AnotherImageMayTakeTheName) {
  Store store(*database_);
  auto first = store.put("moby", record("app"));
  auto second = store.put("moby", record("app", 'b'));
  ASSERT_TRUE(second.has_value()) << second.error().message();
  EXPECT_EQ(second->created, first->created);
  EXPECT_GE(second->updated, first->updated);
  EXPECT_EQ(store.get("moby", "app")->digest, digest('b'));
  EXPECT_EQ(store.list("moby")->size(), 1U);
}

TEST_F(ImageStoreTest, NamespacesAreApart) {
  Store store(*database_);
  ASSERT_TRUE(store.put("moby", record("app")).has_value());
  EXPECT_THAT(store.list("k8s.io").value(), IsEmpty());
  for (Status status : {store.remove("k8s.io", "app"), store.remove("moby", "none")}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code(), Code::kNotFound);
  }
  EXPECT_THAT(store.get("moby", "none").error().message(), HasSubstr("image \"none\" not found"));
}

TEST_F(ImageStoreTest, BlobsThatAreNotThereCannotBeNamed) {
  auto made = Store(*database_).put("moby", record("app", 'c'));
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(made.error().message(), HasSubstr("image \"app\": blob " + digest('c').text()));
}

}  // namespace
}  // namespace dhow::image
