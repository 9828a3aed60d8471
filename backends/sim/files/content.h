// What a simulated file holds: bytes, or descriptions of bytes that cost nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backends/sim/engine/archive.h"

namespace twinhull::sim {

/// A run of a file. Real bytes are shared between copies; a synthetic run is named by its seed and
/// the place in that seed's endless sequence (seed 0 = zero bytes).
struct Extent {
  std::uint64_t length = 0;
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;           ///< in the blob, or in the seed's sequence
  std::shared_ptr<std::string> blob;  ///< null = synthetic
};

/// Distinct blobs of a world being saved or loaded, so that shared ones are written once.
class BlobTable;

class Content {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }
  void assign(std::string_view bytes);
  void append(std::string_view bytes);
  void append_synthetic(std::uint64_t length, std::uint64_t seed);
  /// Keeps the first `size` bytes (no effect when it is shorter).
  void cut(std::uint64_t size);
  void clear() { cut(0); }
  /// The first `most` bytes.
  [[nodiscard]] std::string read(std::uint64_t most) const;
  /// For short texts (link targets) that were assigned in one piece.
  [[nodiscard]] std::string_view text() const;
  /// Same for equal contents, however they were written.
  [[nodiscard]] std::uint64_t digest() const;

  /// About what a fast compressor makes of it: a byte that repeats the one before it costs nothing,
  /// synthetic runs are noise or zeros, and a 64th of the length always stays.
  [[nodiscard]] std::uint64_t packed_size() const;

  void save(SaveArchive& archive, BlobTable& blobs) const;
  void load(LoadArchive& archive, const BlobTable& blobs);

 private:
  std::uint64_t size_ = 0;
  std::vector<Extent> extents_;
};

class BlobTable {
 public:
  BlobTable() = default;
  /// Number of the blob, given out on first sight.
  std::uint32_t number(const std::shared_ptr<std::string>& blob);
  /// Throws CorruptWorld for an unknown number.
  [[nodiscard]] const std::shared_ptr<std::string>& blob(std::uint32_t number) const;
  void save(SaveArchive& archive) const;
  void load(LoadArchive& archive);

 private:
  std::vector<std::shared_ptr<std::string>> blobs_;
  std::unordered_map<const std::string*, std::uint32_t> numbers_;  // looked up only
};

}  // namespace twinhull::sim
