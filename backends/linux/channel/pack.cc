#include "backends/linux/channel/pack.h"

#include <zstd.h>

namespace twinhull::linux_backend {
namespace {

/// Keeps up with a gigabit link on one CPU.
constexpr int kLevel = 1;

}  // namespace

struct Packer::State {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::string buffer;
  ~State() { ZSTD_freeCCtx(context); }
};

Packer::Packer() : state_(std::make_unique<State>()) {}
Packer::~Packer() = default;

std::optional<std::string> Packer::pack(std::string_view piece) {
  std::string& buffer = state_->buffer;
  buffer.resize(ZSTD_compressBound(piece.size()));
  const std::size_t size = ZSTD_compressCCtx(state_->context, buffer.data(), buffer.size(),
                                             piece.data(), piece.size(), kLevel);
  if (ZSTD_isError(size) != 0 || size > piece.size() - piece.size() / 8) return std::nullopt;
  return buffer.substr(0, size);
}

std::optional<std::string> unpack(std::string_view packed, std::size_t most) {
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  // Unknown sizes and errors are the two largest numbers.
  if (size > most) return std::nullopt;
  std::string piece(static_cast<std::size_t>(size), '\0');
  const std::size_t got = ZSTD_decompress(piece.data(), piece.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) != 0 || got != piece.size()) return std::nullopt;
  return piece;
}

}  // namespace twinhull::linux_backend
