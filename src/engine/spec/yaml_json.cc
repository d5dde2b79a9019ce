// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/yaml_json.h"

#include <cctype>
#include <cstdint>
#include <optional>
#include <vector>
#include <yaml-cpp/yaml.h>

#include "base/strings.h"
#include "oci/json.h"

namespace dhow::engine {
namespace {

constexpr std::size_t kMaxText = std::size_t{2} << 20;
constexpr int kMaxDepth = 64;

std::unexpected<Error> wrong(const YAML::Mark& mark, std::string_view text) {
  return fail(Code::kInvalidArgument, cat("YAML: line ", mark.line + 1, ": ", text));
}

// "0x1F" and "0o17" are numbers in YAML and not in JSON.
std::optional<std::int64_t> based_number(std::string_view text) {
  if (text.starts_with("0x")) return parse_number<std::int64_t>(text.substr(2), 16);
  if (text.starts_with("0o")) return parse_number<std::int64_t>(text.substr(2), 8);
  return std::nullopt;
}

// [-+]? digits, a fraction and an exponent: what JSON takes too, once a "+" is gone.
bool is_decimal(std::string_view text) {
  std::size_t at = 0;
  auto digits = [&] {
    std::size_t begin = at;
    while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0) ++at;
    return at > begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  std::size_t first = at;
  if (!digits() || (text[first] == '0' && at > first + 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

std::string scalar_json(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  // "?": plain, without a tag; "!" is a quoted one.
  if (node.Tag() != "?") return oci::json_quoted(text);
  for (std::string_view word : {"true", "True", "TRUE"}) {
    if (text == word) return "true";
  }
  for (std::string_view word : {"false", "False", "FALSE"}) {
    if (text == word) return "false";
  }
  if (auto number = based_number(text)) return cat(*number);
  std::string_view unsigned_text = text;
  if (unsigned_text.starts_with('+')) unsigned_text.remove_prefix(1);
  if (is_decimal(unsigned_text)) return std::string(unsigned_text);
  return oci::json_quoted(text);
}

Status write_node(const YAML::Node& node, int depth, std::string& out);

Status write_mapping(const YAML::Node& node, int depth, std::string& out) {
  out.push_back('{');
  std::string_view separator;
  for (const auto& member : node) {
    if (!member.first.IsScalar()) return wrong(member.first.Mark(), "a key that is no text");
    out += cat(separator, oci::json_quoted(member.first.Scalar()), ":");
    TRY(write_node(member.second, depth + 1, out));
    separator = ",";
  }
  out.push_back('}');
  return {};
}

Status write_node(const YAML::Node& node, int depth, std::string& out) {
  if (depth > kMaxDepth) return wrong(node.Mark(), cat("more than ", kMaxDepth, " levels"));
  if (out.size() > kMaxText) return wrong(node.Mark(), "too much text by aliases");
  if (node.IsMap()) return write_mapping(node, depth, out);
  if (node.IsScalar()) {
    out += scalar_json(node);
  } else if (node.IsSequence()) {
    out.push_back('[');
    std::string_view separator;
    for (const YAML::Node& element : node) {
      out += separator;
      TRY(write_node(element, depth + 1, out));
      separator = ",";
    }
    out.push_back(']');
  } else {
    out += "null";
  }
  return {};
}

}  // namespace

Result<std::string> json_of_yaml(std::string_view yaml) {
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(std::string(yaml));
    if (documents.size() != 1) {
      return fail(Code::kInvalidArgument,
                  cat("YAML: ", documents.size(), " documents, where one is wanted"));
    }
    std::string out;
    TRY(write_node(documents.front(), 0, out));
    return out;
  } catch (const YAML::Exception& exception) {
    return wrong(exception.mark, exception.msg);
  }
}

}  // namespace dhow::engine
