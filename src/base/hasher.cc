// SPDX-License-Identifier: Apache-2.0
#include "base/hasher.h"

#include <array>
#include <cstdlib>
#include <openssl/evp.h>
#include <span>

namespace dhow {
namespace {

// Looking an algorithm up takes longer than hashing a small manifest, hence once.
const EVP_MD* algorithm_of(bool sha512) {
  static const EVP_MD* const k256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const k512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  return sha512 ? k512 : k256;
}

void must(int result) {
  if (result != 1) std::abort();
}

}  // namespace

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  bool sha512 = false;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
  void begin() { must(EVP_DigestInit_ex(context, algorithm_of(sha512), nullptr)); }
};

Hasher::Hasher(std::string_view algorithm) : state_(std::make_unique<State>()) {
  state_->sha512 = algorithm == "sha512";
  state_->begin();
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::string_view data) {
  must(EVP_DigestUpdate(state_->context, data.data(), data.size()));
}

Digest Hasher::finish() {
  std::array<std::uint8_t, 64> hash{};
  unsigned size = 0;
  must(EVP_DigestFinal_ex(state_->context, hash.data(), &size));
  state_->begin();
  if (state_->sha512) return Digest::from_sha512(hash);
  return Digest::from_sha256(std::span(hash).first<32>());
}

Digest digest_of(std::string_view data) {
  Hasher hasher;
  hasher.update(data);
  return hasher.finish();
}

}  // namespace dhow
