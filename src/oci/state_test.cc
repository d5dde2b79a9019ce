// SPDX-License-Identifier: Apache-2.0
#include "oci/state.h"

#include <gtest/gtest.h>

namespace dhow::oci {
namespace {

TEST(StateJson, HoldsEveryFieldInOrder) {
  State state{.id = "web",
              .status = "created",
              .bundle = "/b",
              .pid = 42,
              .annotations = {{"b", "2"}, {"a", "x\"y"}}};
  EXPECT_EQ(state_json(state),
            R"({"ociVersion":"1.3.0","id":"web","status":"created","pid":42,"bundle":"/b",)"
            R"("annotations":{"a":"x\"y","b":"2"}})");
}

TEST(StateJson, LeavesOutWhatIsNotThere) {
  State state{.id = "web", .status = "stopped", .bundle = "/b", .annotations = {}};
  EXPECT_EQ(state_json(state),
            R"({"ociVersion":"1.3.0","id":"web","status":"stopped","bundle":"/b"})");
}

TEST(SeccompStateJson, NamesTheDescriptorAndNestsTheState) {
  State state{.id = "web", .status = "creating", .bundle = "/b", .pid = 42, .annotations = {}};
  EXPECT_EQ(
      seccomp_state_json(state, 43, "meta"),
      R"({"ociVersion":"1.3.0","fds":["seccompFd"],"pid":43,"metadata":"meta",)"
      R"("state":{"ociVersion":"1.3.0","id":"web","status":"creating","pid":42,"bundle":"/b"}})");
  EXPECT_EQ(seccomp_state_json(state, 43, "").find("metadata"), std::string::npos);
}

}  // namespace
}  // namespace dhow::oci
