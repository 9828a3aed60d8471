#include "backends/linux/file/tree_digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/tree_walk.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {

struct TreeDigest::State {
  XXH3_state_t* hash = XXH3_createState();
  ~State() { XXH3_freeState(hash); }
  void add(std::string_view text) { XXH3_64bits_update(hash, text.data(), text.size()); }
  /// With its length before it, so that no two lists of fields give the same bytes.
  void add_field(std::string_view text) {
    add_number(text.size());
    add(text);
  }
  void add_number(std::uint64_t number) {
    std::array<char, 8> bytes{};
    for (char& byte : bytes) {
      byte = static_cast<char>(number & 0xff);
      number >>= 8;
    }
    add({bytes.data(), bytes.size()});
  }
};

TreeDigest::TreeDigest() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(state_->hash);
}
TreeDigest::~TreeDigest() = default;

void TreeDigest::begin(const std::string& path, const EntryFacts& facts,
                       const Attributes& attributes, const std::string& target,
                       const std::string& first_name) {
  State& state = *state_;
  state.add_field(path);
  state.add_number(facts.mode);
  state.add_number(facts.uid);
  state.add_number(facts.gid);
  state.add_field(target);
  state.add_field(first_name);
  const bool node = facts.kind() == FileKind::device;
  state.add_number(node ? facts.node_major : 0);
  state.add_number(node ? facts.node_minor : 0);
  for (const auto& [name, value] : attributes) {
    if (!is_content(name)) continue;
    state.add_field(name);
    state.add_field(value);
  }
  state.add_number(facts.is_regular() ? facts.size : 0);
}

void TreeDigest::content(std::string_view data) {
  state_->add(data);
}

std::string TreeDigest::text() const {
  return fmt::format("{:016x}", XXH3_64bits_digest(state_->hash));
}

namespace {

class DigestVisitor final : public TreeVisitor {
 public:
  DigestVisitor(const std::string& top, std::string_view operation)
      : top_(top), operation_(operation), buffer_(std::size_t{1} << 18) {}

  Result<Descend> enter(const WalkEntry& entry) override {
    TH_TRY(add(entry));
    return Descend::yes;
  }
  Status leave(const WalkEntry&) override { return {}; }
  Status leaf(const WalkEntry& entry) override { return add(entry); }
  [[nodiscard]] std::string text() const { return digest_.text(); }

 private:
  Status add(const WalkEntry& entry) {
    const std::string object = entry.path.empty() ? top_ : top_ + "/" + entry.path;
    TH_ASSIGN(const Attributes attributes,
              read_attributes(entry.directory, entry.name, operation_, object));
    std::string target;
    if (entry.facts.is_symlink()) {
      TH_ASSIGN(target, read_link_at(entry.directory, entry.name, operation_, object));
    }
    std::string first_name;
    if (!entry.facts.is_directory() && entry.facts.links > 1) {
      const auto [place, is_new] = first_names_.try_emplace(key_of(entry.facts), entry.path);
      if (!is_new) first_name = place->second;
    }
    digest_.begin(entry.path, entry.facts, attributes, target, first_name);
    if (!entry.facts.is_regular() || !first_name.empty()) return {};
    return add_content(entry, object);
  }

  Status add_content(const WalkEntry& entry, const std::string& object) {
    UniqueFd file(::openat(entry.directory, entry.name.c_str(),
                           O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file) return system_error(operation_, object, errno, "cannot open");
    for (;;) {
      const ssize_t count = ::read(file.get(), buffer_.data(), buffer_.size());
      if (count == 0) return {};
      if (count < 0) {
        if (errno == EINTR) continue;
        return system_error(operation_, object, errno, "cannot read");
      }
      digest_.content({buffer_.data(), static_cast<std::size_t>(count)});
    }
  }

  const std::string& top_;
  const std::string_view operation_;
  TreeDigest digest_;
  std::vector<char> buffer_;
  std::map<InodeKey, std::string> first_names_;
};

}  // namespace

Result<std::string> digest_tree(const std::string& path, std::string_view operation) {
  DigestVisitor visitor(path, operation);
  TH_TRY(walk_tree(path, operation, visitor));
  return visitor.text();
}

}  // namespace twinhull::linux_backend
