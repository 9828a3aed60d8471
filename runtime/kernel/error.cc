#include "runtime/kernel/error.h"

#include <array>
#include <utility>

namespace twinhull {
namespace {

constexpr std::array<std::string_view, 28> kNames = {
    "not_found",     "exists",        "invalid_argument", "not_permitted",  "no_space",
    "quota_exceeded", "no_memory",    "limit_exceeded",   "busy",           "not_empty",
    "not_directory", "is_directory",  "too_many_links",   "read_only",      "cross_device",
    "in_progress",   "timed_out",     "interrupted",      "not_supported",  "not_running",
    "already_running", "unreachable", "connection_lost",  "node_down",      "corrupt",
    "protocol",      "failed",        "input_output"};
static_assert(kNames.size() == static_cast<std::size_t>(ErrorCode::input_output) + 1);

std::string readable(ErrorCode code) {
  std::string text(to_string(code));
  for (char& letter : text)
    if (letter == '_') letter = ' ';
  return text;
}

}  // namespace

std::string_view to_string(ErrorCode code) { return kNames[static_cast<std::size_t>(code)]; }

std::optional<ErrorCode> parse_error_code(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == name) return static_cast<ErrorCode>(i);
  return std::nullopt;
}

Error::Error() = default;
Error::Error(const Error&) = default;
Error::Error(Error&&) noexcept = default;
Error& Error::operator=(const Error&) = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

Error&& Error::with_errno(int number) && {
  sys_errno = number;
  return std::move(*this);
}
Error&& Error::with_exit_code(int number) && {
  exit_code = number;
  return std::move(*this);
}
Error&& Error::with_hint(std::string text) && {
  hint = std::move(text);
  return std::move(*this);
}
Error&& Error::with_amounts(std::optional<std::uint64_t> requested_amount,
                            std::optional<std::uint64_t> current_amount,
                            std::optional<std::uint64_t> limit_amount) && {
  requested = requested_amount;
  current = current_amount;
  limit = limit_amount;
  return std::move(*this);
}
Error&& Error::caused_by(Error lower) && {
  cause = std::make_shared<const Error>(std::move(lower));
  return std::move(*this);
}

std::string Error::message() const {
  std::string text = object;
  if (!text.empty()) text += ": ";
  text += detail.empty() ? readable(code) : detail;
  std::string amounts;
  const auto add = [&amounts](std::string_view what, const std::optional<std::uint64_t>& value) {
    if (!value) return;
    if (!amounts.empty()) amounts += ", ";
    amounts.append(what).append(" ").append(std::to_string(*value));
  };
  add("requested", requested);
  add("in use", current);
  add("limit", limit);
  if (!amounts.empty()) text += " (" + amounts + ")";
  if (!operation.empty() && !cause) text += " [" + operation + "]";
  if (injected) text += " [injected]";
  if (cause) text += ": " + cause->message();
  if (!hint.empty()) text += "; " + hint;
  return text;
}

Error fail(ErrorCode code, std::string_view operation, std::string_view object,
           std::string_view detail) {
  Error error;
  error.code = code;
  error.operation = operation;
  error.object = object;
  error.detail = detail;
  return error;
}

}  // namespace twinhull
