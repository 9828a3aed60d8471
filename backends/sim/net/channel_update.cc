#include "backends/sim/net/channel_update.h"

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "backends/sim/engine/random.h"

namespace twinhull::sim {
namespace {

using Entry = TreeImage::Entry;

/// What the peer lacks of an entry.
enum class Lack : std::uint8_t { nothing, details, all };

bool holds_content(const Entry& entry) {
  return entry.kind == FileKind::regular || entry.kind == FileKind::symlink;
}

Lack compare(const Entry& have, const Entry& want) {
  // A second name of a file is no place to change it.
  if (have.kind != want.kind || have.same_as || have.whiteout != want.whiteout ||
      have.opaque != want.opaque)
    return Lack::all;
  if (holds_content(want) && (have.content.size() != want.content.size() ||
                              have.content.digest() != want.content.digest()))
    return Lack::all;
  const bool same = have.mode == want.mode && have.owner.uid == want.owner.uid &&
                    have.owner.gid == want.owner.gid && have.modified == want.modified;
  return same ? Lack::nothing : Lack::details;
}

class Comparison {
 public:
  Comparison(const TreeImage* have, const TreeImage& want) : have_(have), want_(want) {}

  TreeDifference run() {
    std::map<std::string_view, std::uint32_t> old;
    if (have_ != nullptr) {
      for (std::uint32_t i = 0; i < have_->entries.size(); ++i) old[have_->entries[i].path] = i;
    }
    kept_.resize(want_.entries.size());
    for (std::uint32_t i = 0; i < want_.entries.size(); ++i) {
      const auto found = old.find(want_.entries[i].path);
      if (found == old.end()) {
        add(i, nullptr, 0);
      } else {
        add(i, &have_->entries[found->second], found->second);
        old.erase(found);
      }
    }
    // A removal takes all below it, so only the upper ends need a word.
    for (const auto& [path, index] : old) {
      difference_.removed.value += 1;
      if (!old.contains(path.substr(0, path.rfind('/')))) difference_.headers += 1;
    }
    difference_.digest = fmt::format("{:016x}", hash_);
    return difference_;
  }

 private:
  void add(std::uint32_t index, const Entry* have, std::uint32_t number) {
    const Entry& entry = want_.entries[index];
    if (entry.same_as) {
      const auto& first = kept_[*entry.same_as];
      if (have != nullptr && have->same_as && first == have->same_as) return;
      note(entry);
      if (have != nullptr) difference_.removed.value += 1;
      difference_.headers += 1;
      return;
    }
    const Lack lack = have == nullptr ? Lack::all : compare(*have, entry);
    if (lack != Lack::all) kept_[index] = number;
    if (lack == Lack::nothing) return;
    note(entry);
    difference_.headers += 1;
    if (lack == Lack::details) return;
    if (have != nullptr) difference_.removed.value += 1;
    difference_.sent.inodes.value += 1;
    if (entry.kind != FileKind::regular) return;
    difference_.sent.bytes.value += entry.content.size();
    difference_.packed += entry.content.packed_size();
  }

  void note(const Entry& entry) {
    hash_ = mix(hash_, hash_text(entry.path));
    hash_ = mix(hash_, (std::uint64_t{entry.mode} << 8U) | static_cast<std::uint64_t>(entry.kind));
    hash_ = mix(hash_, (std::uint64_t{entry.owner.uid} << 32U) | entry.owner.gid);
    if (holds_content(entry)) hash_ = mix(hash_, entry.content.digest());
  }

  const TreeImage* have_;
  const TreeImage& want_;
  std::vector<std::optional<std::uint32_t>> kept_;  ///< by entry: its number there, when it stays
  TreeDifference difference_;
  std::uint64_t hash_ = 0;
};

}  // namespace

TreeDifference difference_of(const TreeImage& have, const TreeImage& want) {
  return Comparison(&have, want).run();
}

TreeDifference whole_of(const TreeImage& want) {
  TreeDifference whole = Comparison(nullptr, want).run();
  whole.sent = want.size;
  whole.headers = want.size.inodes.value;
  whole.digest = want.digest;
  return whole;
}

}  // namespace twinhull::sim
