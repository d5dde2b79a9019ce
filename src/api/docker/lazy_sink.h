// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "api/docker/exchange.h"

namespace dhow::api::docker {

// The body of an answer that begins with its first byte: what fails before that is answered with a
// status. Borrows the exchange.
class LazySink final : public unpack::ByteSink {
 public:
  LazySink(Exchange& exchange, Response head) : exchange_(exchange), head_(std::move(head)) {}

  // Headers that are known later than the sink.
  Response& head() { return head_; }
  Status write(std::string_view piece) override {
    if (!exchange_.begun()) exchange_.begin(head_);
    return exchange_.write(piece);
  }
  Status finish() {
    if (!exchange_.begun()) exchange_.begin(head_);
    exchange_.end();
    return {};
  }

 private:
  Exchange& exchange_;
  Response head_;
};

}  // namespace dhow::api::docker
