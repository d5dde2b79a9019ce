// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/gvariant.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/strings.h"

namespace dhow::cgroup {
namespace {

constexpr int kMaxDepth = 16;

struct Keyword {
  std::string_view name;
  std::string_view type;
};
constexpr Keyword kKeywords[] = {{"boolean", "b"}, {"byte", "y"},       {"int16", "n"},
                                 {"uint16", "q"},  {"int32", "i"},      {"uint32", "u"},
                                 {"int64", "x"},   {"uint64", "t"},     {"double", "d"},
                                 {"string", "s"},  {"objectpath", "o"}, {"signature", "g"}};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<DbusValue> whole() {
    TRY_ASSIGN(DbusValue parsed, value("", 0));
    skip_space();
    if (at_ != text_.size()) return bad("something after the value");
    return parsed;
  }

 private:
  std::unexpected<Error> bad(std::string_view why) const {
    return fail(Code::kInvalidArgument, cat("parse value ", quoted(text_), ": ", why));
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // `type`: what the surroundings ask for; "" when they don't.
  Result<DbusValue> value(std::string_view type, int depth) {
    skip_space();
    if (at_ == text_.size()) return bad("it ends too early");
    if (depth > kMaxDepth) return bad("nested too deeply");
    char next = text_[at_];
    if (next == '@') return typed(depth);
    if (next == '[') return array(type, depth);
    if (next == '(') return tuple(type, depth);
    if (next == '"' || next == '\'') return string(type);
    if (is_letter(next)) return word(depth);
    if (is_digit(next) || next == '-' || next == '+' || next == '.') return number(type);
    return bad("not a value");
  }

  Result<DbusValue> typed(int depth) {
    ++at_;
    std::size_t length = complete_type_length(text_.substr(at_));
    if (length == 0) return bad("bad type after \"@\"");
    std::string_view type = text_.substr(at_, length);
    at_ += length;
    return value(type, depth + 1);
  }

  Result<DbusValue> word(int depth) {
    std::size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    std::string_view name = text_.substr(start, at_ - start);
    if (name == "true" || name == "false") return DbusValue::boolean(name == "true");
    for (const Keyword& keyword : kKeywords) {
      if (keyword.name != name) continue;
      TRY_ASSIGN(DbusValue inside, value(keyword.type, depth + 1));
      if (inside.signature != keyword.type) return bad(cat("not a ", name));
      return inside;
    }
    return bad(cat("unknown word ", quoted(name)));
  }

  Result<DbusValue> string(std::string_view type) {
    char quote = text_[at_++];
    std::string content;
    while (at_ < text_.size() && text_[at_] != quote) {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'n') c = '\n';
        if (c == 't') c = '\t';
      }
      content.push_back(c);
    }
    if (at_ == text_.size()) return bad("no closing quote");
    ++at_;
    bool text_type = type == "s" || type == "o" || type == "g";
    if (!type.empty() && !text_type) return bad(cat("not of type ", quoted(type)));
    return DbusValue{text_type ? std::string(type) : "s", std::move(content)};
  }

  Result<DbusValue> number(std::string_view type) {
    std::size_t start = at_;
    while (at_ < text_.size() && (is_digit(text_[at_]) || is_letter(text_[at_]) ||
                                  text_[at_] == '.' || text_[at_] == '-' || text_[at_] == '+')) {
      ++at_;
    }
    std::string_view digits = text_.substr(start, at_ - start);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    bool hex = digits.starts_with("0x") || digits.starts_with("0X");
    bool fraction = !hex && digits.find_first_of(".eE") != std::string_view::npos;
    if (type == "d" || (type.empty() && fraction)) {
      double parsed = 0;
      auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed);
      if (error != std::errc() || end != digits.data() + digits.size()) return bad("not a number");
      return DbusValue{"d", parsed};
    }
    return integer(hex ? digits.substr(2) : digits, hex ? 16 : 10, type.empty() ? "i" : type);
  }

  Result<DbusValue> integer(std::string_view digits, int base, std::string_view type) {
    struct Range {
      char type;
      std::int64_t low;
      std::uint64_t high;
    };
    constexpr Range kRanges[] = {
        {'y', 0, 255},
        {'n', -32768, 32767},
        {'q', 0, 65535},
        {'i', std::numeric_limits<std::int32_t>::min(), 2147483647},
        {'u', 0, 4294967295},
        {'x', std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()},
        {'t', 0, std::numeric_limits<std::uint64_t>::max()}};
    for (const Range& range : kRanges) {
      if (type.size() != 1 || type[0] != range.type) continue;
      if (range.low < 0) {
        auto parsed = parse_number<std::int64_t>(digits, base);
        if (!parsed || *parsed < range.low ||
            (*parsed > 0 && static_cast<std::uint64_t>(*parsed) > range.high)) {
          return bad("out of range");
        }
        return DbusValue{std::string(type), *parsed};
      }
      auto parsed = parse_number<std::uint64_t>(digits, base);
      if (!parsed || *parsed > range.high) return bad("out of range");
      return DbusValue{std::string(type), *parsed};
    }
    return bad(cat("not of type ", quoted(type)));
  }

  Result<DbusValue> array(std::string_view type, int depth) {
    if (!type.empty() && type[0] != 'a') return bad(cat("not of type ", quoted(type)));
    ++at_;
    std::string element(type.empty() ? "" : type.substr(1));
    std::vector<DbusValue> items;
    while (!take(']')) {
      if (!items.empty() && !take(',')) return bad("no comma between items");
      TRY_ASSIGN(DbusValue item, value(element, depth + 1));
      // The first item tells the type of the others.
      if (element.empty()) element = item.signature;
      if (item.signature != element) return bad("items of different types");
      items.push_back(std::move(item));
    }
    if (element.empty()) return bad("an empty array needs a type");
    return DbusValue::array(element, std::move(items));
  }

  Result<DbusValue> tuple(std::string_view type, int depth) {
    if (!type.empty() && type[0] != '(') return bad(cat("not of type ", quoted(type)));
    ++at_;
    std::string_view rest = type.empty() ? type : type.substr(1, type.size() - 2);
    std::vector<DbusValue> members;
    while (!take(')')) {
      if (!members.empty() && !take(',')) return bad("no comma between members");
      if (!members.empty() && take(')')) break;  // "(1,)" has one
      std::size_t length = complete_type_length(rest);
      TRY_ASSIGN(DbusValue member, value(rest.substr(0, length), depth + 1));
      rest.remove_prefix(length);
      members.push_back(std::move(member));
    }
    DbusValue made = DbusValue::structure(std::move(members));
    if (made.signature == "()" || (!type.empty() && made.signature != type)) {
      return bad("members of other types");
    }
    return made;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Seconds as any number to microseconds.
std::optional<std::uint64_t> microseconds(const DbusValue& value) {
  constexpr std::uint64_t kPerSecond = 1'000'000;
  if (auto number = std::get_if<std::uint64_t>(&value.data)) return *number * kPerSecond;
  if (auto number = std::get_if<std::int64_t>(&value.data)) {
    if (*number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(*number) * kPerSecond;
  }
  auto number = std::get_if<double>(&value.data);
  if (number == nullptr || !(*number >= 0) || *number > 1e12) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(*number * static_cast<double>(kPerSecond)));
}

}  // namespace

Result<DbusValue> parse_gvariant(std::string_view text) { return Parser(text).whole(); }

Result<std::pair<std::string, DbusValue>> parse_unit_property(std::string_view name,
                                                              std::string_view text) {
  for (char c : name) {
    if (!is_letter(c)) {
      return fail(Code::kInvalidArgument,
                  cat("unit property ", quoted(name), ": the name may have letters only"));
    }
  }
  if (name.empty()) return fail(Code::kInvalidArgument, "unit property without a name");
  auto value = parse_gvariant(text);
  if (!value) {
    return fail(std::move(value).error().add_context(cat("unit property ", quoted(name))));
  }
  if (!name.ends_with("Sec") || name.ends_with("USec")) {
    return std::pair(std::string(name), std::move(*value));
  }
  auto length = microseconds(*value);
  if (!length) {
    return fail(Code::kInvalidArgument,
                cat("unit property ", quoted(name), ": not a number of seconds: ", quoted(text)));
  }
  return std::pair(cat(name.substr(0, name.size() - 3), "USec"), DbusValue::uint64(*length));
}

}  // namespace dhow::cgroup
