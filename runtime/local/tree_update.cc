#include "runtime/local/tree_update.h"

#include <optional>
#include <set>

namespace twinhull::local {
namespace {

// Time stamps of files are taken from a clock that stands still between ticks, and some file
// systems keep whole seconds.
constexpr Duration kRacy = seconds(2);

Status collect(Files& files, const std::string& top, const std::string& below, DirectoryMap& map) {
  const std::string path = below.empty() ? top : top + "/" + below;
  const auto info = files.stat(path);
  if (!info) return info.error().code == ErrorCode::not_found ? Status() : info.error();
  if (!*info || (*info)->kind != FileKind::directory) return {};
  map[below] = (*info)->inode;
  const auto entries = files.list(path);
  if (!entries) return entries.error().code == ErrorCode::not_found ? Status() : entries.error();
  for (const DirectoryEntry& entry : *entries)
    if (entry.kind == FileKind::directory)
      TH_TRY(collect(files, top, below.empty() ? entry.name : below + "/" + entry.name, map));
  return {};
}

class Updater {
 public:
  Updater(Files& files, const std::string& from, const std::string& to, const DirectoryMap& known,
          WallTime begun)
      : files_(files), from_(from), to_(to), known_(known), begun_(begun) {}

  Result<UpdateResult> run() {
    result_.done = true;
    TH_TRY(directory(""));
    return result_;
  }

 private:
  Status directory(const std::string& below) {
    const std::string tail = below.empty() ? "" : "/" + below;
    TH_ASSIGN(const auto here, files_.list(from_ + tail));
    TH_ASSIGN(const auto there, files_.list(to_ + tail));
    std::set<std::string> wanted;
    for (const DirectoryEntry& entry : here) wanted.insert(entry.name);
    bool changed = false;
    for (const DirectoryEntry& entry : there) {
      if (wanted.contains(entry.name)) continue;
      TH_TRY(files_.remove_tree(to_ + tail + "/" + entry.name));
      ++result_.removed;
      changed = true;
    }
    for (const DirectoryEntry& entry : here) {
      TH_TRY(this->entry(below.empty() ? entry.name : below + "/" + entry.name, changed));
      if (!result_.done) return {};
    }
    return changed ? files_.sync(to_ + tail) : Status();
  }

  Status entry(const std::string& below, bool& changed) {
    const std::string source = from_ + "/" + below;
    const std::string target = to_ + "/" + below;
    TH_ASSIGN(const auto here, files_.stat(source));
    TH_ASSIGN(const auto there, files_.stat(target));
    if (!here)
      return fail(ErrorCode::busy, "local.update", source, "vanished while it stood still");
    if (there) {
      TH_ASSIGN(const bool copied, is_the_copied(below, *here, *there));
      if (copied) return attributes(below, *here, *there);
    }
    if (there && same(source, target, *here, *there)) return {};
    if (here->kind == FileKind::regular && here->links > 1) {
      result_.done = false;
      return {};
    }
    TH_TRY(files_.remove_tree(target));
    TH_TRY(files_.copy_tree(source, target));
    ++result_.replaced;
    changed = true;
    return {};
  }

  Status attributes(const std::string& below, const FileInfo& here, const FileInfo& there) {
    const std::string target = to_ + "/" + below;
    const bool given_away = here.uid != there.uid || here.gid != there.gid;
    if (given_away) TH_TRY(files_.set_owner(target, {here.uid, here.gid}));
    // A change of the owner takes special bits off.
    if (given_away || here.mode != there.mode) TH_TRY(files_.set_mode(target, here.mode));
    return directory(below);
  }

  /// Whether it is the directory that was copied, and not another one of its name: that one has its
  /// own attributes (an overlay hides what lies below it), which only a whole copy brings over.
  /// Inode numbers are given out again, so one that was changed must hold something of that time.
  Result<bool> is_the_copied(const std::string& below, const FileInfo& here,
                             const FileInfo& there) {
    if (here.kind != FileKind::directory || there.kind != FileKind::directory) return false;
    const auto found = known_.find(below);
    if (found == known_.end() || found->second != here.inode) return false;
    if (here.modified == there.modified) return true;
    TH_ASSIGN(const auto entries, files_.list(from_ + "/" + below));
    for (const DirectoryEntry& entry : entries) {
      const std::string path = below + "/" + entry.name;
      TH_ASSIGN(const auto a, files_.stat(from_ + "/" + path));
      TH_ASSIGN(const auto b, files_.stat(to_ + "/" + path));
      if (!a || !b || a->modified != b->modified || a->modified >= begun_ - kRacy) continue;
      if (a->kind == FileKind::regular && a->kind == b->kind && a->size == b->size) return true;
      const auto known = known_.find(path);
      if (a->kind == FileKind::directory && known != known_.end() && known->second == a->inode)
        return true;
    }
    return false;
  }

  bool same(const std::string& source, const std::string& target, const FileInfo& a,
            const FileInfo& b) {
    if (a.kind != b.kind || a.mode != b.mode || a.uid != b.uid || a.gid != b.gid) return false;
    if (a.kind == FileKind::symlink) {
      const auto here = files_.read_symlink(source);
      const auto there = files_.read_symlink(target);
      return here && there && *here == *there;
    }
    return a.kind == FileKind::regular && a.size == b.size && a.modified == b.modified &&
           a.modified < begun_ - kRacy;
  }

  Files& files_;
  const std::string& from_;
  const std::string& to_;
  const DirectoryMap& known_;
  const WallTime begun_;
  UpdateResult result_;
};

}  // namespace

Result<DirectoryMap> directories_of(Files& files, const std::string& top) {
  DirectoryMap map;
  TH_TRY(collect(files, top, "", map));
  return map;
}

Result<UpdateResult> update_tree(Files& files, const std::string& from, const std::string& to,
                                 const DirectoryMap& known, WallTime begun) {
  return Updater(files, from, to, known, begun).run();
}

}  // namespace twinhull::local
