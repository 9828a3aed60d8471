#include "runtime/kernel/files.h"

#include "runtime/kernel/decorators/ports.h"

namespace twinhull::decorators {
namespace {

using Path = const std::string&;

class ObservedFiles final : public Files {
 public:
  ObservedFiles(Files& inner, Hook& hook) : inner_(inner), hook_(hook) {}

  Result<std::string> read(Path path, Bytes most) override {
    return hook_.call("files.read", path, [&] { return inner_.read(path, most); }, most);
  }
  Status write(Path path, std::string_view content, std::uint32_t mode) override {
    return hook_.call(
        "files.write", path, [&] { return inner_.write(path, content, mode); }, content, mode);
  }
  Status append(Path path, std::string_view content, std::uint32_t mode) override {
    return hook_.call(
        "files.append", path, [&] { return inner_.append(path, content, mode); }, content, mode);
  }
  Status sync(Path path) override {
    return hook_.call("files.sync", path, [&] { return inner_.sync(path); });
  }
  Result<std::optional<FileInfo>> stat(Path path) override {
    return hook_.call("files.stat", path, [&] { return inner_.stat(path); });
  }
  Result<std::vector<DirectoryEntry>> list(Path path) override {
    return hook_.call("files.list", path, [&] { return inner_.list(path); });
  }
  Result<Effect> make_directory(Path path, std::uint32_t mode) override {
    return hook_.call(
        "files.make_directory", path, [&] { return inner_.make_directory(path, mode); }, mode);
  }
  Result<Effect> remove(Path path) override {
    return hook_.call("files.remove", path, [&] { return inner_.remove(path); });
  }
  Status rename(Path from, Path to) override {
    return hook_.call("files.rename", from, [&] { return inner_.rename(from, to); }, to);
  }
  Status hard_link(Path existing, Path name) override {
    return hook_.call(
        "files.hard_link", existing, [&] { return inner_.hard_link(existing, name); }, name);
  }
  Status make_symlink(Path target, Path path) override {
    return hook_.call(
        "files.make_symlink", path, [&] { return inner_.make_symlink(target, path); }, target);
  }
  Result<std::string> read_symlink(Path path) override {
    return hook_.call("files.read_symlink", path, [&] { return inner_.read_symlink(path); });
  }
  Status set_mode(Path path, std::uint32_t mode) override {
    return hook_.call("files.set_mode", path, [&] { return inner_.set_mode(path, mode); }, mode);
  }
  Status set_owner(Path path, Ownership owner) override {
    return hook_.call(
        "files.set_owner", path, [&] { return inner_.set_owner(path, owner); }, owner);
  }
  Result<Effect> remove_tree(Path path) override {
    return hook_.call("files.remove_tree", path, [&] { return inner_.remove_tree(path); });
  }
  Result<TreeSize> copy_tree(Path from, Path to) override {
    return hook_.call("files.copy_tree", from, [&] { return inner_.copy_tree(from, to); }, to);
  }
  Result<TreeSize> measure_tree(Path path) override {
    return hook_.call("files.measure_tree", path, [&] { return inner_.measure_tree(path); });
  }
  Result<std::string> digest_tree(Path path) override {
    return hook_.call("files.digest_tree", path, [&] { return inner_.digest_tree(path); });
  }
  Result<std::string> read_inside(Path root, Path path, Bytes most) override {
    return hook_.call(
        "files.read_inside", root, [&] { return inner_.read_inside(root, path, most); }, path,
        most);
  }
  Result<bool> exists_inside(Path root, Path path) override {
    return hook_.call(
        "files.exists_inside", root, [&] { return inner_.exists_inside(root, path); }, path);
  }

 private:
  Files& inner_;
  Hook& hook_;
};

}  // namespace

std::unique_ptr<Files> wrap_files(Files& inner, Hook& hook) {
  return std::make_unique<ObservedFiles>(inner, hook);
}

}  // namespace twinhull::decorators
