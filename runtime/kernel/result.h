// Result<T>: a value or an Error. The one error convention of Twinhull.
#pragma once

#include <expected>
#include <utility>

#include "runtime/kernel/error.h"

namespace twinhull {

/// A value, or why there is none. Never ignore one: the compiler refuses.
template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using Base = std::expected<T, Error>;
  using Base::Base;
  Result(Error error) : Base(std::unexpected(std::move(error))) {}  // NOLINT: conversion wanted
};

template <>
class [[nodiscard]] Result<void> : public std::expected<void, Error> {
 public:
  using Base = std::expected<void, Error>;
  using Base::Base;
  Result(Error error) : Base(std::unexpected(std::move(error))) {}  // NOLINT: conversion wanted
};

/// Success or an Error.
using Status = Result<void>;

/// Whether a call changed something, for calls that may be repeated.
/// "Already there" and "was not there" are results, not errors.
enum class Effect : bool {
  none,     ///< the wished state was there before
  changed,  ///< this call brought it about
};

}  // namespace twinhull

#define TH_CONCAT_INNER(a, b) a##b
#define TH_CONCAT(a, b) TH_CONCAT_INNER(a, b)

/// Runs `expr`; on an error returns it from the enclosing function.
#define TH_TRY(expr)                                        \
  do {                                                      \
    if (auto th_status = (expr); !th_status)                \
      return std::move(th_status).error();                  \
  } while (false)

/// Declares or assigns `lhs` from the value of `expr`, or returns its error.
#define TH_ASSIGN(lhs, expr) TH_ASSIGN_INNER(TH_CONCAT(th_result_, __LINE__), lhs, expr)
#define TH_ASSIGN_INNER(tmp, lhs, expr)                     \
  auto tmp = (expr);                                        \
  if (!tmp) return std::move(tmp).error();                  \
  lhs = std::move(*tmp)
