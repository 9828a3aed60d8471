#include "backends/sim/files/view.h"

#include "backends/sim/files/file_ops.h"
#include "backends/sim/files/tree_image.h"

namespace twinhull::sim {

Result<FileRoot> FileView::root_of(Node& node, const std::string& path) {
  return FileOps(node).root_at(path);
}

Result<std::string> FileView::read(std::string_view path, Bytes most) const {
  return FileOps(node_, root_).read(path, most.value, true);
}
Result<std::string> FileView::read_first(std::string_view path, Bytes most) const {
  return FileOps(node_, root_).read(path, most.value, false);
}
Status FileView::write(std::string_view path, std::string_view content, std::uint32_t mode) const {
  return FileOps(node_, root_).write(path, content, mode);
}
Status FileView::append(std::string_view path, std::string_view content, std::uint32_t mode) const {
  return FileOps(node_, root_).append(path, content, mode);
}
Result<FileView::Grown> FileView::append_synthetic(std::string_view path, Bytes length,
                                                   std::uint64_t seed, std::uint32_t mode) const {
  return FileOps(node_, root_).append_synthetic(path, length.value, seed, mode);
}
Status FileView::truncate(std::string_view path, Bytes size) const {
  return FileOps(node_, root_).truncate(path, size.value);
}
Status FileView::sync(std::string_view path) const {
  TH_TRY(FileOps(node_, root_).sync(path));
  return {};
}
void FileView::sync_all() const {
  node_.files->sync_all();
}

Result<std::optional<FileInfo>> FileView::stat(std::string_view path) const {
  return FileOps(node_, root_).stat(path, FinalLink::keep);
}
Result<std::optional<FileInfo>> FileView::stat_target(std::string_view path) const {
  return FileOps(node_, root_).stat(path, FinalLink::follow);
}
Result<std::vector<DirectoryEntry>> FileView::list(std::string_view path) const {
  return FileOps(node_, root_).list(path);
}
Result<Effect> FileView::make_directory(std::string_view path, std::uint32_t mode) const {
  return FileOps(node_, root_).make_directory(path, mode);
}
Result<Effect> FileView::remove(std::string_view path) const {
  return FileOps(node_, root_).remove(path);
}
Status FileView::rename(std::string_view from, std::string_view to) const {
  return FileOps(node_, root_).rename(from, to);
}
Status FileView::hard_link(std::string_view existing, std::string_view name) const {
  return FileOps(node_, root_).hard_link(existing, name);
}
Status FileView::make_symlink(std::string_view target, std::string_view path) const {
  return FileOps(node_, root_).make_symlink(target, path);
}
Result<std::string> FileView::read_symlink(std::string_view path) const {
  return FileOps(node_, root_).read_symlink(path);
}
Status FileView::make_device(std::string_view path, FileKind kind, std::uint32_t mode) const {
  return FileOps(node_, root_).make_device(path, kind, mode);
}
Status FileView::set_mode(std::string_view path, std::uint32_t mode) const {
  return FileOps(node_, root_).set_mode(path, mode);
}
Status FileView::set_owner(std::string_view path, Ownership owner) const {
  return FileOps(node_, root_).set_owner(path, owner);
}
Status FileView::touch(std::string_view path) const {
  return FileOps(node_, root_).touch(path);
}
Result<Effect> FileView::remove_tree(std::string_view path) const {
  return FileOps(node_, root_).remove_tree(path, nullptr);
}
Result<TreeSize> FileView::copy_tree(std::string_view from, std::string_view to) const {
  return FileOps(node_, root_).copy_tree(from, to, nullptr);
}
Result<TreeSize> FileView::measure_tree(std::string_view path) const {
  return FileOps(node_, root_).measure_tree(path);
}
Result<std::string> FileView::digest_file(std::string_view path) const {
  return FileOps(node_, root_).digest_file(path);
}
std::optional<FileView::Shared> FileView::shared_file(std::string_view path) const {
  return FileOps(node_, root_).shared_file(path);
}
Result<DiskInfo> FileView::disk(std::string_view path) const {
  return FileOps(node_, root_).disk(path);
}

namespace {

// Directory at `path` of the node, for a transfer.
Status find_directory(Walker& walker, const std::string& path, std::string_view operation) {
  walker.start_at_node();
  TH_TRY(walker.walk(path, FinalLink::follow, DotDot::refuse));
  if (!walker.found()) return fail(ErrorCode::not_found, operation, path, "no such directory");
  if (!walker.inode().is_directory()) {
    return fail(ErrorCode::not_directory, operation, path, "a directory was expected");
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const TreeImage>> export_tree(Node& node, const std::string& path,
                                                     const std::vector<std::string>& hollow) {
  Walker walker(node, "channel.send_tree");
  TH_TRY(find_directory(walker, path, "channel.send_tree"));
  return std::make_shared<const TreeImage>(
      hollow_picture_of(*node.files, walker.last(), layers_at(*node.mounts, walker.last()), hollow));
}

TreeSize size_of(const TreeImage& image) {
  return image.size;
}
std::string digest_of(const TreeImage& image) {
  return image.digest;
}

Status import_tree(Node& node, const std::string& path, const TreeImage& image, bool durable) {
  constexpr std::string_view kOperation = "channel.receive_tree";
  Walker walker(node, kOperation);
  TH_TRY(find_directory(walker, path, kOperation));
  TH_ASSIGN(const InodeId top, walker.make_writable(walker.last_index(), path));
  if (!image.entries.empty()) {
    node.files->set_mode(top, image.entries.front().mode);
    node.files->set_owner(top, image.entries.front().owner);
  }
  node.engine.note(kOperation, path, {image.size.bytes.value, image.size.inodes.value});
  return unpack_image(*node.files, image, top, {.into_existing = true, .durable = durable},
                      kOperation, path, nullptr, [] { return true; });
}

Duration charge_disk(Node& node, Bytes bytes) {
  return node.files->charge_disk(bytes.value);
}

}  // namespace twinhull::sim
