// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/template/value.h"

namespace dhow::cli {

struct TemplateTree;

// A template in the syntax of Go's text/template, with the functions that docker adds: json, split,
// join, title, lower, upper, pad and truncate. define, template, block and the functions call and
// js are not there.
class Template {
 public:
  // kInvalidArgument in Go's words: "template: :1: unclosed action".
  static Result<Template> parse(std::string_view text);

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // Appends what the template makes of the value. In a heading (`heading`) the functions give their
  // first argument back, so that headings stay as they are, and a missing field is "<no value>".
  // kInvalidArgument in Go's words: `template: :1:2: executing "" at <.Foo>: …`.
  Status execute(const Value& value, std::string& output, bool heading = false) const;

  // Whether a field of that name is named anywhere in it.
  bool mentions(std::string_view field) const;

 private:
  explicit Template(std::unique_ptr<TemplateTree> tree);
  std::unique_ptr<TemplateTree> tree_;
};

}  // namespace dhow::cli
