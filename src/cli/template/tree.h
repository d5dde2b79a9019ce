// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/template/value.h"

// What the parser of templates makes, and the evaluator walks.
namespace dhow::cli {

struct Pipeline;

struct Operand {
  enum class Kind : std::uint8_t { kDot, kField, kVariable, kFunction, kLiteral, kNil, kPipeline };
  Kind kind = Kind::kDot;
  std::string name;                 // of a variable ("$", "$x") or a function
  std::vector<std::string> fields;  // after it: ".A.B"
  Value literal;
  std::shared_ptr<Pipeline> pipeline;
  std::size_t position = 0;  // in the text of the template
  std::string text;          // as written, for errors
};

// A function or a method with its arguments, or a value alone.
struct TemplateCommand {
  std::vector<Operand> operands;
};

struct Pipeline {
  std::vector<std::string> variables;  // declared or assigned before it
  bool assigns = false;                // "=" rather than ":="
  std::vector<TemplateCommand> commands;
};

struct TemplateNode {
  enum class Kind : std::uint8_t { kText, kAction, kIf, kRange, kWith, kBreak, kContinue };
  Kind kind = Kind::kText;
  std::string text;
  Pipeline pipeline;
  std::vector<TemplateNode> body;
  std::vector<TemplateNode> otherwise;
};

struct TemplateTree {
  std::string text;
  std::vector<TemplateNode> nodes;
};

struct TemplateToken {
  enum class Kind : std::uint8_t {
    kText,
    kOpen,
    kClose,
    kField,       // ".Name"
    kVariable,    // "$" or "$name"
    kIdentifier,  // functions and keywords
    kString,
    kCharacter,
    kNumber,
    kSymbol,  // ( ) | , := = .
    kSpace,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string value;  // of a string without quotes
  std::size_t position = 0;
};

// Number of the line (from 1) that the position is on.
std::size_t template_line(std::string_view text, std::size_t position);

Result<std::vector<TemplateToken>> lex_template(std::string_view text);
Result<std::vector<TemplateNode>> parse_template(std::string_view text);

// Whether there is a function of that name.
bool is_template_function(std::string_view name);
// Calls it. The error is the reason alone. `and` and `or` are the evaluator's matter.
Result<Value> call_template_function(std::string_view name, const std::vector<Value>& arguments,
                                     bool heading);
// Go's fmt.Sprintf of the first argument.
std::string go_format(std::string_view format, std::span<const Value> arguments);

}  // namespace dhow::cli
