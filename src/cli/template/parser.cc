// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "cli/flags.h"
#include "cli/template/tree.h"

namespace dhow::cli {
namespace {

using Kind = TemplateToken::Kind;

constexpr int kMaxDepth = 64;
constexpr std::string_view kKeywords[] = {"if",    "else",     "end",    "range",    "with",
                                          "break", "continue", "define", "template", "block"};

bool is_keyword(std::string_view word) {
  return std::ranges::find(kKeywords, word) != std::end(kKeywords);
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<TemplateToken> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<std::vector<TemplateNode>> parse() {
    std::vector<TemplateNode> nodes;
    TRY_ASSIGN(std::string end, parse_list(nodes));
    if (!end.empty()) return fault(cat("unexpected {{", end, "}}"));
    return nodes;
  }

 private:
  const TemplateToken& peek() const { return tokens_[next_]; }
  const TemplateToken& take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }
  const TemplateToken& peek_past_space() {
    if (peek().kind == Kind::kSpace) take();
    return peek();
  }
  bool take_symbol(std::string_view symbol) {
    if (peek_past_space().kind != Kind::kSymbol || peek().value != symbol) return false;
    take();
    return true;
  }

  std::unexpected<Error> fault(std::string_view what) const {
    return fail(Code::kInvalidArgument,
                cat("template: :", template_line(text_, peek().position), ": ", what));
  }
  std::unexpected<Error> unexpected_token(std::string_view where) const {
    if (peek().kind == Kind::kEnd) return fault("unexpected EOF");
    return fault(cat("unexpected ", quoted(peek().value), " in ", where));
  }

  // Nodes up to {{end}} or {{else}}, whose word is the result with its "}}" or the rest of the
  // {{else if}} not taken; "" at the end of the text.
  Result<std::string> parse_list(std::vector<TemplateNode>& nodes) {
    if (++depth_ > kMaxDepth) return fault("nested too deep");
    while (peek().kind != Kind::kEnd) {
      TemplateToken token = take();
      if (token.kind == Kind::kText) {
        TemplateNode node;
        node.text = token.value;
        nodes.push_back(std::move(node));
        continue;
      }
      std::string word = peek_past_space().kind == Kind::kIdentifier ? peek().value : "";
      if (word == "end" || word == "else") {
        take();
        --depth_;
        return word;
      }
      TRY(parse_action(word, nodes));
    }
    --depth_;
    return std::string();
  }

  Status expect_close(std::string_view where) {
    if (peek_past_space().kind != Kind::kClose) return unexpected_token(where);
    take();
    return {};
  }

  Status parse_action(const std::string& word, std::vector<TemplateNode>& nodes) {
    TemplateNode node;
    if (word == "define" || word == "template" || word == "block") {
      return fault(cat("{{", word, "}} is not supported"));
    }
    if (word == "break" || word == "continue") {
      if (ranges_ == 0) return fault(cat("{{", word, "}} outside {{range}}"));
      take();
      node.kind = word == "break" ? TemplateNode::Kind::kBreak : TemplateNode::Kind::kContinue;
      TRY(expect_close(word));
    } else if (word == "if" || word == "range" || word == "with") {
      take();
      TRY(parse_control(word, node));
    } else {
      node.kind = TemplateNode::Kind::kAction;
      TRY_ASSIGN(node.pipeline, parse_pipeline("command"));
      TRY(expect_close("command"));
    }
    nodes.push_back(std::move(node));
    return {};
  }

  Status parse_control(const std::string& word, TemplateNode& node) {
    node.kind = word == "if"      ? TemplateNode::Kind::kIf
                : word == "range" ? TemplateNode::Kind::kRange
                                  : TemplateNode::Kind::kWith;
    TRY_ASSIGN(node.pipeline, parse_pipeline(word));
    TRY(expect_close(word));
    int outer = ranges_;
    if (word == "range") ++ranges_;
    TRY_ASSIGN(std::string end, parse_list(node.body));
    ranges_ = outer;
    if (end.empty()) return fault("unexpected EOF");
    if (end == "else") {
      const TemplateToken& next = peek_past_space();
      if (next.kind == Kind::kIdentifier && next.value == word && word != "range") {
        if (++depth_ > kMaxDepth) return fault("nested too deep");
        take();
        node.otherwise.emplace_back();
        TRY(parse_control(word, node.otherwise.back()));  // takes the one {{end}} of all
        --depth_;
        return {};
      }
      TRY(expect_close("else"));
      TRY_ASSIGN(end, parse_list(node.otherwise));
      if (end.empty()) return fault("unexpected EOF");
      if (end == "else") return fault("expected end; found {{else}}");
    }
    return expect_close("end");
  }

  // "$x := ", "$i, $x := " or "$x = " at this place.
  Status parse_declaration(std::string_view where, Pipeline& pipeline) {
    std::size_t start = next_;
    std::vector<std::string> names;
    while (peek_past_space().kind == Kind::kVariable) {
      names.push_back(take().value);
      if (!take_symbol(",")) break;
    }
    bool declares = !names.empty() && take_symbol(":=");
    bool assigns = !declares && !names.empty() && take_symbol("=");
    if (!declares && !assigns) {
      next_ = start;
      return {};
    }
    if (names.size() > (where == "range" ? 2U : 1U))
      return fault(cat("too many declarations in ", where));
    pipeline.variables = std::move(names);
    pipeline.assigns = assigns;
    return {};
  }

  Result<Pipeline> parse_pipeline(std::string_view where) {
    if (++depth_ > kMaxDepth) return fault("nested too deep");
    Pipeline pipeline;
    TRY(parse_declaration(where, pipeline));
    do {
      TRY_ASSIGN(TemplateCommand command, parse_command());
      if (command.operands.empty()) {
        const TemplateToken& token = peek();
        if (token.kind == Kind::kClose || (token.kind == Kind::kSymbol && token.value == ")")) {
          return fault(cat("missing value for ", where));
        }
        return unexpected_token(where == "command" ? "command" : "operand");
      }
      if (!pipeline.commands.empty() && command.operands[0].kind != Operand::Kind::kFunction &&
          command.operands[0].kind != Operand::Kind::kField &&
          command.operands[0].kind != Operand::Kind::kVariable) {
        return fault("non executable command in pipeline stage " +
                     cat(pipeline.commands.size() + 1));
      }
      pipeline.commands.push_back(std::move(command));
    } while (take_symbol("|"));
    --depth_;
    return pipeline;
  }

  Result<TemplateCommand> parse_command() {
    TemplateCommand command;
    while (true) {
      const TemplateToken& token = peek_past_space();
      bool ends = token.kind == Kind::kClose || token.kind == Kind::kEnd ||
                  (token.kind == Kind::kSymbol && token.value != "(" && token.value != ".");
      if (ends) return command;
      TRY_ASSIGN(Operand operand, parse_operand());
      command.operands.push_back(std::move(operand));
      // Operands are kept apart by blanks.
      Kind kind = peek().kind;
      bool apart = kind == Kind::kSpace || kind == Kind::kClose || kind == Kind::kSymbol;
      if (!apart) return unexpected_token("operand");
    }
  }

  Result<Operand> parse_operand() {
    Operand operand;
    TemplateToken token = peek();
    operand.position = token.position;
    switch (token.kind) {
      case Kind::kField:
        operand.kind = Operand::Kind::kField;
        break;  // taken with the fields
      case Kind::kVariable:
        operand.kind = Operand::Kind::kVariable;
        operand.name = take().value;
        break;
      case Kind::kIdentifier:
        TRY(parse_word(operand));
        break;
      case Kind::kString:
        operand.kind = Operand::Kind::kLiteral;
        operand.literal = take().value;
        break;
      case Kind::kCharacter:
      case Kind::kNumber:
        TRY(parse_number_literal(operand));
        break;
      default:
        TRY(parse_symbol_operand(operand));
        break;
    }
    bool first = operand.kind == Operand::Kind::kField;
    while (peek().kind == Kind::kField) {
      if (operand.kind == Operand::Kind::kLiteral || operand.kind == Operand::Kind::kNil ||
          operand.kind == Operand::Kind::kDot) {
        return fault(cat("unexpected . after term ", quoted(token.value)));
      }
      if (operand.fields.size() == (first ? 1U : 0U)) operand.position = peek().position;
      operand.fields.push_back(take().value.substr(1));
    }
    std::size_t end = peek().position;
    operand.text = text_.substr(token.position, end - token.position);
    return operand;
  }

  Status parse_word(Operand& operand) {
    std::string word = peek().value;
    if (is_keyword(word)) return unexpected_token("operand");
    if (word == "true" || word == "false") {
      operand.kind = Operand::Kind::kLiteral;
      operand.literal = word == "true";
    } else if (word == "nil") {
      operand.kind = Operand::Kind::kNil;
    } else if (is_template_function(word)) {
      operand.kind = Operand::Kind::kFunction;
      operand.name = word;
    } else {
      return fault(cat("function ", quoted(word), " not defined"));
    }
    take();
    return {};
  }

  Status parse_number_literal(Operand& operand) {
    TemplateToken token = take();
    operand.kind = Operand::Kind::kLiteral;
    if (token.kind == Kind::kCharacter) {
      if (token.value.size() != 1)
        return fault(cat("malformed character constant: '", token.value, "'"));
      operand.literal = std::int64_t{static_cast<unsigned char>(token.value[0])};
      return {};
    }
    std::string_view text = token.value;
    if (text.starts_with('+')) text.remove_prefix(1);
    bool hexadecimal = text.starts_with("0x");
    if (auto integer = hexadecimal ? parse_number<std::int64_t>(text.substr(2), 16)
                                   : parse_number<std::int64_t>(text)) {
      operand.literal = *integer;
      return {};
    }
    double real = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fault(cat("bad number syntax: ", quoted(token.value)));
    }
    operand.literal = real;
    return {};
  }

  Status parse_symbol_operand(Operand& operand) {
    if (peek().kind == Kind::kSymbol && peek().value == ".") {
      take();
      operand.kind = Operand::Kind::kDot;
      return {};
    }
    if (peek().kind != Kind::kSymbol || peek().value != "(") return unexpected_token("operand");
    take();
    operand.kind = Operand::Kind::kPipeline;
    TRY_ASSIGN(Pipeline inner, parse_pipeline("parenthesized pipeline"));
    if (!take_symbol(")")) return fault("unclosed left paren");
    operand.pipeline = std::make_shared<Pipeline>(std::move(inner));
    return {};
  }

  std::string_view text_;
  std::vector<TemplateToken> tokens_;
  std::size_t next_ = 0;
  int depth_ = 0;
  int ranges_ = 0;
};

}  // namespace

Result<std::vector<TemplateNode>> parse_template(std::string_view text) {
  TRY_ASSIGN(auto tokens, lex_template(text));
  return Parser(text, std::move(tokens)).parse();
}

}  // namespace dhow::cli
