#include "backends/sim/files/file_ops.h"
#include "backends/sim/files/walker.h"
#include "backends/sim/ports/ports.h"

namespace twinhull::sim {
namespace {

// What the disk needs for one small transaction, and for each object of a bulk call.
constexpr Duration kSyncCost = microseconds(200);
constexpr Duration kInodeCost = microseconds(2);

class FilesPort final : public Files {
 public:
  explicit FilesPort(NodeGate gate) : gate_(gate) {}

  Result<std::string> read(const std::string& path, Bytes most) override {
    TH_TRY(gate_.enter("files.read", path));
    return ops().read(path, most.value, true);
  }
  Status write(const std::string& path, std::string_view content, std::uint32_t mode) override {
    TH_TRY(gate_.enter("files.write", path));
    return ops().write(path, content, mode);
  }
  Status append(const std::string& path, std::string_view content, std::uint32_t mode) override {
    TH_TRY(gate_.enter("files.append", path));
    return ops().append(path, content, mode);
  }
  Status sync(const std::string& path) override {
    TH_TRY(gate_.enter("files.sync", path));
    // Time first: what is durable when the call returns was not before it.
    TH_TRY(gate_.work(kSyncCost, "files.sync", path));
    TH_ASSIGN(const std::uint64_t bytes, ops().sync(path));
    if (bytes > kBlockSize) {
      return gate_.work(gate_.node().files->charge_disk(bytes), "files.sync", path);
    }
    return {};
  }
  Result<std::optional<FileInfo>> stat(const std::string& path) override {
    TH_TRY(gate_.enter("files.stat", path));
    return ops().stat(path, FinalLink::keep);
  }
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    TH_TRY(gate_.enter("files.list", path));
    return ops().list(path);
  }
  Result<Effect> make_directory(const std::string& path, std::uint32_t mode) override {
    TH_TRY(gate_.enter("files.make_directory", path));
    return ops().make_directory(path, mode);
  }
  Result<Effect> remove(const std::string& path) override {
    TH_TRY(gate_.enter("files.remove", path));
    return ops().remove(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    TH_TRY(gate_.enter("files.rename", from));
    TH_TRY(Walker::check_path("files.rename", to));
    return ops().rename(from, to);
  }
  Status hard_link(const std::string& existing, const std::string& name) override {
    TH_TRY(gate_.enter("files.hard_link", name));
    TH_TRY(Walker::check_path("files.hard_link", name));
    return ops().hard_link(existing, name);
  }
  Status make_symlink(const std::string& target, const std::string& path) override {
    TH_TRY(gate_.enter("files.make_symlink", path));
    return ops().make_symlink(target, path);
  }
  Result<std::string> read_symlink(const std::string& path) override {
    TH_TRY(gate_.enter("files.read_symlink", path));
    return ops().read_symlink(path);
  }
  Status set_mode(const std::string& path, std::uint32_t mode) override {
    TH_TRY(gate_.enter("files.set_mode", path));
    return ops().set_mode(path, mode);
  }
  Status set_owner(const std::string& path, Ownership owner) override {
    TH_TRY(gate_.enter("files.set_owner", path));
    return ops().set_owner(path, owner);
  }
  Result<Effect> remove_tree(const std::string& path) override {
    TH_TRY(gate_.enter("files.remove_tree", path));
    return ops().remove_tree(path, pace("files.remove_tree", path));
  }
  Result<TreeSize> copy_tree(const std::string& from, const std::string& to) override {
    TH_TRY(gate_.enter("files.copy_tree", to));
    TH_TRY(Walker::check_path("files.copy_tree", to));
    return ops().copy_tree(from, to, pace("files.copy_tree", to));
  }
  Result<TreeSize> measure_tree(const std::string& path) override {
    TH_TRY(gate_.enter("files.measure_tree", path));
    TH_ASSIGN(const TreeSize size, ops().measure_tree(path));
    TH_TRY(gate_.work(inode_cost(size.inodes.value), "files.measure_tree", path));
    return size;
  }
  Result<std::string> digest_tree(const std::string& path) override {
    TH_TRY(gate_.enter("files.digest_tree", path));
    TH_ASSIGN(const TreeSize size, ops().measure_tree(path));
    TH_ASSIGN(std::string digest, ops().digest_tree(path));
    TH_TRY(gate_.work(
        gate_.node().files->charge_disk(size.bytes.value) + inode_cost(size.inodes.value),
        "files.digest_tree", path));
    return digest;
  }
  Result<std::string> read_inside(const std::string& root, const std::string& path,
                                  Bytes most) override {
    TH_TRY(gate_.enter("files.read_inside", path));
    return ops().read_inside(root, path, most.value);
  }
  Result<bool> exists_inside(const std::string& root, const std::string& path) override {
    TH_TRY(gate_.enter("files.exists_inside", path));
    return ops().exists_inside(root, path);
  }

 private:
  [[nodiscard]] FileOps ops() const { return FileOps(gate_.node()); }
  static Duration inode_cost(std::uint64_t inodes) {
    return kInodeCost * static_cast<std::int64_t>(inodes);
  }
  [[nodiscard]] Pace pace(std::string_view operation, const std::string& path) const {
    return [this, operation, &path](std::uint64_t bytes, std::uint64_t inodes) {
      return gate_.work(gate_.node().files->charge_disk(bytes) + inode_cost(inodes), operation,
                        path);
    };
  }

  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Files> make_files_port(NodeGate gate) {
  return std::make_unique<FilesPort>(gate);
}

}  // namespace twinhull::sim
