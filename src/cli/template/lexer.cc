// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "cli/template/tree.h"

namespace dhow::cli {
namespace {

using Kind = TemplateToken::Kind;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<TemplateToken>> lex() {
    while (at_ < text_.size()) {
      std::size_t open = text_.find("{{", at_);
      take_text(open);
      if (open == std::string_view::npos) break;
      at_ = open + 2;
      bool trims = at_ + 1 < text_.size() && text_[at_] == '-' && is_space(text_[at_ + 1]);
      if (trims) at_ += 2;
      std::size_t inside = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
      if (text_.substr(trims ? inside : at_).starts_with("/*")) {
        at_ = trims ? inside : at_;
        TRY(skip_comment());
        continue;
      }
      TRY(take_action(open));
    }
    add(Kind::kEnd, "", text_.size());
    return std::move(tokens_);
  }

 private:
  void add(Kind kind, std::string_view value, std::size_t position) {
    tokens_.push_back({kind, std::string(value), position});
  }

  std::unexpected<Error> fault(std::string_view what) const {
    return fail(Code::kInvalidArgument, cat("template: :", template_line(text_, at_), ": ", what));
  }

  // The text up to the next action, without the blanks that "-}}" and "{{-" take away.
  void take_text(std::size_t end) {
    std::string_view text = text_.substr(at_, end == std::string_view::npos ? end : end - at_);
    std::size_t start = at_;
    if (trim_next_) {
      std::size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
      text.remove_prefix(first);
      start += first;
    }
    trim_next_ = false;
    if (end != std::string_view::npos && end + 3 < text_.size() && text_[end + 2] == '-' &&
        is_space(text_[end + 3])) {
      text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    }
    if (!text.empty()) add(Kind::kText, text, start);
    at_ = text_.size();
  }

  Status skip_comment() {
    std::size_t end = text_.find("*/", at_);
    if (end == std::string_view::npos) return fault("unclosed comment");
    at_ = end + 2;
    if (take_close()) return {};
    return fault("comment ends before closing delimiter");
  }

  // "}}" or " -}}" here: takes it.
  bool take_close() {
    std::string_view rest = text_.substr(at_);
    std::size_t blanks = std::min(rest.find_first_not_of(" \t\r\n"), rest.size());
    if (blanks != 0 && rest.substr(blanks).starts_with("-}}")) {
      at_ += blanks + 3;
      trim_next_ = true;
      return true;
    }
    if (!rest.starts_with("}}")) return false;
    at_ += 2;
    return true;
  }

  Status take_action(std::size_t open) {
    add(Kind::kOpen, "{{", open);
    int depth = 0;
    while (true) {
      std::size_t start = at_;
      if (take_close()) {
        if (depth != 0) return fault("unclosed left paren");
        add(Kind::kClose, "}}", start);
        return {};
      }
      if (at_ == text_.size()) return fault("unclosed action");
      char c = text_[at_];
      if (c == '(') ++depth;
      if (c == ')' && --depth < 0) return fault("unexpected right paren");
      TRY(take_token(c));
    }
  }

  Status take_token(char c) {
    std::size_t start = at_;
    char after = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (is_space(c)) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      // The blank of " -}}" belongs to the delimiter.
      if (text_.substr(at_).starts_with("-}}")) --at_;
      if (at_ != start) add(Kind::kSpace, " ", start);
      return {};
    }
    if (c == '"' || c == '\'') return take_quoted(c);
    if (c == '`') return take_raw();
    if (c == '$' || (c == '.' && is_name(after) && !is_digit(after))) {
      take_name(1);
      add(c == '$' ? Kind::kVariable : Kind::kField, text_.substr(start, at_ - start), start);
      return {};
    }
    if (is_digit(c) || ((c == '+' || c == '-' || c == '.') && (is_digit(after) || after == '.'))) {
      ++at_;
      while (at_ < text_.size() && (is_name(text_[at_]) || text_[at_] == '.')) ++at_;
      add(Kind::kNumber, text_.substr(start, at_ - start), start);
      return {};
    }
    if (is_name(c)) {
      take_name(0);
      add(Kind::kIdentifier, text_.substr(start, at_ - start), start);
      return {};
    }
    if (c == ':' && after == '=') {
      at_ += 2;
      add(Kind::kSymbol, ":=", start);
      return {};
    }
    if (c == ':') return fault("expected :=");
    if (std::string_view("()|,=.").find(c) == std::string_view::npos) {
      return fault(cat("unexpected ", quoted(std::string_view(&c, 1)), " in operand"));
    }
    ++at_;
    add(Kind::kSymbol, text_.substr(start, 1), start);
    return {};
  }

  void take_name(std::size_t skip) {
    at_ += skip;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
  }

  Status take_raw() {
    std::size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) return fault("unterminated raw quoted string");
    add(Kind::kString, text_.substr(at_ + 1, end - at_ - 1), at_);
    at_ = end + 1;
    return {};
  }

  Status take_quoted(char quote) {
    std::size_t start = at_++;
    std::string value;
    while (true) {
      if (at_ == text_.size() || text_[at_] == '\n') {
        return fault(quote == '"' ? "unterminated quoted string"
                                  : "unterminated character constant");
      }
      char c = text_[at_++];
      if (c == quote) break;
      if (c != '\\') {
        value += c;
        continue;
      }
      if (at_ == text_.size()) return fault("unterminated quoted string");
      TRY(take_escape(text_[at_++], value));
    }
    add(quote == '"' ? Kind::kString : Kind::kCharacter, value, start);
    return {};
  }

  // What stands after a backslash (Go's strconv.Unquote).
  Status take_escape(char c, std::string& value) {
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    if (std::size_t index = kLetters.find(c); index != std::string_view::npos) {
      value += kMeanings[index];
      return {};
    }
    std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : is_digit(c) ? 3 : 0;
    if (digits == 3) --at_;
    auto number = parse_number<std::uint32_t>(text_.substr(at_, digits), digits == 3 ? 8 : 16);
    if (digits == 0 || at_ + digits > text_.size() || !number || *number > 0x10ffff) {
      return fault("invalid syntax");
    }
    at_ += digits;
    if (digits <= 3) {
      value += static_cast<char>(*number);
    } else {
      append_utf8(*number, value);
    }
    return {};
  }

  static void append_utf8(std::uint32_t code, std::string& value) {
    auto byte = [&value](std::uint32_t bits) { value += static_cast<char>(bits); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) {
      byte(0xc0 | code >> 6);
    } else {
      if (code < 0x10000) {
        byte(0xe0 | code >> 12);
      } else {
        byte(0xf0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3f));
      }
      byte(0x80 | (code >> 6 & 0x3f));
    }
    byte(0x80 | (code & 0x3f));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool trim_next_ = false;
  std::vector<TemplateToken> tokens_;
};

}  // namespace

std::size_t template_line(std::string_view text, std::size_t position) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, position), '\n'));
}

Result<std::vector<TemplateToken>> lex_template(std::string_view text) { return Lexer(text).lex(); }

}  // namespace dhow::cli
