// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "dns/message.h"
#include "dns/names.h"

// What a container sends to its resolver, and what comes back from servers: any bytes are answered
// within the limits, and no answer is longer than what was asked for allows. The first byte says
// how the container's resolver is set; a file of names may be what comes, too.
namespace {

using namespace dhow::dns;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  Settings settings;
  settings.networks = {{"", {{"db", "web"}}}, {"", {}}};
  settings.forwards = (data[0] & 1) != 0;
  settings.keeps_single_labels = (data[0] & 2) != 0;
  std::vector<std::string> names = {
      names_text("mine", {{"10.0.0.1", {"web", "a"}}, {"fd00::1", {"web", "a"}}}),
      (data[0] & 4) != 0 ? std::string(input) : std::string()};
  Settings read = parse_settings(input);
  require(parse_settings(settings_text(read)).networks.size() == read.networks.size());
  std::string known = question_message(0x0101, "a", Type::kA);
  is_answer_to(input, *parse_query(known), 0x0101);
  auto query = parse_query(input);
  if (!query) return 0;
  require(query->limit() >= kSmallestLimit && query->limit() <= kLargestLimit);
  std::string failure = Answer(*query, query->fault, query->limit()).take();
  require(failure.size() <= kSmallestLimit && !parse_query(failure).has_value());
  if (query->fault != Rcode::kSuccess) return 0;
  require(is_answer_to(failure, *query, query->id));
  auto answer = local_answer(*query, settings, names, data[0], query->limit());
  if (!answer) return 0;
  require(answer->size() <= query->limit() && is_answer_to(*answer, *query, query->id));
  return 0;
}
