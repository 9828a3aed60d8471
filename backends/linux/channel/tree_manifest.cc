#include "backends/linux/channel/tree_manifest.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/tree_walk.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;
constexpr std::uint64_t kHasDigest = 1;
constexpr std::uint64_t kSameAs = 2;
/// Depth, length of the name, flags, mode, uid, gid, size, seconds, nanoseconds, details.
constexpr std::size_t kFixed = 4 + 2 + 1 + 2 + 4 + 4 + 8 + 8 + 4 + 8;

void put(std::string& bytes, std::uint64_t number, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) bytes += static_cast<char>((number >> (8 * i)) & 0xff);
}

std::uint64_t take(std::string_view& bytes, std::size_t width) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < width; ++i)
    number |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  bytes.remove_prefix(width);
  return number;
}

/// 0 for the top, 1 for a name in it.
std::size_t depth_of(std::string_view path) {
  return path.empty() ? 0 : 1 + static_cast<std::size_t>(std::ranges::count(path, '/'));
}

struct FreeHash {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

class ManifestVisitor final : public TreeVisitor {
 public:
  ManifestVisitor(const std::string& top, bool digests, std::string_view operation,
                  const ManifestSink& sink)
      : top_(top), digests_(digests), operation_(operation), sink_(sink) {}

  Result<Descend> enter(const WalkEntry& entry) override {
    TH_TRY(add(entry));
    return Descend::yes;
  }
  Status leave(const WalkEntry&) override { return {}; }
  Status leaf(const WalkEntry& entry) override { return add(entry); }
  Status finish() { return piece_.empty() ? Status{} : sink_(piece_); }

 private:
  Status add(const WalkEntry& entry) {
    const EntryFacts& facts = entry.facts;
    const std::string object = entry.path.empty() ? top_ : top_ + "/" + entry.path;
    TH_ASSIGN(const Attributes attributes,
              read_attributes(entry.directory, entry.name, operation_, object));
    std::string target;
    if (facts.is_symlink()) {
      TH_ASSIGN(target, read_link_at(entry.directory, entry.name, operation_, object));
    }
    std::optional<std::uint32_t> same_as;
    if (!facts.is_directory() && facts.links > 1) {
      const auto [place, is_new] = first_.try_emplace(key_of(facts), count_);
      if (!is_new) same_as = place->second;
    }
    std::optional<ContentDigest> digest;
    if (digests_ && facts.is_regular() && !same_as) {
      const UniqueFd file(::openat(entry.directory, entry.name.c_str(),
                                   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
      if (!file) return system_error(operation_, object, errno, "cannot open");
      TH_ASSIGN(digest, digest_content(file.get(), operation_, object));
    }
    const std::string_view name =
        entry.path.empty() ? std::string_view()
                           : std::string_view(entry.path).substr(entry.path.rfind('/') + 1);
    put(piece_, depth_of(entry.path), 4);
    put(piece_, name.size(), 2);
    put(piece_, (digest ? kHasDigest : 0) | (same_as ? kSameAs : 0), 1);
    put(piece_, facts.mode, 2);
    put(piece_, facts.uid, 4);
    put(piece_, facts.gid, 4);
    put(piece_, facts.is_regular() ? facts.size : 0, 8);
    put(piece_, static_cast<std::uint64_t>(facts.modified.tv_sec), 8);
    put(piece_, static_cast<std::uint64_t>(facts.modified.tv_nsec), 4);
    put(piece_, digest_details(facts, attributes, target), 8);
    piece_ += name;
    if (digest) {
      put(piece_, digest->low, 8);
      put(piece_, digest->high, 8);
    }
    if (same_as) put(piece_, *same_as, 4);
    ++count_;
    if (piece_.size() < kPiece) return {};
    TH_TRY(sink_(piece_));
    piece_.clear();
    return {};
  }

  const std::string& top_;
  const bool digests_;
  const std::string_view operation_;
  const ManifestSink& sink_;
  std::string piece_;
  std::uint32_t count_ = 0;
  std::map<InodeKey, std::uint32_t> first_;
};

}  // namespace

Result<ContentDigest> digest_content(int file, std::string_view operation,
                                     const std::string& object) {
  const std::unique_ptr<XXH3_state_t, FreeHash> state(XXH3_createState());
  XXH3_128bits_reset(state.get());
  std::vector<char> buffer(kPiece);
  for (off_t at = 0;;) {
    const ssize_t count = ::pread(file, buffer.data(), buffer.size(), at);
    if (count == 0) break;
    if (count < 0) {
      if (errno == EINTR) continue;
      return system_error(operation, object, errno, "cannot read");
    }
    XXH3_128bits_update(state.get(), buffer.data(), static_cast<std::size_t>(count));
    at += count;
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return ContentDigest{hash.low64, hash.high64};
}

std::uint64_t digest_details(const EntryFacts& facts, const Attributes& attributes,
                             const std::string& target) {
  const bool node = facts.kind() == FileKind::device;
  std::string bytes;
  const auto field = [&bytes](std::string_view text) {
    put(bytes, text.size(), 8);
    bytes += text;
  };
  put(bytes, node ? facts.node_major : 0, 4);
  put(bytes, node ? facts.node_minor : 0, 4);
  field(target);
  for (const auto& [name, value] : attributes) {
    if (!is_content(name)) continue;
    field(name);
    field(value);
  }
  return XXH3_64bits(bytes.data(), bytes.size());
}

bool walks_before(std::string_view a, std::string_view b) {
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<int>(static_cast<unsigned char>(c)); };
  return std::ranges::lexicographical_compare(a, b, {}, rank, rank);
}

bool is_below(std::string_view path, std::string_view directory) {
  if (directory.empty()) return !path.empty();
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

Status write_manifest(const std::string& path, bool digests, std::string_view operation,
                      const ManifestSink& sink) {
  ManifestVisitor visitor(path, digests, operation, sink);
  TH_TRY(walk_tree(path, operation, visitor));
  return visitor.finish();
}

Status ManifestReader::next() {
  while (!pieces_.empty() && at_ >= pieces_.front().size()) {
    pieces_.pop_front();
    at_ = 0;
  }
  if (pieces_.empty()) {
    here_.reset();
    return {};
  }
  std::size_t used = 0;
  if (!parse(std::string_view(pieces_.front()).substr(at_), used)) {
    pieces_.clear();
    here_.reset();
    return fail(ErrorCode::protocol, "channels.send_tree", "manifest",
                "what the peer says of its directory makes no sense");
  }
  at_ += used;
  return {};
}

bool ManifestReader::parse(std::string_view bytes, std::size_t& used) {
  const std::size_t whole = bytes.size();
  if (bytes.size() < kFixed) return false;
  ManifestEntry entry;
  entry.number = count_;
  const std::uint64_t depth = take(bytes, 4);
  const std::size_t length = take(bytes, 2);
  const std::uint64_t flags = take(bytes, 1);
  entry.mode = static_cast<std::uint16_t>(take(bytes, 2));
  entry.uid = static_cast<std::uint32_t>(take(bytes, 4));
  entry.gid = static_cast<std::uint32_t>(take(bytes, 4));
  entry.size = take(bytes, 8);
  entry.modified.tv_sec = static_cast<time_t>(take(bytes, 8));
  entry.modified.tv_nsec = static_cast<long>(take(bytes, 4));
  entry.details = take(bytes, 8);
  const std::size_t tail =
      ((flags & kHasDigest) != 0 ? 16 : 0) + ((flags & kSameAs) != 0 ? 4 : 0);
  if (flags > (kHasDigest | kSameAs) || bytes.size() < length + tail) return false;
  const std::string_view name = bytes.substr(0, length);
  bytes.remove_prefix(length);
  if ((flags & kHasDigest) != 0) {
    const std::uint64_t low = take(bytes, 8);
    entry.digest = ContentDigest{low, take(bytes, 8)};
  }
  if ((flags & kSameAs) != 0) {
    entry.same_as = static_cast<std::uint32_t>(take(bytes, 4));
    if (*entry.same_as >= count_) return false;
  }
  // The first is the top; each other one is in the directory before it, or in one further up.
  if (count_ == 0) {
    if (depth != 0 || !name.empty() || !entry.is_directory()) return false;
  } else {
    if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
        name.find('\0') != name.npos)
      return false;
    const std::size_t before = depth_of(here_->path);
    if (depth == 0 || depth > before + (here_->is_directory() ? 1U : 0U)) return false;
    entry.path = here_->path;
    for (std::size_t up = before; up >= depth; --up) {
      const auto slash = entry.path.rfind('/');
      entry.path.resize(slash == std::string::npos ? 0 : slash);
    }
    if (!entry.path.empty()) entry.path += '/';
    entry.path += name;
    if (!walks_before(here_->path, entry.path)) return false;
  }
  here_ = std::move(entry);
  ++count_;
  used = whole - bytes.size();
  return true;
}

}  // namespace twinhull::linux_backend
