#include "backends/sim/checkpoint/images.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "backends/sim/files/file_ops.h"

namespace twinhull::sim {
namespace {

constexpr std::string_view kMagic = "twinhull-images-2";
constexpr int kMostParents = 1000;
constexpr std::uint64_t kMostState = std::uint64_t{1} << 30U;

Error damaged(std::string_view operation, const std::string& path, const std::string& why) {
  return fail(ErrorCode::corrupt, operation, path, why)
      .with_hint("these images cannot be used; remove them");
}

std::string inventory_text(const Inventory& inventory) {
  return fmt::format("{} {} {} {} {} {:016x} {} end\n", kMagic,
                     !inventory.whole ? "memory" : inventory.lazy ? "lazy" : "whole", inventory.written.value,
                     inventory.total.value, inventory.core, inventory.digest,
                     inventory.parent.empty() ? "-" : inventory.parent);
}

std::optional<Inventory> parse_inventory(std::string_view text) {
  // What inventory_text() would write again, and nothing else, is an inventory.
  std::array<std::string_view, 8> words;
  std::string_view rest = text;
  for (std::string_view& word : words) {
    const std::size_t end = std::min(rest.find_first_of(" \n"), rest.size());
    word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const auto number = [](std::string_view word, int base) {
    std::uint64_t value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value, base);
    return value;
  };
  Inventory inventory;
  inventory.lazy = words[1] == "lazy";
  inventory.whole = inventory.lazy || words[1] == "whole";
  inventory.written = {number(words[2], 10)};
  inventory.total = {number(words[3], 10)};
  inventory.core = number(words[4], 10);
  inventory.digest = number(words[5], 16);
  if (words[6] != "-") inventory.parent = words[6];
  if (text != inventory_text(inventory)) return std::nullopt;
  return inventory;
}

Status check_size(FileOps& files, const std::string& path, std::uint64_t size,
                  std::string_view operation) {
  TH_ASSIGN(const auto info, files.stat(path, FinalLink::follow));
  if (!info) return damaged(operation, path, "the image is missing: the dump was not completed");
  if (info->size.value != size) {
    return damaged(operation, path,
                   fmt::format("the image has {} bytes instead of {}: the dump was not completed",
                               info->size.value, size));
  }
  return {};
}

}  // namespace

std::string beside(const std::string& images, const std::string& name) {
  return images.substr(0, images.rfind('/') + 1) + name;
}

Status check_empty(Node& node, const std::string& images, std::string_view operation) {
  FileOps files(node);
  auto entries = files.list(images);
  if (!entries) {
    Error error = std::move(entries).error();
    error.operation = operation;
    return error;
  }
  if (entries->empty()) return {};
  return fail(ErrorCode::not_empty, operation, images, "the directory for the images is not empty");
}

Status write_images(Node& node, const std::string& images, const std::string& state,
                    const Inventory& inventory) {
  FileOps files(node);
  TH_TRY(files.write(images + "/core.img", state, 0600));
  const std::uint64_t bytes = to_bytes(inventory.written).value;
  TH_TRY(files.write(images + "/pages.img", "", 0600));
  if (bytes > 0) {
    TH_ASSIGN(const FileView::Grown grown,
              files.append_synthetic(images + "/pages.img", bytes, inventory.digest | 1U, 0600));
    if (grown.refusal) return *grown.refusal;
  }
  return files.write(images + "/inventory.img", inventory_text(inventory), 0600);
}

Bytes image_size(const Inventory& inventory) {
  return Bytes{inventory.core + inventory_text(inventory).size()} + to_bytes(inventory.written);
}

std::vector<std::string> image_files(const std::string& images) {
  return {images + "/core.img", images + "/pages.img", images + "/inventory.img", images};
}

Status sync_image(Node& node, const std::string& path) {
  TH_ASSIGN(const std::uint64_t bytes, FileOps(node).sync(path));
  static_cast<void>(bytes);
  return {};
}

Result<Inventory> read_inventory(Node& node, const std::string& images,
                                 std::string_view operation) {
  FileOps files(node);
  TH_ASSIGN(const auto directory, files.stat(images, FinalLink::follow));
  if (!directory) return fail(ErrorCode::not_found, operation, images, "there are no such images");
  std::optional<Inventory> first;
  std::string at = images;
  for (int i = 0; i < kMostParents; ++i) {
    const auto text = files.read(at + "/inventory.img", kBlockSize, true);
    if (!text && text.error().code != ErrorCode::not_found) return text.error();
    const auto inventory = text ? parse_inventory(*text) : std::nullopt;
    if (!inventory) {
      return damaged(operation, at + "/inventory.img",
                     text ? "the inventory is damaged"
                          : "the inventory is missing: the dump was not completed");
    }
    TH_TRY(check_size(files, at + "/core.img", inventory->core, operation));
    TH_TRY(check_size(files, at + "/pages.img", to_bytes(inventory->written).value, operation));
    if (!first) first = inventory;
    if (inventory->parent.empty()) return *first;
    at = beside(at, inventory->parent);
    TH_ASSIGN(const auto parent, files.stat(at, FinalLink::follow));
    if (!parent) return damaged(operation, at, "the images of the round before are missing");
  }
  return damaged(operation, images, "the images go round in a circle");
}

Result<std::string> read_state(Node& node, const std::string& images, const Inventory& inventory) {
  constexpr std::string_view kCall = "checkpoints.restore";
  const std::string path = images + "/core.img";
  if (!inventory.whole) {
    return damaged(kCall, images, "they are of a pre-dump, which holds memory only");
  }
  TH_ASSIGN(std::string state, FileOps(node).read(path, kMostState, true));
  if (hash_text(state) != inventory.digest) {
    return damaged(kCall, path, "the image is damaged: its digest is wrong");
  }
  return state;
}

}  // namespace twinhull::sim
