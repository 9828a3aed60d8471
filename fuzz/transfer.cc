// What a peer sends over a channel: frames, manifests and archives of any bytes are refused or
// understood, and nothing outside the directory that is filled ever changes.
#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "backends/linux/channel/followed_files.h"
#include "backends/linux/channel/frame.h"
#include "backends/linux/channel/hostile_archive.h"
#include "backends/linux/channel/tree_manifest.h"
#include "backends/linux/channel/tree_reader.h"
#include "backends/linux/channel/tree_writer.h"
#include "fuzz/oracle.h"

using namespace twinhull;
using namespace twinhull::linux_backend;
namespace fs = std::filesystem;

namespace {

/// A directory to fill, and beside it one that nobody may touch. One for all inputs.
class Sandbox {
 public:
  Sandbox() {
    std::string pattern = "/tmp/th-fuzz-XXXXXX";
    fuzz::require(::mkdtemp(pattern.data()) != nullptr, "a sandbox can be made");
    path_ = pattern;
    static_cast<void>(fresh_top());
    fs::create_directory(outside());
    std::ofstream(outside() + "/secret") << "secret";
    facts_ = look();
  }
  ~Sandbox() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  [[nodiscard]] std::string outside() const { return path_ + "/outside"; }
  /// The directory to fill, as new.
  [[nodiscard]] std::string fresh_top() const {
    std::string top = path_ + "/top";
    fs::remove_all(top);
    fs::create_directory(top);
    return top;
  }
  void check() const {
    fuzz::require(look() == facts_, "nothing outside the directory changes");
    fuzz::require(std::distance(fs::directory_iterator(path_), {}) == 2, "nothing comes beside it");
  }

 private:
  /// Times included: they tell of every write.
  [[nodiscard]] std::string look() const {
    std::string facts;
    for (const std::string& path : {outside(), outside() + "/secret"}) {
      struct stat found {};
      fuzz::require(::lstat(path.c_str(), &found) == 0, "what is outside stays there", path);
      facts += std::to_string(found.st_mode) + " " + std::to_string(found.st_nlink) + " " +
               std::to_string(found.st_size) + " " + std::to_string(found.st_ctim.tv_sec) + "." +
               std::to_string(found.st_ctim.tv_nsec) + "\n";
    }
    return facts;
  }

  std::string path_;
  std::string facts_;
};

const Sandbox& sandbox() {
  static const Sandbox one;
  return one;
}

void read_archive(const std::string& bytes, bool update) {
  bool given = false;
  const auto result = read_tree_archive(
      sandbox().fresh_top(), "fuzz", {.update = update, .partial = update, .durable = false},
      [&]() -> Result<std::optional<std::string>> {
        if (std::exchange(given, true)) return std::nullopt;
        return bytes;
      });
  if (!result) fuzz::require(!result.error().message().empty(), "a refusal says why");
  sandbox().check();
}

void parse_frames(std::string_view bytes) {
  FrameParser parser;
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    parser.feed(bytes.substr(at, 7));
    while (true) {
      const auto frame = parser.next();
      if (!frame) return;
      if (!*frame) break;
      fuzz::require((*frame)->payload.size() <= kMostPayload, "a frame is bounded");
    }
  }
}

/// Pieces of files, each with a length before it.
void store_pieces(std::string_view bytes) {
  const std::string top = sandbox().fresh_top();
  PieceStore store(top, "fuzz");
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(static_cast<unsigned char>(bytes[0]), bytes.size() - 1);
    const Status stored = store.store(bytes.substr(1, size), 0);
    if (!stored) fuzz::require(!stored.error().message().empty(), "a refusal says why");
    bytes.remove_prefix(1 + size);
  }
  sandbox().check();
}

/// A sender of an update compares its own tree with whatever the peer says to have.
void read_manifest(std::string bytes) {
  ManifestReader manifest;
  manifest.add(std::move(bytes));
  const auto sent = write_tree_archive(
      sandbox().outside(), "fuzz", [](std::string_view) { return Status(); },
      {.changing = false, .manifest = &manifest, .digests = true, .unchanged_before = {}, .hollow = {}});
  if (!sent) fuzz::require(!sent.error().message().empty(), "a refusal says why");
  sandbox().check();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool second = (data[0] & 128U) != 0;
  switch (data[0] % 6) {
    case 0: second ? store_pieces(rest) : parse_frames(rest); break;
    case 1: read_manifest(std::string(rest)); break;
    case 2: read_archive(std::string(rest), second); break;
    default: // mostly: it leads deepest
      read_archive(hostile_archive(hostile_entries(rest, sandbox().outside())), second);
  }
  return 0;
}
