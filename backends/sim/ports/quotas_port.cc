#include "backends/sim/files/file_ops.h"
#include "backends/sim/files/file_store.h"
#include "backends/sim/files/walker.h"
#include "backends/sim/ports/ports.h"

namespace twinhull::sim {
namespace {

class QuotasPort final : public Quotas {
 public:
  explicit QuotasPort(NodeGate gate) : gate_(gate) {}

  Result<QuotaMechanism> mechanism(const std::string& path) override {
    TH_TRY(gate_.enter("quotas.mechanism", path));
    TH_ASSIGN(const DiskInfo disk, FileOps(gate_.node()).disk(path));
    return disk.file_system == "simfs" ? QuotaMechanism::simulated : QuotaMechanism::none;
  }

  Result<Effect> create_tree(const std::string& path) override {
    constexpr std::string_view kOperation = "quotas.create_tree";
    TH_TRY(gate_.enter(kOperation, path));
    FileStore& files = *gate_.node().files;
    Walker walker(gate_.node(), kOperation);
    walker.start_at_node();
    TH_TRY(walker.walk(path, FinalLink::keep, DotDot::refuse));
    if (walker.found()) {
      if (tree_rooted_at(walker) != 0) return Effect::none;
      return fail(ErrorCode::exists, kOperation, path, "something that is no quota tree is there");
    }
    TH_ASSIGN(const InodeId parent, walker.make_writable(walker.parent(), path));
    TH_ASSIGN(const InodeId directory,
              files.create(parent, walker.name(),
                           {FileKind::directory, 0755, Ownership{}, kOperation, path}));
    gate_.node().engine.note(kOperation, path);
    if (files.at(directory).fs != 0) return Effect::changed;  // memory: a plain directory
    files.make_tree(directory);
    // Making one is a transaction of its own: it survives a power cut.
    files.sync_name(parent, walker.name());
    return Effect::changed;
  }

  Result<TreeLimit> set_limit(const std::string& path, TreeLimit limit) override {
    TH_TRY(gate_.enter("quotas.set_limit", path));
    TH_ASSIGN(const TreeId tree, find_tree("quotas.set_limit", path));
    if (tree == 0) {
      if (limit == TreeLimit{}) return limit;
      return fail(ErrorCode::not_supported, "quotas.set_limit", path,
                  "the directory is no quota tree, nothing would enforce the limit");
    }
    gate_.node().files->set_limit(tree, limit);
    gate_.node().engine.note("quotas.set_limit", path, {limit.bytes.value, limit.inodes.value});
    return limit;
  }

  Result<TreeUsage> usage(const std::string& path) override {
    TH_TRY(gate_.enter("quotas.usage", path));
    TH_ASSIGN(const TreeId id, find_tree("quotas.usage", path));
    if (id == 0) {
      return fail(ErrorCode::not_supported, "quotas.usage", path,
                  "the directory is no quota tree, nothing counts what is in it");
    }
    const QuotaTree& tree = gate_.node().files->trees().at(id);
    return TreeUsage{{tree.blocks * kBlockSize}, {tree.inodes}, tree.limit};
  }

  Result<Effect> remove_tree(const std::string& path) override {
    constexpr std::string_view kOperation = "quotas.remove_tree";
    TH_TRY(gate_.enter(kOperation, path));
    FileStore& files = *gate_.node().files;
    Walker walker(gate_.node(), kOperation);
    walker.start_at_node();
    if (Status walked = walker.walk(path, FinalLink::keep, DotDot::refuse); !walked) {
      if (walked.error().code == ErrorCode::not_found) return Effect::none;
      return std::move(walked).error();
    }
    if (!walker.found()) return Effect::none;
    if (!walker.inode().is_directory()) {
      return fail(ErrorCode::not_directory, kOperation, path, "a quota tree is a directory");
    }
    TH_ASSIGN(const std::uint64_t blocks_before, blocks_in(walker));
    TH_TRY(FileOps(gate_.node()).remove_tree(path, nullptr));
    // A transaction of its own, as its making was.
    walker.start_at_node();
    TH_TRY(walker.walk(path, FinalLink::keep, DotDot::refuse));
    if (!walker.found() && walker.last().upper != 0) {
      files.sync_name(walker.last().upper, walker.name());
    }
    TH_TRY(gate_.work(
        microseconds(200) + microseconds(1) * static_cast<std::int64_t>(blocks_before / 256),
        kOperation, path));
    return Effect::changed;
  }

  Status rename_tree(const std::string& from, const std::string& to) override {
    constexpr std::string_view kOperation = "quotas.rename_tree";
    TH_TRY(gate_.enter(kOperation, from));
    FileStore& files = *gate_.node().files;
    Walker source(gate_.node(), kOperation);
    source.start_at_node();
    TH_TRY(source.walk(from, FinalLink::keep, DotDot::refuse));
    if (!source.found()) return fail(ErrorCode::not_found, kOperation, from, "no such quota tree");
    Walker target(gate_.node(), kOperation);
    target.start_at_node();
    TH_TRY(target.walk(to, FinalLink::keep, DotDot::refuse));
    if (target.found()) return fail(ErrorCode::exists, kOperation, to, "the name is taken");
    TH_TRY(FileOps(gate_.node()).rename(from, to));
    target.start_at_node();
    TH_TRY(target.walk(to, FinalLink::keep, DotDot::refuse));
    if (target.found()) files.sync_name(target.spot(target.parent()).upper, target.name());
    source.start_at_node();
    TH_TRY(source.walk(from, FinalLink::keep, DotDot::refuse));
    if (!source.found()) files.sync_name(source.last().upper, source.name());
    return {};
  }

 private:
  [[nodiscard]] TreeId tree_rooted_at(const Walker& walker) const {
    const FileStore& files = *gate_.node().files;
    const InodeId id = walker.last().top();
    const TreeId tree = files.at(id).tree;
    return tree != 0 && files.trees().at(tree).root == id ? tree : 0;
  }
  [[nodiscard]] Result<TreeId> find_tree(std::string_view operation,
                                         const std::string& path) const {
    Walker walker(gate_.node(), operation);
    walker.start_at_node();
    TH_TRY(walker.walk(path, FinalLink::follow, DotDot::refuse));
    if (!walker.found()) return fail(ErrorCode::not_found, operation, path, "no such quota tree");
    return tree_rooted_at(walker);
  }
  [[nodiscard]] Result<std::uint64_t> blocks_in(const Walker& walker) const {
    const TreeId tree = tree_rooted_at(walker);
    return tree == 0 ? 0 : gate_.node().files->trees().at(tree).blocks;
  }

  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Quotas> make_quotas_port(NodeGate gate) {
  return std::make_unique<QuotasPort>(gate);
}

}  // namespace twinhull::sim
