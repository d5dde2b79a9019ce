// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/resource.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/testing/forked.h"
#include "sys/testing/sanitized.h"
#include "unpack/prefetch.h"
#include "unpack/testing/pack.h"
#include "unpack/testing/tar_builder.h"
#include "unpack/unpack_layer.h"

namespace dhow::unpack {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class UnpackLayerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-unpack.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }
  static UnpackRequest request(const std::string& archive, const std::string& packed) {
    UnpackRequest request;
    request.digest = digest_of(packed);
    request.diff_id = digest_of(archive);
    request.compression = oci::Compression::kZstd;
    return request;
  }
  Result<Written> unpack(const std::string& packed, const UnpackRequest& request) {
    TextSource source(packed, 1000);
    return unpack_layer(source, DirFd::open(root_.string()).value(), request);
  }

  fs::path root_;
};

TEST_F(UnpackLayerTest, FilesAndBothDigests) {
  std::string big(3'000'000, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 31 % 251);
  std::string archive = TarBuilder().folder("d").file("d/big", big).file("small").finish();
  std::string packed = zstd(archive);
  auto written = unpack(packed, request(archive, packed));
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(written->bytes, 3'000'001);
  EXPECT_EQ(written->entries, 3);
  EXPECT_TRUE(read_file((root_ / "d/big").string()).value() == big);
}

TEST_F(UnpackLayerTest, WrongDigestsAreDataLoss) {
  std::string archive = TarBuilder().file("f").finish();
  std::string packed = zstd(archive);
  UnpackRequest wrong = request(archive, packed);
  wrong.diff_id = digest_of("other");
  auto diff_id = unpack(packed, wrong);
  ASSERT_FALSE(diff_id.has_value());
  EXPECT_EQ(diff_id.error().code(), Code::kDataLoss);
  EXPECT_THAT(diff_id.error().message(), StartsWith("layer " + wrong.digest.text()));
  EXPECT_THAT(diff_id.error().message(), HasSubstr("its diff id is " + digest_of(archive).text()));
  // Bytes that the archive does not need count too.
  auto digest = unpack(packed + zstd(""), request(archive, packed));
  ASSERT_FALSE(digest.has_value());
  EXPECT_THAT(digest.error().message(), HasSubstr("its digest is"));
}

// Hashes by itself, and ends only after it has compared.
class Checked final : public ByteSource {
 public:
  explicit Checked(std::string content) : source_(std::move(content), 1000) {}
  Result<std::string_view> next() override {
    TRY_ASSIGN(std::string_view piece, source_.next());
    if (piece.empty() && !good) return fail(Code::kDataLoss, "not what was wanted");
    read += piece.size();
    return piece;
  }
  bool is_verified() const override { return true; }

  bool good = true;
  std::size_t read = 0;

 private:
  TextSource source_;
};

TEST_F(UnpackLayerTest, SourcesThatCheckAreReadToTheirEndAndBelieved) {
  std::string archive = TarBuilder().file("f").finish();
  std::string packed = zstd(archive) + zstd("");
  UnpackRequest wanted = request(archive, packed);
  wanted.digest = digest_of("not compared");
  auto folder = [&] { return DirFd::open(root_.string()).value(); };
  Checked good(packed);
  auto written = unpack_layer(good, folder(), wanted);
  ASSERT_TRUE(written.has_value()) << written.error().message();
  EXPECT_EQ(good.read, packed.size());
  Checked bad(packed);
  bad.good = false;
  EXPECT_EQ(unpack_layer(bad, folder(), wanted).error().code(), Code::kDataLoss);
  Checked other(packed);
  wanted.diff_id = digest_of("other");
  EXPECT_EQ(unpack_layer(other, folder(), wanted).error().code(), Code::kDataLoss);
}

TEST_F(UnpackLayerTest, FaultsNameTheLayerAndTheMember) {
  std::string archive = TarBuilder().file("../x").finish();
  std::string packed = zstd(archive);
  auto written = unpack(packed, request(archive, packed));
  ASSERT_FALSE(written.has_value());
  EXPECT_THAT(written.error().message(),
              StartsWith("layer " + digest_of(packed).text() + ": \"../x\""));
  auto cut = unpack(packed.substr(0, packed.size() / 2), request(archive, packed));
  ASSERT_FALSE(cut.has_value());
  EXPECT_EQ(cut.error().code(), Code::kDataLoss);
}

TEST_F(UnpackLayerTest, BombsAreStopped) {
  std::string archive = TarBuilder().file("bomb", std::string(20'000'000, '\0')).finish();
  std::string packed = zstd(archive);
  UnpackRequest limited = request(archive, packed);
  limited.limits.bytes = 1'000'000;
  auto written = unpack(packed, limited);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), Code::kResourceExhausted);
  EXPECT_THAT(written.error().message(), HasSubstr("\"bomb\": more than 1000000 bytes"));
}

// Bytes of private memory that this process may write to, threads' stacks included.
std::uint64_t private_memory() {
  std::string status = read_file("/proc/self/status").value_or("");
  std::string_view rest = std::string_view(status).substr(status.find("VmData:") + 7);
  auto kilobytes = parse_number<std::uint64_t>(trim(rest.substr(0, rest.find("kB"))));
  return kilobytes.value_or(0) * 1024;
}

TEST_F(UnpackLayerTest, MemoryIsBoundedWhateverTheLayer) {
  if (testing_support::kSanitized) GTEST_SKIP() << "sanitizers need memory of their own";
  constexpr std::uint64_t kBound = std::uint64_t{32} << 20;
  std::string archive = TarBuilder().file("big", std::string(8 * kBound, '\0')).finish();
  std::string zipped = zstd(archive);
  for (auto compression : {oci::Compression::kZstd, oci::Compression::kNone}) {
    const std::string& packed = compression == oci::Compression::kNone ? archive : zipped;
    UnpackRequest wanted = request(archive, packed);
    wanted.compression = compression;
    TextSource source(packed);
    EXPECT_EQ(testing::in_child([&] {
                struct rlimit limit{};
                limit.rlim_cur = limit.rlim_max = private_memory() + kBound;
                if (::setrlimit(RLIMIT_DATA, &limit) != 0) return std::string("no limit");
                auto root = DirFd::open(root_.string());
                return testing::message_of(unpack_layer(source, *root, wanted));
              }),
              "");
    EXPECT_EQ(fs::file_size(root_ / "big"), 8 * kBound);
    fs::remove(root_ / "big");
  }
}

// Fails after some pieces, and counts how many were asked for.
class Flaky : public ByteSource {
 public:
  explicit Flaky(int pieces) : pieces_(pieces), piece_(300'000, 'x') {}
  Result<std::string_view> next() override {
    if (asked++ == pieces_) return fail(Code::kUnavailable, "gone");
    return std::string_view(piece_);
  }
  std::atomic<int> asked = 0;

 private:
  int pieces_;
  std::string piece_;
};

TEST(PrefetchTest, FailuresComeAfterTheBytesBefore) {
  Flaky source(5);
  auto ahead = prefetch(source, 2);
  std::size_t size = 0;
  while (true) {
    auto piece = ahead->next();
    if (!piece) {
      EXPECT_EQ(piece.error().code(), Code::kUnavailable);
      break;
    }
    ASSERT_FALSE(piece->empty());
    size += piece->size();
  }
  EXPECT_EQ(size, 1'500'000U);
  EXPECT_FALSE(ahead->next().has_value()) << "a failure is final";
}

TEST(PrefetchTest, WaitsForRoomAndEndsEarly) {
  Flaky source(1'000'000);
  {
    auto ahead = prefetch(source, 3);
    ASSERT_TRUE(ahead->next().has_value());
  }
  EXPECT_LT(source.asked, 10);
}

}  // namespace
}  // namespace dhow::unpack
