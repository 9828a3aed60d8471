#include "backends/sim/files/content.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "backends/sim/engine/random.h"

namespace twinhull::sim {
namespace {

// Eight bytes of a seed's sequence, at a multiple of eight.
std::uint64_t synthetic_word(std::uint64_t seed, std::uint64_t word) {
  return seed == 0 ? 0 : mix(seed, word);
}

void append_synthetic_bytes(std::string& out, const Extent& extent, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t at = extent.offset + i;
    out += static_cast<char>((synthetic_word(extent.seed, at / 8) >> (8 * (at % 8))) & 0xffU);
  }
}

}  // namespace

void Content::assign(std::string_view bytes) {
  extents_.clear();
  size_ = 0;
  append(bytes);
}

void Content::append(std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  if (!extents_.empty()) {
    Extent& last = extents_.back();
    if (last.blob && last.blob.use_count() == 1 && last.offset + last.length == last.blob->size()) {
      last.blob->append(bytes);
      last.length += bytes.size();
      return;
    }
  }
  extents_.push_back({bytes.size(), 0, 0, std::make_shared<std::string>(bytes)});
}

void Content::append_synthetic(std::uint64_t length, std::uint64_t seed) {
  if (length == 0) return;
  size_ += length;
  if (!extents_.empty() && !extents_.back().blob && extents_.back().seed == seed) {
    extents_.back().length += length;  // goes on where the last run ended
    return;
  }
  extents_.push_back({length, seed, 0, nullptr});
}

void Content::cut(std::uint64_t size) {
  if (size >= size_) return;
  size_ = size;
  std::uint64_t left = size;
  for (std::size_t i = 0; i < extents_.size(); ++i) {
    if (extents_[i].length >= left) {
      extents_[i].length = left;
      extents_.resize(left == 0 ? i : i + 1);
      return;
    }
    left -= extents_[i].length;
  }
}

std::string Content::read(std::uint64_t most) const {
  std::string out;
  std::uint64_t left = std::min(most, size_);
  out.reserve(static_cast<std::size_t>(left));
  for (const Extent& extent : extents_) {
    const std::uint64_t count = std::min(left, extent.length);
    if (extent.blob) {
      out.append(*extent.blob, static_cast<std::size_t>(extent.offset),
                 static_cast<std::size_t>(count));
    } else {
      append_synthetic_bytes(out, extent, count);
    }
    left -= count;
    if (left == 0) break;
  }
  return out;
}

std::string_view Content::text() const {
  if (extents_.empty() || !extents_.front().blob) return {};
  const Extent& first = extents_.front();
  return std::string_view(*first.blob)
      .substr(static_cast<std::size_t>(first.offset), static_cast<std::size_t>(first.length));
}

std::uint64_t Content::packed_size() const {
  std::uint64_t fresh = 0;
  for (const Extent& extent : extents_) {
    if (!extent.blob) {
      if (extent.seed != 0) fresh += extent.length;
      continue;
    }
    const std::string_view bytes =
        std::string_view(*extent.blob)
            .substr(static_cast<std::size_t>(extent.offset), static_cast<std::size_t>(extent.length));
    for (std::size_t i = 1; i < bytes.size(); ++i) fresh += bytes[i] == bytes[i - 1] ? 0U : 1U;
  }
  return std::min(size_, std::max(fresh, size_ / 64));
}

std::uint64_t Content::digest() const {
  // Runs of real bytes are hashed as one stream, so that it does not matter in how many pieces they
  // were written; a synthetic run enters as its description.
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  std::uint64_t run = 0;
  const auto close_run = [&] {
    if (run != 0) XXH3_64bits_update(&state, &run, sizeof run);
    run = 0;
  };
  for (const Extent& extent : extents_) {
    if (extent.blob) {
      XXH3_64bits_update(&state, extent.blob->data() + extent.offset,
                         static_cast<std::size_t>(extent.length));
      run += extent.length;
    } else {
      close_run();
      const std::uint64_t description[] = {0x73796e746865740aU, extent.length, extent.seed,
                                           extent.seed == 0 ? 0 : extent.offset};
      XXH3_64bits_update(&state, description, sizeof description);
    }
  }
  close_run();
  return XXH3_64bits_digest(&state);
}

void Content::save(SaveArchive& archive, BlobTable& blobs) const {
  archive(static_cast<std::uint32_t>(extents_.size()));
  for (const Extent& extent : extents_) {
    const std::uint32_t blob = extent.blob ? blobs.number(extent.blob) : 0;
    archive(extent.length, extent.seed, extent.offset, blob);
  }
}

void Content::load(LoadArchive& archive, const BlobTable& blobs) {
  std::uint32_t count = 0;
  archive(count);
  require_sane(count <= archive.remaining(), "a file has more extents than the world has bytes");
  extents_.clear();
  size_ = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    Extent extent;
    std::uint32_t blob = 0;
    archive(extent.length, extent.seed, extent.offset, blob);
    require_sane(extent.length != 0 && extent.length < (std::uint64_t{1} << 60U) - size_,
                 "a file is impossibly large");
    require_sane(extent.offset < std::uint64_t{1} << 60U, "an extent lies too far out");
    if (blob != 0) {
      extent.blob = blobs.blob(blob);
      require_sane(extent.offset + extent.length <= extent.blob->size(),
                   "an extent reaches past its bytes");
    }
    size_ += extent.length;
    extents_.push_back(std::move(extent));
  }
}

std::uint32_t BlobTable::number(const std::shared_ptr<std::string>& blob) {
  const auto [at, fresh] =
      numbers_.try_emplace(blob.get(), static_cast<std::uint32_t>(blobs_.size() + 1));
  if (fresh) blobs_.push_back(blob);
  return at->second;
}

const std::shared_ptr<std::string>& BlobTable::blob(std::uint32_t number) const {
  require_sane(number >= 1 && number <= blobs_.size(), "an extent names bytes that are not there");
  return blobs_[number - 1];
}

void BlobTable::save(SaveArchive& archive) const {
  archive(static_cast<std::uint32_t>(blobs_.size()));
  for (const auto& blob : blobs_) archive(*blob);
}

void BlobTable::load(LoadArchive& archive) {
  std::uint32_t count = 0;
  archive(count);
  require_sane(count <= archive.remaining(), "more blobs than bytes");
  blobs_.clear();
  blobs_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto blob = std::make_shared<std::string>();
    archive(*blob);
    blobs_.push_back(std::move(blob));
  }
}

}  // namespace twinhull::sim
