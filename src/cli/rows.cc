// SPDX-License-Identifier: Apache-2.0
#include "cli/rows.h"

#include <algorithm>

#include "base/strings.h"
#include "cli/units.h"

namespace dhow::cli {
namespace {

std::string with_escapes(std::string_view format) {
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    char next = i + 1 < format.size() ? format[i + 1] : '\0';
    if (format[i] == '\\' && (next == 't' || next == 'n')) {
      text += next == 't' ? '\t' : '\n';
      ++i;
    } else {
      text += format[i];
    }
  }
  return text;
}

std::string without_blanks(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c != ' ') result += c;
  }
  return result;
}

Value headings_of(const RowKind& kind) {
  ValueObject headings{{}, true, {}};
  for (const Column& column : kind.columns)
    headings.members.emplace_back(column.name, Value(column.heading));
  return headings;
}

Error template_failure(Error error) {
  return std::move(error).add_context("failed to execute template");
}

}  // namespace

std::optional<Value> Row::field(std::string_view name) const {
  for (const Column& column : kind_.columns) {
    if (column.name == name) return column.value(json_, options_);
  }
  return std::nullopt;
}

std::optional<Value> Row::method(std::string_view name, std::string_view argument) const {
  if (kind_.method == nullptr) return std::nullopt;
  return kind_.method(json_, name, argument);
}

ValueMembers Row::members() const {
  ValueMembers members;
  for (const Column& column : kind_.columns)
    members.emplace_back(column.name, column.value(json_, options_));
  std::ranges::sort(members, {}, &ValueMembers::value_type::first);
  return members;
}

Result<RowFormat> RowFormat::make(std::string_view text, std::string_view default_table,
                                  std::string_view raw) {
  bool table = text.empty() || text == "table" || text.starts_with("table ");
  std::string_view format = text;
  if (text.empty() || text == "table") {
    format = default_table;
  } else if (table) {
    format = text.substr(6);
  } else if (text == "json") {
    format = "{{json .}}";
  } else if (text == "raw" && !raw.empty()) {
    format = raw;
  }
  std::string whole = with_escapes(format);
  std::size_t first = std::min(whole.find_first_not_of(' '), whole.size());
  whole = whole.substr(first, whole.find_last_not_of(' ') + 1 - first);
  auto parsed = Template::parse(whole);
  if (!parsed)
    return std::unexpected(std::move(parsed).error().add_context("failed to parse template"));
  bool wants_all = text != "json" && without_blanks(whole).find("{{json.}}") != std::string::npos;
  return RowFormat(std::move(*parsed), table, wants_all);
}

Status RowFormat::append(const RowKind& kind, oci::JsonValue row, const RowOptions& options,
                         std::string& body) const {
  auto done = template_.execute(
      Value(std::shared_ptr<const Record>(std::make_shared<Row>(kind, row, options))), body);
  if (!done) return std::unexpected(template_failure(std::move(done).error()));
  body += '\n';
  return {};
}

Result<std::string> RowFormat::render(const RowKind& kind, const std::vector<oci::JsonValue>& rows,
                                      const RowOptions& options) const {
  std::string body;
  for (oci::JsonValue row : rows) TRY(append(kind, row, options, body));
  return finish(kind, std::move(body));
}

Result<std::string> RowFormat::render(const RowKind& kind, oci::JsonValue array,
                                      const RowOptions& options) const {
  std::string body;
  for (std::size_t i = 0; i < array.size(); ++i) TRY(append(kind, array.item(i), options, body));
  return finish(kind, std::move(body));
}

Result<std::string> RowFormat::finish(const RowKind& kind, std::string body) const {
  if (!table_) return body;
  std::string text;
  // Without rows nobody has noticed a field that there is none of.
  auto headed = template_.execute(headings_of(kind), text, true);
  if (!headed) return std::unexpected(template_failure(std::move(headed).error()));
  return align_columns(cat(text, "\n", body));
}

std::string align_columns(std::string_view text, std::size_t least, std::size_t gap) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::vector<std::string_view>> lines;
  for (std::string_view line : split(text, '\n')) lines.push_back(split(line, '\t'));
  std::string result;
  // A column is a block of lines in a row that have a cell there which a tab ends.
  std::vector<std::vector<std::size_t>> widths(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (std::size_t cell = widths[i].size(); cell + 1 < lines[i].size(); ++cell) {
      std::size_t width = 0;
      std::size_t end = i;
      for (; end < lines.size() && cell + 1 < lines[end].size(); ++end) {
        width = std::max(width, text_width(lines[end][cell]));
      }
      for (std::size_t line = i; line < end; ++line) {
        if (widths[line].size() == cell) widths[line].push_back(std::max(width + gap, least));
      }
    }
    for (std::size_t cell = 0; cell < lines[i].size(); ++cell) {
      result += lines[i][cell];
      if (cell + 1 == lines[i].size()) break;
      result += std::string(widths[i][cell] - text_width(lines[i][cell]), ' ');
    }
    result += '\n';
  }
  return result;
}

std::string text_member(oci::JsonValue object, std::string_view name) {
  return std::string(object.find(name).as_string().value_or(""));
}

std::int64_t number_member(oci::JsonValue object, std::string_view name) {
  return object.find(name).as_int64().value_or(0);
}

std::string labels_text(oci::JsonValue labels) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    oci::JsonMember member = labels.member(i);
    all.push_back(cat(member.name, "=", member.value.as_string().value_or("")));
  }
  std::ranges::sort(all);
  return join(all, ",");
}

}  // namespace dhow::cli
