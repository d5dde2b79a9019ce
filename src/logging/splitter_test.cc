// SPDX-License-Identifier: Apache-2.0
#include "logging/splitter.h"

#include <gmock/gmock.h>
#include <string>
#include <vector>

namespace dhow::logging {
namespace {

using ::testing::ElementsAre;

struct Seen {
  std::string line;
  bool ends_line;
  std::int32_t piece;
  std::int64_t time_ns;
  bool operator==(const Seen&) const = default;
};

class SplitterTest : public ::testing::Test {
 protected:
  Splitter::Emit collect() {
    return [this](const Entry& entry) {
      seen_.push_back({std::string(entry.line), entry.ends_line, entry.piece, entry.time_ns});
    };
  }
  Splitter splitter_{Stream::kStdout};
  std::vector<Seen> seen_;
};

TEST_F(SplitterTest, LinesComeWhole) {
  splitter_.feed("one\n\ntw", 1, collect());
  splitter_.feed("o\n", 2, collect());
  EXPECT_THAT(seen_, ElementsAre(Seen{"one", true, -1, 1}, Seen{"", true, -1, 1},
                                 Seen{"two", true, -1, 2}));
}

TEST_F(SplitterTest, TheLastPieceEndsNoLine) {
  splitter_.feed("rest", 1, collect());
  splitter_.finish(2, collect());
  splitter_.finish(3, collect());
  EXPECT_THAT(seen_, ElementsAre(Seen{"rest", false, 0, 2}));
}

TEST_F(SplitterTest, ALongLineIsCutWithTheTimeOfItsBeginning) {
  std::string begin(kMaxPiece - 3, 'a');
  splitter_.feed(begin, 1, collect());
  EXPECT_TRUE(seen_.empty());
  splitter_.feed("bbbb", 2, collect());
  splitter_.feed("c\nd\n", 3, collect());
  EXPECT_THAT(seen_, ElementsAre(Seen{begin + "bbb", false, 0, 2}, Seen{"bc", true, 1, 2},
                                 Seen{"d", true, -1, 3}));
}

TEST_F(SplitterTest, ALineOfExactlyOnePieceIsCut) {
  std::string line(kMaxPiece, 'a');
  splitter_.feed(line + "\n", 1, collect());
  EXPECT_THAT(seen_, ElementsAre(Seen{line, false, 0, 1}, Seen{"", true, 1, 1}));
}

TEST_F(SplitterTest, BytesOfOneWayOrAnotherAreTheSame) {
  std::string text = "x\n" + std::string(3 * kMaxPiece + 5, 'y') + "\nz";
  std::string joined;
  Splitter by_byte(Stream::kStderr);
  auto join = [&joined](const Entry& entry) {
    joined += entry.line;
    if (entry.ends_line) joined += '\n';
  };
  for (char c : text) by_byte.feed({&c, 1}, 0, join);
  by_byte.finish(0, join);
  EXPECT_EQ(joined, text);
}

}  // namespace
}  // namespace dhow::logging
