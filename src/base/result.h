// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace dhow {

// A value or the Error that stood in its way. libstdc++ 12's expected is not [[nodiscard]], hence a
// class of its own: a dropped failure is a compiler error. A deliberate drop is `std::ignore =
// f();` with the reason beside it.
template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

using Status = Result<void>;

// Returns from the enclosing function with the error, when there is one.
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }
inline std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected<Error>(Error(code, std::move(message)));
}
inline std::unexpected<Error> fail_errno(int errno_value, std::string_view what) {
  return std::unexpected<Error>(Error::from_errno(errno_value, what));
}

#define DHOW_CONCAT_INNER(a, b) a##b
#define DHOW_CONCAT(a, b) DHOW_CONCAT_INNER(a, b)

// The names are counted, so that one TRY may stand in a lambda inside another.

// TRY(f()): runs f and returns its error from the enclosing function.
#define TRY(expression) TRY_IMPL(DHOW_CONCAT(try_result_, __COUNTER__), expression)
#define TRY_IMPL(name, expression)                                \
  do {                                                            \
    if (auto name = (expression); !name.has_value()) [[unlikely]] \
      return ::std::unexpected(::std::move(name).error());        \
  } while (false)

// TRY_ASSIGN(auto x, f()): the value, or the error is returned from the enclosing function.
#define TRY_ASSIGN(declaration, expression) \
  TRY_ASSIGN_IMPL(DHOW_CONCAT(try_assign_, __COUNTER__), declaration, expression)
#define TRY_ASSIGN_IMPL(name, declaration, expression)   \
  auto name = (expression);                              \
  if (!name.has_value()) [[unlikely]]                    \
    return ::std::unexpected(::std::move(name).error()); \
  declaration = ::std::move(*name)

// TRY_CONTEXT(f(), "what we did"): as TRY, with the context put in front of the error.
#define TRY_CONTEXT(expression, context) \
  TRY_CONTEXT_IMPL(DHOW_CONCAT(try_result_, __COUNTER__), expression, context)
#define TRY_CONTEXT_IMPL(name, expression, context)                             \
  do {                                                                          \
    if (auto name = (expression); !name.has_value()) [[unlikely]]               \
      return ::std::unexpected(::std::move(name).error().add_context(context)); \
  } while (false)

}  // namespace dhow
