#include "backends/sim/files/mount_table.h"
#include "backends/sim/files/walker.h"
#include "backends/sim/ports/ports.h"
#include "backends/sim/process/process_table.h"

namespace twinhull::sim {
namespace {

class MountsPort final : public Mounts {
 public:
  explicit MountsPort(NodeGate gate) : gate_(gate) {}

  Status overlay(const std::string& target, const OverlaySpec& spec) override {
    constexpr std::string_view kOperation = "mounts.overlay";
    TH_TRY(gate_.enter(kOperation, target));
    if (spec.lowers.empty()) {
      return fail(ErrorCode::invalid_argument, kOperation, target,
                  "an overlay needs a lower layer");
    }
    Mount mount;
    mount.type = Mount::Type::overlay;
    for (const std::string& lower : spec.lowers) {
      TH_ASSIGN(const InodeId id, layer(lower, false));
      mount.lowers.push_back(id);
    }
    TH_ASSIGN(mount.root, layer(spec.upper, true));
    TH_ASSIGN(mount.work, layer(spec.work, true));
    const FileStore& files = *gate_.node().files;
    if (files.at(mount.root).fs != files.at(mount.work).fs) {
      return fail(ErrorCode::invalid_argument, kOperation, spec.work,
                  "the work directory is not on the file system of the upper layer");
    }
    if (mount.root == mount.work || files.is_above(mount.root, mount.work) ||
        files.is_above(mount.work, mount.root)) {
      return fail(ErrorCode::invalid_argument, kOperation, spec.work,
                  "the work directory and the upper layer lie in each other");
    }
    TH_TRY(place(mount, target, kOperation));
    if (gate_.node().mounts->upper_in_use(mount.root)) {
      return fail(ErrorCode::busy, kOperation, spec.upper,
                  "the directory is the upper layer of another overlay");
    }
    return add(std::move(mount), kOperation);
  }

  Status bind(const std::string& source, const std::string& target, bool read_only) override {
    constexpr std::string_view kOperation = "mounts.bind";
    TH_TRY(gate_.enter(kOperation, target));
    Walker walker(gate_.node(), kOperation);
    TH_TRY(find(walker, source));
    Mount mount;
    mount.type = Mount::Type::bind;
    mount.source = source;
    mount.read_only = read_only || gate_.node().mounts->at(walker.mount()).read_only;
    const Mount& shown = gate_.node().mounts->at(walker.mount());
    if (shown.overlay != 0) {
      mount.overlay = shown.overlay;
      mount.inner = walker.inner_path(walker.last_index());
      mount.root = shown.root;
    } else {
      mount.root = walker.last().upper;
    }
    TH_TRY(place(mount, target, kOperation));
    return add(std::move(mount), kOperation);
  }

  Status tmpfs(const std::string& target, Bytes size) override {
    constexpr std::string_view kOperation = "mounts.tmpfs";
    TH_TRY(gate_.enter(kOperation, target));
    Mount mount;
    mount.type = Mount::Type::tmpfs;
    TH_TRY(place(mount, target, kOperation));
    FileStore& files = *gate_.node().files;
    mount.fs = files.make_tmpfs(size.value / kBlockSize);
    mount.root = files.system(mount.fs).root;
    return add(std::move(mount), kOperation);
  }

  Result<Effect> unmount(const std::string& target, bool lazy) override {
    constexpr std::string_view kOperation = "mounts.unmount";
    TH_TRY(gate_.enter(kOperation, target));
    Walker walker(gate_.node(), kOperation);
    TH_ASSIGN(const std::optional<MountId> found, mounted_at(walker, target));
    if (!found || *found == 0) return Effect::none;
    Node& node = gate_.node();
    MountTable& mounts = *node.mounts;
    if (!lazy) {
      if (mounts.has_children(*found)) {
        return fail(ErrorCode::busy, kOperation, target, "something is mounted inside")
            .with_hint("unmount that first");
      }
      if (node.processes->uses_mount(*found)) {
        return fail(ErrorCode::busy, kOperation, target,
                    "a process has its root or directory inside")
            .with_hint("stop the container first");
      }
    }
    mounts.detach(*found);
    node.engine.note(kOperation, target, {lazy ? 1U : 0U});
    return Effect::changed;
  }

  Result<std::optional<MountInfo>> find(const std::string& target) override {
    TH_TRY(gate_.enter("mounts.find", target));
    Walker walker(gate_.node(), "mounts.find");
    TH_ASSIGN(const std::optional<MountId> found, mounted_at(walker, target));
    if (!found) return std::optional<MountInfo>();
    return std::optional<MountInfo>(gate_.node().mounts->info(*found));
  }

  Result<std::vector<MountInfo>> list(const std::string& prefix) override {
    TH_TRY(gate_.enter("mounts.list", prefix));
    std::string_view trimmed = prefix;
    while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.remove_suffix(1);
    std::vector<MountInfo> infos;
    for (const MountId id : gate_.node().mounts->below(trimmed)) {
      infos.push_back(gate_.node().mounts->info(id));
    }
    return infos;
  }

 private:
  // An existing directory of the node.
  Status find(Walker& walker, const std::string& path) const {
    walker.start_at_node();
    TH_TRY(walker.walk(path, FinalLink::follow, DotDot::refuse));
    if (!walker.found()) {
      return fail(ErrorCode::not_found, "mounts.mount", path, "no such directory");
    }
    if (!walker.inode().is_directory()) {
      return fail(ErrorCode::not_directory, "mounts.mount", path, "a directory was expected");
    }
    return {};
  }

  [[nodiscard]] Result<InodeId> layer(const std::string& path, bool writable) const {
    Walker walker(gate_.node(), "mounts.overlay");
    TH_TRY(find(walker, path));
    const Mount& mount = gate_.node().mounts->at(walker.mount());
    if (mount.overlay != 0) {
      return fail(ErrorCode::not_supported, "mounts.overlay", path,
                  "a layer that is an overlay itself is not modelled");
    }
    if (writable && mount.read_only) {
      return fail(ErrorCode::read_only, "mounts.overlay", path,
                  "the layer is on a file system that is mounted read-only");
    }
    return walker.last().upper;
  }

  // Fills in where the mount goes.
  Status place(Mount& mount, const std::string& target, std::string_view operation) const {
    Walker walker(gate_.node(), operation);
    TH_TRY(find(walker, target));
    if (walker.at_mount_root()) {
      return fail(ErrorCode::busy, operation, target, "something is mounted here already")
          .with_hint("unmount it first");
    }
    mount.target = target;
    while (mount.target.size() > 1 && mount.target.back() == '/') mount.target.pop_back();
    mount.parent = walker.mount();
    mount.covered = walker.last().top();
    return {};
  }

  Status add(Mount mount, std::string_view operation) const {
    gate_.node().engine.note(operation, mount.target);
    gate_.node().mounts->add(std::move(mount));
    return {};
  }

  static Result<std::optional<MountId>> mounted_at(Walker& walker, const std::string& target) {
    walker.start_at_node();
    if (Status walked = walker.walk(target, FinalLink::follow, DotDot::refuse); !walked) {
      const ErrorCode code = walked.error().code;
      if (code == ErrorCode::not_found || code == ErrorCode::not_directory) {
        return std::optional<MountId>();
      }
      return std::move(walked).error();
    }
    if (!walker.found()) return std::optional<MountId>();
    if (walker.name().empty()) return std::optional<MountId>(walker.mount());
    if (!walker.at_mount_root()) return std::optional<MountId>();
    return std::optional<MountId>(walker.mount());
  }

  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Mounts> make_mounts_port(NodeGate gate) {
  return std::make_unique<MountsPort>(gate);
}

}  // namespace twinhull::sim
