// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "base/digest.h"

namespace dhow {

// Computes the digest of content that comes in pieces (OpenSSL's EVP). One thread at a time; no
// system calls. Running out of memory ends the process: there is no other way that it can fail.
class Hasher {
 public:
  // "sha256" or "sha512", as Digest::algorithm() gives it.
  explicit Hasher(std::string_view algorithm = "sha256");
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void update(std::string_view data);
  // The digest of all that came so far; the hasher then begins anew.
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The sha256 digest of `data`.
Digest digest_of(std::string_view data);

}  // namespace dhow
