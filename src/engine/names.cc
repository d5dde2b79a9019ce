// SPDX-License-Identifier: Apache-2.0
#include "engine/names.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/strings.h"

namespace dhow::engine {
namespace {

constexpr std::string_view kLeft[] = {
    "able",     "amber",   "anchored",  "ancient",  "azure",    "balmy",    "bold",     "brave",
    "breezy",   "bright",  "brisk",     "buoyant",  "calm",     "careful",  "cheerful", "clear",
    "coastal",  "coral",   "crisp",     "curious",  "daring",   "distant",  "eager",    "early",
    "easterly", "fair",    "faithful",  "fearless", "fleet",    "floating", "foaming",  "free",
    "gallant",  "gentle",  "gleaming",  "golden",   "gusty",    "happy",    "hardy",    "hearty",
    "honest",   "humble",  "idle",      "jolly",    "keen",     "kind",     "lively",   "lucky",
    "lunar",    "mellow",  "merry",     "mighty",   "misty",    "nimble",   "noble",    "northern",
    "patient",  "pearly",  "placid",    "plucky",   "polar",    "proud",    "quick",    "quiet",
    "ready",    "restful", "rolling",   "rugged",   "salty",    "sandy",    "serene",   "shining",
    "silent",   "silver",  "sleek",     "smooth",   "southern", "spry",     "stately",  "steady",
    "stormy",   "sturdy",  "sunny",     "swift",    "tidal",    "tranquil", "trusty",   "upright",
    "valiant",  "vivid",   "wandering", "warm",     "watchful", "wavy",     "westerly", "windy",
    "wise",     "young",   "zesty"};
constexpr std::string_view kRight[] = {
    "albatross", "anchor",    "argosy",   "barge",   "bark",    "barque",  "bay",      "beacon",
    "boom",      "bowline",   "brig",     "buoy",    "cabin",   "cape",    "capstan",  "caravel",
    "carrack",   "clipper",   "cockle",   "cog",     "compass", "coracle", "corvette", "cove",
    "current",   "cutter",    "deck",     "dhow",    "dinghy",  "dolphin", "dory",     "felucca",
    "ferry",     "fjord",     "frigate",  "galleon", "galley",  "gig",     "gull",     "gunwale",
    "halyard",   "harbor",    "hawser",   "helm",    "heron",   "hull",    "island",   "jetty",
    "jib",       "junk",      "kayak",    "keel",    "ketch",   "knot",    "lagoon",   "launch",
    "ledger",    "lighter",   "lugger",   "mast",    "mizzen",  "mooring", "narwhal",  "oar",
    "osprey",    "outrigger", "pelican",  "petrel",  "pier",    "pilot",   "pinnace",  "pinta",
    "porpoise",  "port",      "proa",     "puffin",  "quay",    "raft",    "reef",     "rudder",
    "sail",      "sampan",    "schooner", "sextant", "shallop", "shoal",   "skiff",    "sloop",
    "spar",      "stern",     "tern",     "tide",    "tiller",  "trawler", "trimaran", "tug",
    "whaler",    "wharf",     "wherry",   "xebec",   "yacht",   "yawl",    "zephyr"};

Status random_bytes(void* buffer, std::size_t size) {
  while (::getrandom(buffer, size, 0) != static_cast<ssize_t>(size)) {
    if (errno != EINTR) return fail_errno(errno, "getrandom");
  }
  return {};
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

Result<std::string> make_id() {
  while (true) {
    char bytes[32];
    TRY(random_bytes(bytes, sizeof bytes));
    std::string id = hex_text({bytes, sizeof bytes});
    if (short_id(id).find_first_not_of("0123456789") != std::string_view::npos) return id;
  }
}

std::string_view short_id(std::string_view id) { return id.substr(0, 12); }

Result<std::string> make_name(const std::function<bool(std::string_view)>& taken) {
  constexpr int kPlainTries = 6;
  for (int attempt = 0;; ++attempt) {
    std::uint32_t numbers[3];
    TRY(random_bytes(numbers, sizeof numbers));
    std::string name =
        cat(kLeft[numbers[0] % std::size(kLeft)], "_", kRight[numbers[1] % std::size(kRight)]);
    // With many containers, plain names are mostly taken.
    if (attempt >= kPlainTries) name += cat("_", numbers[2] % 1'000'000);
    if (!taken(name)) return name;
  }
}

Status check_name(std::string_view name) {
  bool good =
      name.size() >= 2 && is_alphanumeric(name.front()) && std::ranges::all_of(name, [](char c) {
        return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
      });
  if (good) return {};
  return fail(Code::kInvalidArgument, cat("Invalid container name (", name,
                                          "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
}

}  // namespace dhow::engine
