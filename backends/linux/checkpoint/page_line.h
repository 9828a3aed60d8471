// Messages between a command and the holder of its container's memory, on a socket of the node.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/linux/unique_fd.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// One end of a connection that never blocks: what cannot be written yet waits here.
class PageLine {
 public:
  /// The descriptor becomes non-blocking.
  explicit PageLine(UniqueFd socket);

  /// Reads what is there. False when the other end is gone, or says what no message is.
  [[nodiscard]] bool read_some();
  /// The next whole message that was read.
  std::optional<std::string> next();
  void queue(std::string_view message);
  /// Writes what is queued, as far as that goes at once. False when the other end is gone.
  [[nodiscard]] bool flush();
  [[nodiscard]] bool has_queued() const { return sent_ < out_.size(); }
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::string in_, out_;
  std::size_t taken_ = 0, sent_ = 0;
};

/// A socket that listens at `path`, for root. Errors: those of the calls.
Result<UniqueFd> listen_at(const std::string& path, std::string_view operation);
/// std::nullopt when nothing has this name. Errors: failed (nobody listens there any more).
Result<std::optional<UniqueFd>> connect_to(const std::string& path, std::string_view operation);

}  // namespace twinhull::linux_backend
