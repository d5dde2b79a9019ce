// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "cli/template/template.h"
#include "cli/template/tree.h"

namespace dhow::cli {
namespace {

// What an output grows to at most: a short template can ask for much.
constexpr std::size_t kMaxOutput = std::size_t{64} << 20;
// And how many actions and rounds of loops it takes at most.
constexpr std::size_t kMaxSteps = 5'000'000;

enum class Flow { kOn, kBreak, kContinue };

class Evaluator {
 public:
  Evaluator(const TemplateTree& tree, const Value& root, std::string& output, bool heading)
      : tree_(tree), output_(output), heading_(heading) {
    variables_.emplace_back("$", root);
  }

  Result<Flow> run(const std::vector<TemplateNode>& nodes, const Value& dot) {
    for (const TemplateNode& node : nodes) {
      TRY_ASSIGN(Flow flow, run_node(node, dot));
      if (flow != Flow::kOn) return flow;
      TRY(count_step());
    }
    return Flow::kOn;
  }

 private:
  Status count_step() {
    if (output_.size() <= kMaxOutput && ++steps_ <= kMaxSteps) return {};
    return fail(Code::kOutOfRange, "template: it has no end");
  }

  std::unexpected<Error> fault(const Operand& at, std::string_view what) const {
    std::string_view before = std::string_view(tree_.text).substr(0, at.position);
    std::size_t line_start = before.rfind('\n') + 1;
    return fail(Code::kInvalidArgument,
                cat("template: :", template_line(tree_.text, at.position), ":",
                    at.position - line_start, ": executing \"\" at <", at.text, ">: ", what));
  }

  Result<Flow> run_node(const TemplateNode& node, const Value& dot) {
    switch (node.kind) {
      case TemplateNode::Kind::kText:
        output_ += node.text;
        return Flow::kOn;
      case TemplateNode::Kind::kAction: {
        TRY_ASSIGN(Value value, evaluate(node.pipeline, dot));
        if (node.pipeline.variables.empty()) output_ += value_text(value);
        return Flow::kOn;
      }
      case TemplateNode::Kind::kIf:
      case TemplateNode::Kind::kWith:
        return run_choice(node, dot);
      case TemplateNode::Kind::kRange:
        return run_range(node, dot);
      case TemplateNode::Kind::kBreak:
        return Flow::kBreak;
      case TemplateNode::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kOn;
  }

  std::string value_text(const Value& value) const {
    return heading_ && value.is_nil() ? "<no value>" : value.text();
  }

  Result<Flow> run_choice(const TemplateNode& node, const Value& dot) {
    std::size_t outer = variables_.size();
    TRY_ASSIGN(Value value, evaluate(node.pipeline, dot));
    bool with = node.kind == TemplateNode::Kind::kWith;
    auto flow = value.truth() ? run(node.body, with ? value : dot) : run(node.otherwise, dot);
    variables_.resize(outer);
    return flow;
  }

  Result<Flow> run_range(const TemplateNode& node, const Value& dot) {
    std::size_t outer = variables_.size();
    // The variables of a range are those of its elements, not of the pipeline.
    Pipeline plain{{}, false, node.pipeline.commands};
    TRY_ASSIGN(Value value, evaluate(plain, dot));
    ValueMembers elements;
    std::vector<Value> keys;
    TRY(collect(node, value, keys, elements));
    Flow flow = Flow::kOn;
    for (std::size_t i = 0; i < elements.size() && flow != Flow::kBreak; ++i) {
      std::size_t inner = variables_.size();
      const auto& names = node.pipeline.variables;
      if (!names.empty()) set_variable(names.back(), elements[i].second, node.pipeline.assigns);
      if (names.size() > 1) set_variable(names.front(), keys[i], node.pipeline.assigns);
      TRY_ASSIGN(flow, run(node.body, elements[i].second));
      variables_.resize(inner);
      TRY(count_step());
    }
    if (elements.empty()) {
      TRY(run(node.otherwise, dot));
    }
    variables_.resize(outer);
    return Flow::kOn;
  }

  Status collect(const TemplateNode& node, const Value& value, std::vector<Value>& keys,
                 ValueMembers& elements) {
    if (const ValueList* list = value.list()) {
      for (const Value& item : *list) {
        keys.emplace_back(static_cast<std::int64_t>(keys.size()));
        elements.emplace_back("", item);
      }
    } else if (const ValueObject* object = value.object()) {
      elements = object->members;
      if (object->is_map) std::ranges::stable_sort(elements, {}, &ValueMembers::value_type::first);
      for (const auto& [name, item] : elements) keys.emplace_back(name);
    } else if (const std::int64_t* count = value.integer()) {
      constexpr std::int64_t kMost = 100'000;
      for (std::int64_t i = 0; i < std::min(*count, kMost); ++i) {
        keys.emplace_back(i);
        elements.emplace_back("", i);
      }
    } else if (!value.is_nil()) {
      return fault(node.pipeline.commands.back().operands.front(),
                   cat("range can't iterate over ", value.text()));
    }
    return {};
  }

  void set_variable(const std::string& name, Value value, bool assigns) {
    if (assigns) {
      for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
        if (it->first == name) {
          it->second = std::move(value);
          return;
        }
      }
    }
    variables_.emplace_back(name, std::move(value));
  }

  Result<Value> evaluate(const Pipeline& pipeline, const Value& dot) {
    std::optional<Value> value;
    for (const TemplateCommand& command : pipeline.commands) {
      TRY_ASSIGN(value, evaluate_command(command, dot, value));
    }
    Value result = std::move(value).value_or(Value());
    if (!pipeline.variables.empty())
      set_variable(pipeline.variables.front(), result, pipeline.assigns);
    return result;
  }

  Result<Value> evaluate_command(const TemplateCommand& command, const Value& dot,
                                 const std::optional<Value>& final) {
    const Operand& first = command.operands.front();
    if (first.kind == Operand::Kind::kFunction) return call_function(command, dot, final);
    if (command.operands.size() == 1 && !final) return evaluate_operand(first, dot);
    bool callable =
        (first.kind == Operand::Kind::kField || first.kind == Operand::Kind::kVariable) &&
        !first.fields.empty();
    if (!callable) return fault(first, cat("can't give argument to non-function ", first.text));
    return call_method(command, dot, final);
  }

  // `.Label "name"`
  Result<Value> call_method(const TemplateCommand& command, const Value& dot,
                            const std::optional<Value>& final) {
    Operand holder = command.operands.front();
    std::string name = holder.fields.back();
    holder.fields.pop_back();
    TRY_ASSIGN(Value receiver, holder.fields.empty() && holder.kind == Operand::Kind::kField
                                   ? Result<Value>(dot)
                                   : evaluate_operand(holder, dot));
    std::vector<Value> arguments;
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      TRY_ASSIGN(Value argument, evaluate_operand(command.operands[i], dot));
      arguments.push_back(std::move(argument));
    }
    if (final) arguments.push_back(*final);
    if (heading_) return arguments.empty() ? Value() : arguments.front();
    const Record* record = receiver.record();
    if (record != nullptr && arguments.size() == 1 && arguments[0].string() != nullptr) {
      if (auto value = record->method(name, *arguments[0].string())) return *value;
    }
    return fault(command.operands.front(),
                 cat(name, " has arguments but cannot be invoked as function"));
  }

  Result<Value> call_function(const TemplateCommand& command, const Value& dot,
                              const std::optional<Value>& final) {
    const Operand& function = command.operands.front();
    bool is_and = function.name == "and";
    bool is_or = function.name == "or";
    std::vector<Value> arguments;
    for (std::size_t i = 1; i < command.operands.size(); ++i) {
      TRY_ASSIGN(Value argument, evaluate_operand(command.operands[i], dot));
      arguments.push_back(std::move(argument));
      // The one that decides is the result.
      if ((is_and && !arguments.back().truth()) || (is_or && arguments.back().truth()))
        return arguments.back();
    }
    if (final) arguments.push_back(*final);
    if (is_and || is_or) {
      if (arguments.empty())
        return fault(function,
                     cat("wrong number of args for ", function.name, ": want at least 1 got 0"));
      return arguments.back();
    }
    auto value = call_template_function(function.name, arguments, heading_);
    if (value) return value;
    Operand whole = function;
    return fault(whole, cat("error calling ", function.name, ": ", value.error().message()));
  }

  Result<Value> evaluate_operand(const Operand& operand, const Value& dot) {
    Value value;
    switch (operand.kind) {
      case Operand::Kind::kDot:
      case Operand::Kind::kField:
        value = dot;
        break;
      case Operand::Kind::kVariable: {
        auto found = std::find_if(variables_.rbegin(), variables_.rend(),
                                  [&](const auto& one) { return one.first == operand.name; });
        if (found == variables_.rend())
          return fault(operand, cat("undefined variable: ", operand.name));
        value = found->second;
        break;
      }
      case Operand::Kind::kFunction: {
        TRY_ASSIGN(value, call_function({{operand}}, dot, std::nullopt));
        break;
      }
      case Operand::Kind::kLiteral:
        return operand.literal;
      case Operand::Kind::kNil:
        return Value();
      case Operand::Kind::kPipeline: {
        TRY_ASSIGN(value, evaluate(*operand.pipeline, dot));
        break;
      }
    }
    for (const std::string& field : operand.fields) {
      TRY_ASSIGN(value, look_up(operand, value, field));
    }
    return value;
  }

  Result<Value> look_up(const Operand& operand, const Value& value, const std::string& field) {
    if (const Record* record = value.record()) {
      if (auto found = record->field(field)) return *found;
      return fault(operand, cat("can't evaluate field ", field, " in type ", record->type_name()));
    }
    if (const ValueObject* object = value.object()) {
      for (const auto& [name, member] : object->members) {
        if (name == field) return member;
      }
      // Fields have Go's names as well: ID for what is Id in JSON, CPUShares for CpuShares.
      bool may_be_gos = !object->is_map && field[0] >= 'A' && field[0] <= 'Z';
      for (const auto& [name, member] : object->members) {
        if (may_be_gos && lower_text(name) == lower_text(field)) return member;
      }
      if (heading_ || is_optional_name(field)) return Value();
      return fault(operand, cat("map has no entry for key ", quoted(field)));
    }
    if (heading_) return Value();
    if (value.is_nil()) return fault(operand, cat("nil pointer evaluating interface {}.", field));
    return fault(operand, cat("can't evaluate field ", field, " in type ", value.type_name()));
  }

  const TemplateTree& tree_;
  std::string& output_;
  bool heading_;
  std::size_t steps_ = 0;
  std::vector<std::pair<std::string, Value>> variables_;
};

bool mentions_in(const Pipeline& pipeline, std::string_view field) {
  for (const TemplateCommand& command : pipeline.commands) {
    for (const Operand& operand : command.operands) {
      if (std::ranges::find(operand.fields, field) != operand.fields.end()) return true;
      if (operand.pipeline && mentions_in(*operand.pipeline, field)) return true;
    }
  }
  return false;
}

bool mentions_in(const std::vector<TemplateNode>& nodes, std::string_view field) {
  return std::ranges::any_of(nodes, [field](const TemplateNode& node) {
    return mentions_in(node.pipeline, field) || mentions_in(node.body, field) ||
           mentions_in(node.otherwise, field);
  });
}

}  // namespace

Template::Template(std::unique_ptr<TemplateTree> tree) : tree_(std::move(tree)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view text) {
  auto tree = std::make_unique<TemplateTree>();
  tree->text = text;
  TRY_ASSIGN(tree->nodes, parse_template(text));
  return Template(std::move(tree));
}

Status Template::execute(const Value& value, std::string& output, bool heading) const {
  TRY(Evaluator(*tree_, value, output, heading).run(tree_->nodes, value));
  return {};
}

bool Template::mentions(std::string_view field) const { return mentions_in(tree_->nodes, field); }

}  // namespace dhow::cli
