// Compressed pieces of a stream.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace twinhull::linux_backend {

/// Compresses pieces, each by itself (zstd): a peer that skips some can read the next.
class Packer {
 public:
  Packer();
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  /// std::nullopt when it does not pay: less than an eighth would be saved.
  std::optional<std::string> pack(std::string_view piece);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The piece that was packed, whatever the bytes are: std::nullopt for what is no packed piece of at
/// most `most` bytes.
std::optional<std::string> unpack(std::string_view packed, std::size_t most);

}  // namespace twinhull::linux_backend
