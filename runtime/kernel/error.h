// Errors that carry facts: what failed, on which object, by how much, why, and the way out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace twinhull {

/// The closed list of ways in which a kernel call or a runtime operation can fail.
/// Both backends return the same code for the same misuse; the text may differ.
enum class ErrorCode : std::uint8_t {
  not_found,         ///< the object does not exist (ENOENT, ESRCH, ENODEV)
  exists,            ///< an object of another kind stands in the way (EEXIST)
  invalid_argument,  ///< a value that no kernel would take (EINVAL, ERANGE, ENAMETOOLONG)
  not_permitted,     ///< a privilege is missing (EPERM, EACCES)
  no_space,          ///< the file system is full (ENOSPC)
  quota_exceeded,    ///< a quota refused, though the file system has room (EDQUOT)
  no_memory,         ///< the node has no memory left for this (ENOMEM)
  limit_exceeded,    ///< a count limit refused: pids, descriptors, devices (EAGAIN, EMFILE)
  busy,              ///< in use; trying again later can succeed (EBUSY, ETXTBSY)
  not_empty,         ///< a directory or cgroup still has members (ENOTEMPTY)
  not_directory,     ///< a path component is not a directory (ENOTDIR)
  is_directory,      ///< a file was expected (EISDIR)
  too_many_links,    ///< a symbolic-link loop (ELOOP)
  read_only,         ///< the file system or the limit cannot be written (EROFS)
  cross_device,      ///< a rename or link across file systems (EXDEV)
  in_progress,       ///< another operation holds the object: the lock of a container
  timed_out,         ///< the deadline passed first (ETIMEDOUT)
  interrupted,       ///< a signal asked to stop (EINTR)
  not_supported,     ///< this kernel, file system or model has no such mechanism (ENOTSUP)
  not_running,       ///< the process or container is not alive
  already_running,   ///< the process or container is alive already
  unreachable,       ///< no route, no listener or no such node (EHOSTUNREACH, ECONNREFUSED)
  connection_lost,   ///< the peer or the cable went away in the middle (EPIPE, ECONNRESET)
  node_down,         ///< the node lost its power; nothing more happens on it
  corrupt,           ///< stored data fails its check
  protocol,          ///< the peer speaks another language or version
  failed,            ///< a program that was run reported failure
  input_output,      ///< the device failed (EIO)
};

/// Stable lower-case name of a code: "not_found".
std::string_view to_string(ErrorCode code);

/// Inverse of to_string; std::nullopt for an unknown name.
std::optional<ErrorCode> parse_error_code(std::string_view name);

/// Why something failed. Plain data: build it with `fail(...)` and the `with_*` setters.
struct Error {
  ErrorCode code = ErrorCode::failed;
  std::string operation;  ///< the call: "files.write", "container.start"
  std::string object;     ///< what it was applied to: "/vz/private/101", "CT 101"
  std::string detail;     ///< the cause in plain words
  std::string hint;       ///< the way out, empty when there is none to offer
  int sys_errno = 0;      ///< the kernel's number; 0 when no kernel call failed
  int exit_code = 0;      ///< the exit code of spec R2 that a command must end with; 0 = derive from `code`
  bool injected = false;  ///< true when a fault injector made it up
  std::optional<std::uint64_t> requested;  ///< the amount that was asked for
  std::optional<std::uint64_t> current;    ///< the amount in use
  std::optional<std::uint64_t> limit;      ///< the amount allowed
  std::shared_ptr<const Error> cause;      ///< the lower error that led to this one

  // Out of line: every function that returns a Result would otherwise hold a copy of them, which
  // doubles the code and the time to compile it.
  Error();
  Error(const Error&);
  Error(Error&&) noexcept;
  Error& operator=(const Error&);
  Error& operator=(Error&&) noexcept;
  ~Error();

  /// Sets the fact and hands the error on, so that it can be built in one expression.
  Error&& with_errno(int number) &&;
  Error&& with_exit_code(int number) &&;
  Error&& with_hint(std::string text) &&;
  Error&& with_amounts(std::optional<std::uint64_t> requested_amount,
                       std::optional<std::uint64_t> current_amount,
                       std::optional<std::uint64_t> limit_amount) &&;
  Error&& caused_by(Error lower) &&;

  /// One line for a person: object, cause, amounts, cause chain, way out.
  [[nodiscard]] std::string message() const;
};

/// Builds an error. `operation` is "port.call" or "area.step".
Error fail(ErrorCode code, std::string_view operation, std::string_view object,
           std::string_view detail);

}  // namespace twinhull
