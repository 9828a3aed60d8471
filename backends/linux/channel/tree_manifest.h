// What a receiver's directory holds already, told to the sender of an update.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "backends/linux/file/attributes.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/tree_digest.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// XXH3, 128 bits: tells contents apart that were not made to collide. (A container that makes them
/// collide keeps an old file of its own.)
struct ContentDigest {
  std::uint64_t low = 0, high = 0;
  bool operator==(const ContentDigest&) const = default;
};

/// Digest of what `file` holds from its begin. Errors: those of read(2).
Result<ContentDigest> digest_content(int file, std::string_view operation,
                                     const std::string& object);

/// Stands for what the facts do not tell of an entry: content attributes, a link's target, a node's
/// numbers.
std::uint64_t digest_details(const EntryFacts& facts, const Attributes& attributes,
                             const std::string& target);

struct ManifestEntry {
  std::string path;  ///< relative to the top; empty for the top itself
  std::uint16_t mode = 0;
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;  ///< of a regular file
  timespec modified{};
  std::uint64_t details = 0;
  std::optional<std::uint32_t> same_as;  ///< number of the entry that is the same file
  std::optional<ContentDigest> digest;   ///< of a regular file, when asked for
  std::uint32_t number = 0;              ///< place in the manifest

  [[nodiscard]] bool is_directory() const { return S_ISDIR(mode); }
};

/// Order of a manifest, that of walk_tree: '/' counts as the lowest byte.
bool walks_before(std::string_view a, std::string_view b);
/// Whether `path` is below the directory `directory` ("" = the top).
bool is_below(std::string_view path, std::string_view directory);

using ManifestSink = std::function<Status(std::string_view piece)>;

/// Walks the tree at `path` and gives its manifest in pieces of whole entries, about 256 KiB each.
/// Errors: those of the file calls and of `sink`.
Status write_manifest(const std::string& path, bool digests, std::string_view operation,
                      const ManifestSink& sink);

/// Reads a manifest in its order. The bytes may be anything. Holds the pieces as they came, about
/// 75 bytes an entry, and lets them go as they are read.
class ManifestReader {
 public:
  void add(std::string piece) { pieces_.push_back(std::move(piece)); }
  /// Moves to the next entry (at first: to the first). Errors: protocol (no manifest of ours).
  Status next();
  /// The entry here; std::nullopt at the end.
  [[nodiscard]] const std::optional<ManifestEntry>& here() const { return here_; }

 private:
  [[nodiscard]] bool parse(std::string_view bytes, std::size_t& used);

  std::deque<std::string> pieces_;
  std::size_t at_ = 0;  ///< in the first piece
  std::optional<ManifestEntry> here_;
  std::uint32_t count_ = 0;
};

}  // namespace twinhull::linux_backend
