// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::oci {

// Cuts the text of a JSON array that comes in pieces into the texts of its items, so that a long
// list is worked on while it comes and is never a whole tree. It only looks for where items end:
// whether each is right is for JsonDocument::parse to say. Holds at most a piece and an item.
class JsonItems {
 public:
  using Take = std::function<Status(std::string_view item)>;

  // `take` gets each item that is complete; its failure ends the call and is what it returns.
  // kInvalidArgument: the text is no array.
  Status feed(std::string_view piece, const Take& take);
  // kInvalidArgument when the array has not ended.
  Status end() const;

 private:
  enum class Place { kBefore, kFirst, kItem, kAfter };
  // Goes on in the item to where it ends: the length of what belongs to it, all of `text` when it
  // goes on after that. kItem is left at the end of the array.
  std::size_t skip_item(std::string_view text);
  // What comes before, between and after items: how much was taken.
  Result<std::size_t> skip_frame(std::string_view text);

  Place place_ = Place::kBefore;
  std::string kept_;       // what has come of the item that is not complete
  std::size_t depth_ = 0;  // of arrays and objects in it
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace dhow::oci
