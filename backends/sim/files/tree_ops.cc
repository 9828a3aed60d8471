// Whole trees: measure, digest, copy, remove, and pictures of trees in transit between nodes.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

#include "backends/sim/files/file_ops.h"
#include "backends/sim/files/tree_image.h"

#include <fmt/format.h>

namespace twinhull::sim {
namespace {

// A bulk call lets time pass after so much work, so that others can run in between.
constexpr std::uint64_t kBytesBetweenPauses = std::uint64_t{16} << 20U;
constexpr std::uint64_t kInodesBetweenPauses = 256;

// A directory on the way: its names still to be visited.
struct Level {
  std::size_t path_length = 0;
  std::vector<std::pair<std::string_view, Spot>> names;  // views into the store
  std::size_t next = 0;
};

Level level_of(const FileStore& files, const Spot& directory, std::size_t path_length) {
  Level level;
  level.path_length = path_length;
  if (directory.lowers.empty()) {  // one layer: its names are what is there
    const NameTable& names = files.at(directory.upper).directory->names;
    level.names.reserve(names.size());
    for (const auto& [name, id] : names) {
      Spot& spot = level.names.emplace_back(name, Spot{}).second;
      spot.mount = directory.mount;
      spot.upper = id;
    }
    return level;
  }
  const auto add = [&](InodeId layer) {
    for (const auto& [name, id] : files.at(layer).directory->names) {
      Spot child = Walker::child(files, directory, name);
      if (child.top() != 0) level.names.emplace_back(name, std::move(child));
    }
  };
  if (directory.upper != 0) add(directory.upper);
  for (const InodeId lower : directory.lowers) add(lower);
  // Several layers may show one name.
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  std::sort(level.names.begin(), level.names.end(), by_name);
  level.names.erase(std::unique(level.names.begin(), level.names.end(), same), level.names.end());
  return level;
}

// Collects work and hands it to the pace in portions.
class Portions {
 public:
  explicit Portions(const Pace& pace) : pace_(pace) {}
  Status add(std::uint64_t bytes) {
    bytes_ += bytes;
    ++inodes_;
    if (bytes_ < kBytesBetweenPauses && inodes_ < kInodesBetweenPauses) return {};
    return finish();
  }
  Status finish() {
    const std::uint64_t bytes = std::exchange(bytes_, 0);
    const std::uint64_t inodes = std::exchange(inodes_, 0);
    if (!pace_ || inodes == 0) return {};
    return pace_(bytes, inodes);
  }

 private:
  const Pace& pace_;
  std::uint64_t bytes_ = 0;
  std::uint64_t inodes_ = 0;
};

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}
std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

void visit_tree(const FileStore& files, const Spot& top,
                const std::function<void(const std::string&, const Spot&)>& visit) {
  // Not recursive: trees can be deeper than a fiber's stack.
  std::string path;
  visit(path, top);
  std::vector<Level> levels;
  if (files.at(top.top()).is_directory()) levels.push_back(level_of(files, top, 0));
  while (!levels.empty()) {
    Level& level = levels.back();
    path.resize(level.path_length);
    if (level.next == level.names.size()) {
      levels.pop_back();
      continue;
    }
    const auto& [name, spot] = level.names[level.next++];
    path += '/';
    path += name;
    visit(path, spot);
    if (files.at(spot.top()).is_directory()) {
      levels.push_back(level_of(files, spot, path.size()));
    }
  }
}

Layers layers_at(const MountTable& mounts, const Spot& spot) {
  return mounts.at(spot.mount).overlay == 0 ? Layers::shown : Layers::hidden;
}

TreeSize measure(const FileStore& files, const Spot& top) {
  TreeSize size;
  std::map<InodeId, bool> counted;
  visit_tree(files, top, [&](const std::string&, const Spot& spot) {
    const InodeId id = spot.top();
    const Inode& inode = files.at(id);
    if (inode.links > 1 && !inode.is_directory() && !counted.try_emplace(id, true).second) return;
    size.inodes.value += 1;
    if (inode.kind == FileKind::regular) size.bytes.value += inode.content.size();
  });
  return size;
}

namespace {

// The digest of a tree while it is visited.
class Fingerprint {
 public:
  explicit Fingerprint(Layers layers) : layers_(layers) {}
  // `first`: the number, from 1, of the entry that showed a file of several names first; 0 = it has one.
  void add(const std::string& path, const Inode& inode, std::uint64_t first) {
    hash_ = mix(hash_, hash_text(path));
    hash_ = mix(hash_, static_cast<std::uint64_t>(inode.kind));
    hash_ = mix(hash_, inode.mode | (inode.whiteout ? 0x20000U : 0U) |
                           (inode.opaque && layers_ == Layers::shown ? 0x10000U : 0U));
    hash_ = mix(hash_, (std::uint64_t{inode.uid} << 32U) | inode.gid);
    if (inode.kind == FileKind::regular || inode.kind == FileKind::symlink) {
      hash_ = mix(hash_, inode.content.digest());
    }
    if (first != 0) hash_ = mix(hash_, first);  // hard links are a fact of the tree
  }
  [[nodiscard]] std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  Layers layers_;
  std::uint64_t hash_ = 0;
};

bool has_several_names(const Inode& inode) {
  return inode.links > 1 && !inode.is_directory();
}

}  // namespace

std::string digest(const FileStore& files, const Spot& top, Layers layers) {
  Fingerprint fingerprint(layers);
  std::map<InodeId, std::uint64_t> first_seen;
  std::uint64_t number = 0;
  visit_tree(files, top, [&](const std::string& path, const Spot& spot) {
    const Inode& inode = files.at(spot.top());
    ++number;
    fingerprint.add(path, inode,
                    has_several_names(inode)
                        ? first_seen.try_emplace(spot.top(), number).first->second
                        : 0);
  });
  return fingerprint.text();
}

TreeImage picture_of(const FileStore& files, const Spot& top, Layers layers) {
  TreeImage image;
  Fingerprint fingerprint(layers);
  std::map<InodeId, std::uint32_t> first_seen;
  visit_tree(files, top, [&](const std::string& path, const Spot& spot) {
    const Inode& inode = files.at(spot.top());
    const auto index = static_cast<std::uint32_t>(image.entries.size());
    std::uint32_t first = index;
    if (has_several_names(inode)) first = first_seen.try_emplace(spot.top(), index).first->second;
    TreeImage::Entry& entry = image.entries.emplace_back();
    entry.path = path;
    entry.kind = inode.kind;
    entry.mode = inode.mode;
    entry.owner = {inode.uid, inode.gid};
    entry.modified = inode.modified;
    entry.opaque = inode.opaque && layers == Layers::shown;
    entry.whiteout = inode.whiteout;
    if (first != index) {
      entry.same_as = first;
    } else {
      if (!inode.is_directory()) entry.content = inode.content;
      image.size.inodes.value += 1;
      if (inode.kind == FileKind::regular) image.size.bytes.value += inode.content.size();
    }
    fingerprint.add(path, inode, has_several_names(inode) ? first + 1 : 0);
  });
  image.digest = fingerprint.text();
  return image;
}

TreeImage hollow_picture_of(const FileStore& files, const Spot& top, Layers layers,
                            const std::vector<std::string>& hollow) {
  TreeImage whole = picture_of(files, top, layers);
  if (hollow.empty()) return whole;
  const auto left_out = [&](const std::string& path) {
    return std::any_of(hollow.begin(), hollow.end(), [&](const std::string& directory) {
      return path.starts_with("/" + directory + "/");
    });
  };
  TreeImage image;
  std::uint64_t hash = 0;
  std::vector<std::optional<std::uint32_t>> kept(whole.entries.size());
  for (std::size_t i = 0; i < whole.entries.size(); ++i) {
    TreeImage::Entry& entry = whole.entries[i];
    if (left_out(entry.path)) continue;
    const std::size_t first = entry.same_as.value_or(static_cast<std::uint32_t>(i));
    // The name that held the content may have been left out: then this one does.
    if (entry.same_as && !kept[first]) entry.content = whole.entries[first].content;
    entry.same_as = kept[first];
    hash = mix(hash, hash_text(entry.path));
    hash = mix(hash, (std::uint64_t{entry.mode} << 8U) | static_cast<std::uint64_t>(entry.kind));
    hash = mix(hash, (std::uint64_t{entry.owner.uid} << 32U) | entry.owner.gid);
    if (entry.same_as) {
      hash = mix(hash, *entry.same_as);
    } else {
      kept[first] = static_cast<std::uint32_t>(image.entries.size());
      image.size.inodes.value += 1;
      if (entry.kind == FileKind::regular) image.size.bytes.value += entry.content.size();
      hash = mix(hash, entry.content.digest());
    }
    image.entries.push_back(std::move(entry));
  }
  image.digest = fmt::format("{:016x}", hash);
  return image;
}

Status unpack_image(FileStore& files, const TreeImage& image, InodeId top, UnpackOptions options,
                    std::string_view operation, std::string_view path, const Pace& pace,
                    const std::function<bool()>& top_alive) {
  std::map<std::string, InodeId> directories;
  std::vector<InodeId> made(image.entries.size());
  directories[""] = top;
  Portions portions(pace);
  for (std::size_t i = 0; i < image.entries.size(); ++i) {
    const TreeImage::Entry& entry = image.entries[i];
    if (entry.path.empty()) {
      made[i] = top;
      if (options.into_existing) continue;
      files.set_mode(top, entry.mode);
      files.set_owner(top, entry.owner);
      if (entry.opaque) files.mark_opaque(top);
      continue;
    }
    // Somebody else may have removed parts while this call waited for the disk.
    const InodeId parent = directories.at(parent_of(entry.path));
    if (!top_alive() || !files.at(parent).is_directory() || !files.is_above(top, parent)) {
      return fail(ErrorCode::not_found, operation, path,
                  "the tree was removed while it was copied");
    }
    const std::string name = name_of(entry.path);
    if (files.lookup(parent, name) != 0) {
      return fail(ErrorCode::exists, operation, std::string(path) + entry.path,
                  "the name is taken");
    }
    std::uint64_t bytes = 0;
    if (entry.same_as && files.at(made[*entry.same_as]).used) {
      made[i] = made[*entry.same_as];
      files.link(parent, name, made[i]);
    } else {
      TH_ASSIGN(made[i],
                files.create(parent, name, {entry.kind, entry.mode, entry.owner, operation, path}));
      if (entry.whiteout) files.mark_whiteout(made[i]);
      if (entry.opaque) files.mark_opaque(made[i]);
      if (entry.kind == FileKind::regular) {
        TH_TRY(files.share_content(entry.content, made[i], operation, path));
        bytes = entry.content.size();
      } else if (entry.kind == FileKind::symlink) {
        files.set_link_target(made[i], entry.content.text());
      } else if (entry.kind == FileKind::directory) {
        directories[entry.path] = made[i];
      }
    }
    TH_TRY(portions.add(bytes));
  }
  TH_TRY(portions.finish());
  // Times of directories changed while they were filled; then all of it may become durable.
  for (std::size_t i = 0; i < image.entries.size(); ++i) {
    if (!files.at(made[i]).used) continue;
    if (!image.entries[i].path.empty() || !options.into_existing) {
      files.set_modified(made[i], image.entries[i].modified);
    }
    if (options.durable) files.sync(made[i]);
  }
  return {};
}

Result<TreeSize> FileOps::measure_tree(std::string_view path) {
  Walker walker(node_, "files.measure_tree");
  TH_TRY(walk(walker, path, FinalLink::keep));
  if (!walker.found()) {
    return fail(ErrorCode::not_found, "files.measure_tree", path, "no such file or directory");
  }
  return measure(*node_.files, walker.last());
}

Result<std::string> FileOps::digest_tree(std::string_view path) {
  Walker walker(node_, "files.digest_tree");
  TH_TRY(walk(walker, path, FinalLink::keep));
  if (!walker.found()) {
    return fail(ErrorCode::not_found, "files.digest_tree", path, "no such file or directory");
  }
  return digest(*node_.files, walker.last(), layers_at(*node_.mounts, walker.last()));
}

Result<std::string> FileOps::digest_file(std::string_view path) {
  Walker walker(node_, "files.digest_file");
  TH_TRY(walk(walker, path, FinalLink::follow));
  if (!walker.found()) {
    return fail(ErrorCode::not_found, "files.digest_file", path, "no such file or directory");
  }
  if (walker.inode().kind != FileKind::regular) {
    return fail(ErrorCode::is_directory, "files.digest_file", path, "a file was expected");
  }
  return fmt::format("{:016x}", walker.inode().content.digest());
}

std::optional<FileView::Shared> FileOps::shared_file(std::string_view path) {
  Walker walker(node_, "files.read");
  if (!walk(walker, path, FinalLink::follow) || !walker.found()) return std::nullopt;
  const Spot& spot = walker.last();
  if (spot.upper != 0 || spot.lowers.empty() || walker.inode().kind != FileKind::regular) {
    return std::nullopt;
  }
  return FileView::Shared{spot.top(), {walker.inode().content.size()}};
}

Result<TreeSize> FileOps::copy_tree(std::string_view from, std::string_view to, const Pace& pace) {
  constexpr std::string_view kOperation = "files.copy_tree";
  FileStore& files = *node_.files;
  Walker source(node_, kOperation);
  TH_TRY(walk(source, from, FinalLink::keep));
  if (!source.found()) {
    return fail(ErrorCode::not_found, kOperation, from, "no such file or directory");
  }
  const TreeImage image = picture_of(files, source.last(), layers_at(*node_.mounts, source.last()));
  Walker target(node_, kOperation);
  TH_TRY(walk(target, to, FinalLink::keep));
  if (target.found()) return fail(ErrorCode::exists, kOperation, to, "the name is taken");
  const TreeImage::Entry& top = image.entries.front();
  TH_ASSIGN(const InodeId made, make(target, to, top.kind, top.mode, kOperation));
  if (top.kind == FileKind::regular) {
    TH_TRY(files.share_content(top.content, made, kOperation, to));
  } else if (top.kind == FileKind::symlink) {
    files.set_link_target(made, top.content.text());
  }
  TH_TRY(unpack_image(files, image, made, {}, kOperation, to, pace,
                      [&] { return files.at(made).used && files.at(made).links != 0; }));
  // Its own name becomes durable too. The walk is repeated: time has passed.
  TH_TRY(walk(target, to, FinalLink::keep));
  if (target.found() && target.spot(target.parent()).upper != 0) {
    files.sync_name(target.spot(target.parent()).upper, target.name());
  }
  node_.engine.note(kOperation, to, {image.size.bytes.value, image.size.inodes.value});
  return image.size;
}

Result<Effect> FileOps::remove_tree(std::string_view path, const Pace& pace) {
  constexpr std::string_view kOperation = "files.remove_tree";
  FileStore& files = *node_.files;
  struct Below {
    std::string path;
    InodeId parent = 0;  ///< the directory that names it; 0 = in lower layers
  };
  std::vector<Below> below;
  bool plain = false;
  {
    Walker walker(node_, kOperation);
    if (Status walked = walk(walker, path, FinalLink::keep); !walked) {
      if (walked.error().code == ErrorCode::not_found) return Effect::none;
      return std::move(walked).error();
    }
    if (!walker.found()) return Effect::none;
    bool mounted = walker.at_mount_root() || walker.name().empty();
    // What has no layers below the upper one has none further down either.
    plain = walker.last().lowers.empty() && !node_.mounts->at(walker.last().mount).read_only;
    std::vector<std::pair<std::size_t, InodeId>> way;  // the directories above, by the length of their paths
    visit_tree(files, walker.last(), [&](const std::string& inside, const Spot& spot) {
      if (files.at(spot.top()).mount_point && node_.mounts->covering(spot.mount, spot.top())) {
        mounted = true;
      }
      if (!inside.empty()) {
        const std::size_t parent_length = inside.rfind('/');
        while (way.back().first > parent_length) way.pop_back();
        below.push_back({inside, way.back().second});
      }
      if (files.at(spot.top()).is_directory()) way.emplace_back(inside.size(), spot.upper);
    });
    if (mounted) {
      return fail(ErrorCode::busy, kOperation, path, "a file system is mounted here or below")
          .with_hint("unmount it first");
    }
  }
  // As long as no time passes, what was found is what is there: nobody need look again.
  plain = plain && below.size() < kInodesBetweenPauses;
  // From the end: what is in a directory comes after it.
  std::string whole;
  Portions portions(pace);
  for (auto inside = below.rbegin(); inside != below.rend(); ++inside) {
    whole.assign(path);
    whole += inside->path;
    if (plain) {
      const std::string_view name = std::string_view(inside->path).substr(inside->path.rfind('/') + 1);
      files.unlink(inside->parent, name);
      node_.engine.note("files.remove", whole);
      if (pace) files.sync_name(inside->parent, name);
      TH_TRY(portions.add(0));
      continue;
    }
    const Result<Effect> removed = remove(whole);
    if (!removed) {
      // Somebody put something in meanwhile; anything else ends the work.
      if (removed.error().code != ErrorCode::not_empty) return removed.error();
    }
    // Removals reach the disk as they go: a power cut leaves a part.
    Walker walker(node_, kOperation);
    if (pace && walk(walker, whole, FinalLink::keep) && !walker.found() &&
        walker.last().upper != 0) {
      files.sync_name(walker.last().upper, name_of(inside->path));
    }
    TH_TRY(portions.add(0));
  }
  TH_TRY(remove(path));
  TH_TRY(portions.finish());
  return Effect::changed;
}

}  // namespace twinhull::sim
