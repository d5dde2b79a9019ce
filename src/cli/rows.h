// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/session.h"
#include "cli/template/template.h"
#include "oci/json_value.h"

// Tables of objects, as `ps` and `images` print them: by columns, or by a template.
namespace dhow::cli {

struct RowOptions {
  bool truncate = true;
  bool human = true;  // sizes and ages for people
  bool with_size = false;
};

struct Column {
  std::string_view name;     // as templates name it: "Names"
  std::string_view heading;  // "NAMES"
  Value (*value)(oci::JsonValue row, const RowOptions& options);
};

// What one kind of object is printed as.
struct RowKind {
  std::string_view type_name;  // for errors: "*formatter.ContainerContext"
  std::span<const Column> columns;
  // `{{.Label "x"}}`: none when there are no methods.
  std::optional<Value> (*method)(oci::JsonValue row, std::string_view name,
                                 std::string_view argument) = nullptr;
};

// One object as a value of templates. Views into the document and the options.
class Row : public Record {
 public:
  Row(const RowKind& kind, oci::JsonValue json, const RowOptions& options)
      : kind_(kind), json_(json), options_(options) {}
  std::string type_name() const override { return std::string(kind_.type_name); }
  std::optional<Value> field(std::string_view name) const override;
  std::optional<Value> method(std::string_view name, std::string_view argument) const override;
  ValueMembers members() const override;

 private:
  const RowKind& kind_;
  oci::JsonValue json_;
  const RowOptions& options_;
};

// What --format says, with docker's words for it.
class RowFormat {
 public:
  // `text` is --format or the configured default; "" and "table" are `default_table`, "table …" a
  // table of that template, "json" one object a line, "raw" is `raw`, if there is one.
  static Result<RowFormat> make(std::string_view text, std::string_view default_table,
                                std::string_view raw = {});

  bool is_table() const { return table_; }
  bool mentions(std::string_view field) const { return template_.mentions(field); }
  // Whether it is `{{json .}}` or the like: every field is asked for.
  bool wants_all() const { return wants_all_; }

  // Puts one more row to the end of `body`.
  Status append(const RowKind& kind, oci::JsonValue row, const RowOptions& options,
                std::string& body) const;
  // All rows, with the headings in a table.
  Result<std::string> finish(const RowKind& kind, std::string body) const;
  // Both at once.
  Result<std::string> render(const RowKind& kind, const std::vector<oci::JsonValue>& rows,
                             const RowOptions& options) const;
  Result<std::string> render(const RowKind& kind, oci::JsonValue array,
                             const RowOptions& options) const;

 private:
  RowFormat(Template parsed, bool table, bool wants_all)
      : template_(std::move(parsed)), table_(table), wants_all_(wants_all) {}
  Template template_;
  bool table_;
  bool wants_all_;
};

// Lines of cells between tabs, as text/tabwriter aligns them: columns at least 10 wide, 3 apart.
std::string align_columns(std::string_view text, std::size_t least = 10, std::size_t gap = 3);

// The member as a text; "" when it is none.
std::string text_member(oci::JsonValue object, std::string_view name);
std::int64_t number_member(oci::JsonValue object, std::string_view name);
// "a=1,b=2", sorted, of an object of texts.
std::string labels_text(oci::JsonValue labels);

}  // namespace dhow::cli
