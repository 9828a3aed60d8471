#include "backends/linux/quota/quotas.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/entry.h"
#include "backends/linux/file/path.h"
#include "backends/linux/mount_table.h"
#include "backends/linux/quota/tree_store.h"

namespace twinhull::linux_backend {
namespace {

Result<bool> is_there(std::string_view operation, const std::string& path) {
  EntryFacts facts;
  const int error = read_facts(AT_FDCWD, path.c_str(), facts);
  if (error == 0) return true;
  if (error == ENOENT) return false;
  return system_error(operation, path, error);
}

/// What an overlay's option string says of one of its layers; empty when it is not in it.
std::string layer_option(const std::string& options, std::string_view key) {
  const std::string search = "," + std::string(key) + "=";
  const auto at = ("," + options).find(search);
  if (at == std::string::npos) return {};
  const auto begin = at + search.size() - 1;
  return unescape_octal(options.substr(begin, options.find(',', begin) - begin));
}

/// Refuses a tree that something is mounted on, below, or out of: the kernel would let a subvolume
/// go from under an overlay.
Status check_not_mounted(std::string_view operation, const std::string& path, bool except_itself) {
  TH_ASSIGN(const std::string real, real_path(path, operation));
  TH_ASSIGN(const auto mounts, read_mount_table(operation));
  for (const MountEntry& mount : mounts) {
    const bool below =
        is_at_or_below(mount.target, real) && !(except_itself && mount.target == real);
    const bool layer = mount.type == "overlay" &&
                       (is_at_or_below(layer_option(mount.super_options, "upperdir"), real) ||
                        is_at_or_below(layer_option(mount.super_options, "workdir"), real));
    if (!below && !layer) continue;
    return fail(ErrorCode::busy, operation, path,
                (layer ? "a layer of what is mounted at " : "something is mounted at ") +
                    mount.target)
        .with_hint("unmount it first");
  }
  return {};
}

class LinuxQuotas final : public Quotas {
 public:
  LinuxQuotas(const NodeOptions& options, Files& files)
      : options_(options),
        files_(files),
        btrfs_(make_btrfs_store(options)),
        project_(make_project_store()),
        image_(make_image_store(options)) {}

  Result<QuotaMechanism> mechanism(const std::string& path) override {
    constexpr auto kOperation = "quotas.mechanism";
    TH_TRY(check_path(kOperation, path));
    return mechanism_for(kOperation, clean_path(path));
  }

  Result<Effect> create_tree(const std::string& path) override {
    constexpr auto kOperation = "quotas.create_tree";
    TH_TRY(check_path(kOperation, path));
    const std::string tree = clean_path(path);
    TH_ASSIGN(const bool there, is_there(kOperation, tree));
    if (there || is_image_tree(tree)) return keep_tree(kOperation, tree);
    TH_ASSIGN(const QuotaMechanism acting, mechanism_for(kOperation, parent_path(tree)));
    TH_ASSIGN(const bool has_parent, is_there(kOperation, parent_path(tree)));
    if (!has_parent)
      return fail(ErrorCode::not_found, kOperation, tree, "its parent directory does not exist");
    if (TreeStore* store = store_of(acting)) {
      TH_TRY(store->create(tree));
    } else {
      TH_TRY(files_.make_directory(tree));
    }
    // The name must survive a power cut.
    TH_TRY(files_.sync(parent_path(tree)));
    return Effect::changed;
  }

  Result<TreeLimit> set_limit(const std::string& path, TreeLimit limit) override {
    constexpr auto kOperation = "quotas.set_limit";
    TH_ASSIGN(const Tree tree, find_tree(kOperation, path));
    if (tree.store != nullptr) return tree.store->set_limit(tree.path, limit);
    if (limit == TreeLimit{}) return limit;
    return no_mechanism(kOperation, tree.path);
  }

  Result<TreeUsage> usage(const std::string& path) override {
    constexpr auto kOperation = "quotas.usage";
    TH_ASSIGN(const Tree tree, find_tree(kOperation, path));
    if (tree.store != nullptr) return tree.store->usage(tree.path);
    return no_mechanism(kOperation, tree.path);
  }

  Result<Effect> remove_tree(const std::string& path) override {
    constexpr auto kOperation = "quotas.remove_tree";
    TH_TRY(check_path(kOperation, path));
    const std::string tree = clean_path(path);
    TH_ASSIGN(const bool there, is_there(kOperation, tree));
    if (!there && !is_image_tree(tree)) return Effect::none;
    if (there) TH_TRY(check_not_mounted(kOperation, tree, is_image_tree(tree)));
    TH_ASSIGN(const Tree found, find_tree(kOperation, tree));
    if (found.store != nullptr) {
      TH_TRY(found.store->remove(tree));
      return Effect::changed;
    }
    return files_.remove_tree(tree);
  }

  Status rename_tree(const std::string& from, const std::string& to) override {
    constexpr auto kOperation = "quotas.rename_tree";
    TH_TRY(check_path(kOperation, to));
    TH_ASSIGN(const Tree tree, find_tree(kOperation, from));
    const std::string target = clean_path(to);
    TH_ASSIGN(const bool taken, is_there(kOperation, target));
    if (taken || is_image_tree(target))
      return fail(ErrorCode::exists, kOperation, target, "something is there already");
    TH_TRY(check_not_mounted(kOperation, tree.path, is_image_tree(tree.path)));
    if (tree.store != nullptr) {
      TH_TRY(tree.store->rename(tree.path, target));
    } else if (::renameat2(AT_FDCWD, tree.path.c_str(), AT_FDCWD, target.c_str(),
                           RENAME_NOREPLACE) != 0) {
      return system_error(kOperation, tree.path, errno, "cannot rename to " + target);
    }
    TH_TRY(files_.sync(parent_path(tree.path)));
    return files_.sync(parent_path(target));
  }

 private:
  struct Tree {
    std::string path;
    TreeStore* store;  ///< nullptr: a plain directory
  };

  TreeStore* store_of(QuotaMechanism mechanism) {
    switch (mechanism) {
      case QuotaMechanism::btrfs_qgroup: return btrfs_.get();
      case QuotaMechanism::project: return project_.get();
      case QuotaMechanism::image: return image_.get();
      case QuotaMechanism::none:
      case QuotaMechanism::simulated: break;
    }
    return nullptr;
  }

  Result<QuotaMechanism> mechanism_for(std::string_view operation, const std::string& path) {
    std::string place = path;
    for (;; place = parent_path(place)) {
      if (is_image_tree(place)) return QuotaMechanism::image;
      const auto there = is_there(operation, place);
      if (!there && there.error().code != ErrorCode::not_directory) return there.error();
      if (there && *there) break;
      if (place == "/") return fail(ErrorCode::not_found, operation, path, "no such directory");
    }
    TH_ASSIGN(const bool by_btrfs, has_btrfs_quota(options_, place, operation));
    if (by_btrfs) return QuotaMechanism::btrfs_qgroup;
    TH_ASSIGN(const bool by_project, has_project_quota(place, operation));
    if (by_project) return QuotaMechanism::project;
    return options_.image_quota ? QuotaMechanism::image : QuotaMechanism::none;
  }

  /// What an existing path is, by what it shows itself: the options may have changed since it was
  /// made.
  Result<QuotaMechanism> kind_of_tree(std::string_view operation, const std::string& path) {
    if (is_image_tree(path)) return QuotaMechanism::image;
    EntryFacts facts;
    if (const int error = read_facts(AT_FDCWD, path.c_str(), facts); error != 0)
      return system_error(operation, path, error);
    if (!facts.is_directory())
      return fail(ErrorCode::not_directory, operation, path, "not a directory");
    if (is_btrfs_subvolume(path)) {
      TH_ASSIGN(const bool counts, has_btrfs_quota(options_, path, operation));
      return counts ? QuotaMechanism::btrfs_qgroup : QuotaMechanism::none;
    }
    TH_ASSIGN(const bool enforces, has_project_quota(path, operation));
    return enforces && is_project_tree(path) ? QuotaMechanism::project : QuotaMechanism::none;
  }

  Result<Tree> find_tree(std::string_view operation, const std::string& path) {
    TH_TRY(check_path(operation, path));
    const std::string tree = clean_path(path);
    TH_ASSIGN(const QuotaMechanism kind, kind_of_tree(operation, tree));
    return Tree{tree, store_of(kind)};
  }

  /// create_tree where something is already.
  Result<Effect> keep_tree(std::string_view operation, const std::string& tree) {
    const auto kind = kind_of_tree(operation, tree);
    if (!kind && kind.error().code == ErrorCode::not_directory)
      return fail(ErrorCode::exists, operation, tree, "something else than a directory is there");
    if (!kind) return kind.error();
    if (TreeStore* store = store_of(*kind)) {
      TH_TRY(store->revive(tree));
      return Effect::none;
    }
    TH_ASSIGN(const QuotaMechanism acting, mechanism_for(operation, parent_path(tree)));
    if (acting == QuotaMechanism::none) return Effect::none;
    return fail(ErrorCode::exists, operation, tree, "a plain directory, not a quota tree, is there")
        .with_hint("move it away; the mechanism here is " + std::string(to_string(acting)));
  }

  static Error no_mechanism(std::string_view operation, const std::string& path) {
    return fail(ErrorCode::not_supported, operation, path,
                "no quota mechanism acts here: the tree is a plain directory")
        .with_hint(
            "keep private areas on btrfs, on ext4 or xfs mounted with prjquota, or turn "
            "image quota on");
  }

  const NodeOptions& options_;
  Files& files_;
  const std::unique_ptr<TreeStore> btrfs_;
  const std::unique_ptr<TreeStore> project_;
  const std::unique_ptr<TreeStore> image_;
};

}  // namespace

std::unique_ptr<Quotas> make_quotas(const NodeOptions& options, Files& files) {
  return std::make_unique<LinuxQuotas>(options, files);
}

}  // namespace twinhull::linux_backend
