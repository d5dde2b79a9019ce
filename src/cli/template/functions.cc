// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "cli/template/tree.h"

namespace dhow::cli {
namespace {

using Values = std::vector<Value>;

std::unexpected<Error> reason(std::string_view text) {
  return fail(Code::kInvalidArgument, std::string(text));
}

std::string text_of(const Value& value) { return value.text(); }

// -1, 0 or 1; none for values that have no order, or of different kinds.
std::optional<int> compare(const Value& left, const Value& right) {
  auto sign = [](auto a, auto b) { return a < b ? -1 : b < a ? 1 : 0; };
  if (left.string() != nullptr && right.string() != nullptr)
    return sign(*left.string(), *right.string());
  if (left.integer() != nullptr && right.integer() != nullptr)
    return sign(*left.integer(), *right.integer());
  if (left.real() != nullptr && right.real() != nullptr) return sign(*left.real(), *right.real());
  // Go tells kinds of numbers apart; numbers from JSON are whatever they look like.
  auto number = [](const Value& value) -> std::optional<double> {
    if (value.real() != nullptr) return *value.real();
    if (value.integer() != nullptr) return static_cast<double>(*value.integer());
    return std::nullopt;
  };
  if (auto a = number(left), b = number(right); a && b) return sign(*a, *b);
  return std::nullopt;
}

Result<bool> equal(const Value& left, const Value& right) {
  if (left.is_nil() || right.is_nil()) return left.is_nil() && right.is_nil();
  if (left.boolean() != nullptr && right.boolean() != nullptr)
    return *left.boolean() == *right.boolean();
  if (auto order = compare(left, right)) return *order == 0;
  return reason("incompatible types for comparison");
}

Result<Value> call_eq(const Values& values) {
  if (values.size() < 2) return reason("missing argument for comparison");
  for (std::size_t i = 1; i < values.size(); ++i) {
    TRY_ASSIGN(bool same, equal(values[0], values[i]));
    if (same) return true;
  }
  return false;
}

Result<Value> call_ne(const Values& values) {
  TRY_ASSIGN(bool same, equal(values[0], values[1]));
  return !same;
}

template <typename Holds>
Result<Value> ordered(const Values& values, Holds holds) {
  auto order = compare(values[0], values[1]);
  if (!order) return reason("incompatible types for comparison");
  return holds(*order);
}

Result<Value> call_lt(const Values& v) {
  return ordered(v, [](int order) { return order < 0; });
}
Result<Value> call_le(const Values& v) {
  return ordered(v, [](int order) { return order <= 0; });
}
Result<Value> call_gt(const Values& v) {
  return ordered(v, [](int order) { return order > 0; });
}
Result<Value> call_ge(const Values& v) {
  return ordered(v, [](int order) { return order >= 0; });
}
Result<Value> call_not(const Values& values) { return !values[0].truth(); }

Result<Value> call_len(const Values& values) {
  const Value& value = values[0];
  std::size_t size = 0;
  if (value.string() != nullptr) {
    size = value.string()->size();
  } else if (value.list() != nullptr) {
    size = value.list()->size();
  } else if (value.object() != nullptr) {
    size = value.object()->members.size();
  } else if (!value.is_nil()) {
    return reason(cat("len of type ", value.type_name()));
  }
  return static_cast<std::int64_t>(size);
}

Result<Value> call_index(const Values& values) {
  Value value = values[0];
  for (std::size_t i = 1; i < values.size(); ++i) {
    const Value& key = values[i];
    if (const ValueList* list = value.list()) {
      const std::int64_t* index = key.integer();
      if (index == nullptr)
        return reason(cat("cannot index slice/array with type ", key.type_name()));
      if (*index < 0 || static_cast<std::size_t>(*index) >= list->size()) {
        return reason(cat("index out of range: ", *index));
      }
      Value item = (*list)[static_cast<std::size_t>(*index)];
      value = std::move(item);
    } else if (const ValueObject* object = value.object()) {
      if (key.string() == nullptr)
        return reason(cat("value has type ", key.type_name(), "; should be string"));
      // What a map of texts has not is the empty one.
      bool texts = object->is_map && std::ranges::all_of(object->members, [](const auto& one) {
                     return one.second.string() != nullptr;
                   });
      Value found = texts ? Value(std::string()) : Value();
      for (const auto& [name, member] : object->members) {
        if (name == *key.string()) found = member;
      }
      value = std::move(found);
    } else if (value.is_nil()) {
      return reason("index of untyped nil");
    } else {
      return reason(cat("can't index item of type ", value.type_name()));
    }
  }
  return value;
}

Result<Value> call_slice(const Values& values) {
  const Value& value = values[0];
  std::size_t size = value.string() != nullptr ? value.string()->size()
                     : value.list() != nullptr ? value.list()->size()
                                               : 0;
  if (value.string() == nullptr && value.list() == nullptr) {
    return reason(cat("can't slice item of type ", value.type_name()));
  }
  std::size_t bounds[2] = {0, size};
  for (std::size_t i = 1; i < values.size() && i <= 2; ++i) {
    const std::int64_t* bound = values[i].integer();
    if (bound == nullptr)
      return reason(cat("cannot index slice/array with type ", values[i].type_name()));
    if (*bound < 0 || static_cast<std::size_t>(*bound) > size)
      return reason(cat("index out of range: ", *bound));
    bounds[i - 1] = static_cast<std::size_t>(*bound);
  }
  if (bounds[0] > bounds[1])
    return reason(cat("invalid slice index: ", bounds[0], " > ", bounds[1]));
  if (value.string() != nullptr) return value.string()->substr(bounds[0], bounds[1] - bounds[0]);
  auto begin = value.list()->begin();
  return ValueList(begin + static_cast<std::ptrdiff_t>(bounds[0]),
                   begin + static_cast<std::ptrdiff_t>(bounds[1]));
}

// Go puts blanks between operands when neither is a string.
Result<Value> call_print(const Values& values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0 && values[i].string() == nullptr && values[i - 1].string() == nullptr) text += ' ';
    text += values[i].text();
  }
  return text;
}

Result<Value> call_println(const Values& values) {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) text += cat(i == 0 ? "" : " ", values[i].text());
  return text + "\n";
}

Result<Value> call_printf(const Values& values) {
  if (values[0].string() == nullptr) return reason("wrong type for value; expected string");
  return go_format(*values[0].string(), std::span(values).subspan(1));
}

Result<Value> call_json(const Values& values) { return values[0].json(); }

Result<Value> call_split(const Values& values) {
  std::string text = text_of(values[0]);
  std::string separator = text_of(values[1]);
  ValueList parts;
  std::size_t start = 0;
  while (!separator.empty()) {
    std::size_t end = text.find(separator, start);
    if (end == std::string::npos) break;
    parts.emplace_back(text.substr(start, end - start));
    start = end + separator.size();
  }
  if (separator.empty()) {
    for (char c : text) parts.emplace_back(std::string(1, c));
  } else {
    parts.emplace_back(text.substr(start));
  }
  return parts;
}

Result<Value> call_join(const Values& values) {
  const ValueList* list = values[0].list();
  bool nothing = values[0].is_nil() ||
                 (values[0].object() != nullptr && !values[0].object()->null_text.empty());
  if (list == nullptr && !nothing) {
    return reason(cat("wrong type for value; expected []string; got ", values[0].type_name()));
  }
  std::string text;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    text += cat(i == 0 ? "" : text_of(values[1]), (*list)[i].text());
  }
  return text;
}

Result<Value> call_lower(const Values& values) { return lower_text(text_of(values[0])); }
Result<Value> call_upper(const Values& values) { return upper_text(text_of(values[0])); }

Result<Value> call_title(const Values& values) {
  std::string text = text_of(values[0]);
  bool starts = true;
  for (char& c : text) {
    if (starts && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    starts = c == ' ' || c == '\t' || c == '\n';
  }
  return text;
}

Result<Value> call_pad(const Values& values) {
  std::string text = text_of(values[0]);
  const std::int64_t* before = values[1].integer();
  const std::int64_t* after = values[2].integer();
  if (before == nullptr || after == nullptr) return reason("expected integer");
  if (text.empty()) return text;
  auto blanks = [](std::int64_t count) {
    constexpr std::int64_t kMost = 10'000;
    return std::string(static_cast<std::size_t>(std::clamp(count, std::int64_t{0}, kMost)), ' ');
  };
  return blanks(*before) + text + blanks(*after);
}

Result<Value> call_truncate(const Values& values) {
  std::string text = text_of(values[0]);
  const std::int64_t* length = values[1].integer();
  if (length == nullptr || *length < 0) return reason("expected integer");
  return text.substr(0, static_cast<std::size_t>(*length));
}

Result<Value> call_html(const Values& values) {
  std::string text;
  for (char c : text_of(values[0])) {
    switch (c) {
      case '<':
        text += "&lt;";
        break;
      case '>':
        text += "&gt;";
        break;
      case '&':
        text += "&amp;";
        break;
      case '"':
        text += "&#34;";
        break;
      case '\'':
        text += "&#39;";
        break;
      default:
        text += c;
    }
  }
  return text;
}

Result<Value> call_urlquery(const Values& values) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  for (char c : text_of(values[0])) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 std::string_view("-_.~").find(c) != std::string_view::npos;
    if (plain) {
      text += c;
    } else if (c == ' ') {
      text += '+';
    } else {
      auto byte = static_cast<unsigned char>(c);
      text += cat('%', kDigits[byte >> 4], kDigits[byte & 15]);
    }
  }
  return text;
}

struct Function {
  std::string_view name;
  std::size_t min_arguments;
  std::size_t max_arguments;
  Result<Value> (*call)(const Values&);
  bool changes_headings = false;  // also called in headings
};

constexpr std::size_t kAny = 1000;
// `and` and `or` are here for their names alone.
constexpr Function kFunctions[] = {
    {"and", 1, kAny, nullptr},
    {"or", 1, kAny, nullptr},
    {"not", 1, 1, call_not},
    {"eq", 2, kAny, call_eq},
    {"ne", 2, 2, call_ne},
    {"lt", 2, 2, call_lt},
    {"le", 2, 2, call_le},
    {"gt", 2, 2, call_gt},
    {"ge", 2, 2, call_ge},
    {"len", 1, 1, call_len},
    {"index", 1, kAny, call_index},
    {"slice", 1, 4, call_slice},
    {"print", 0, kAny, call_print, true},
    {"printf", 1, kAny, call_printf, true},
    {"println", 0, kAny, call_println, true},
    {"html", 1, 1, call_html},
    {"urlquery", 1, 1, call_urlquery},
    {"json", 1, 1, call_json},
    {"split", 2, 2, call_split},
    {"join", 2, 2, call_join},
    {"title", 1, 1, call_title},
    {"lower", 1, 1, call_lower},
    {"upper", 1, 1, call_upper},
    {"pad", 3, 3, call_pad},
    {"truncate", 2, 2, call_truncate},
};

}  // namespace

bool is_template_function(std::string_view name) {
  return std::ranges::find(kFunctions, name, &Function::name) != std::end(kFunctions);
}

Result<Value> call_template_function(std::string_view name, const Values& arguments, bool heading) {
  const Function* function = std::ranges::find(kFunctions, name, &Function::name);
  if (arguments.size() < function->min_arguments || arguments.size() > function->max_arguments) {
    bool open = function->max_arguments == kAny;
    return reason(cat("wrong number of args: want ", open ? "at least " : "",
                      function->min_arguments, " got ", arguments.size()));
  }
  if (heading && !function->changes_headings) return arguments.front();
  return function->call(arguments);
}

}  // namespace dhow::cli
