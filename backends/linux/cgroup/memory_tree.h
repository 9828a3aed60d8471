// A tree of control files in memory, for tests of the mapping without root.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/linux/cgroup/tree.h"

namespace twinhull::linux_backend::testing {

/// Directories and files by path. It keeps what is written and remembers the order; what a kernel
/// would do with a value (refuse, clamp) is added by a test through `on_write`.
class MemoryTree final : public CgroupTree {
 public:
  struct State {
    std::map<std::string, std::string> files;
    std::set<std::string> directories;
    std::set<std::string> marks;
    std::vector<std::pair<std::string, std::string>> writes;  ///< file name and text, in order
    std::vector<BpfInstruction> program;
    std::set<std::int32_t> processes;
    /// The disk below every path but "/gone" (not there) and "/memory" (on no disk).
    BlockDevice disk{"8:0", "sda"};
    int pauses = 0;
    /// Files that appear in each new group of a mount, with their first content.
    std::map<std::string, std::map<std::string, std::string>> templates;
    /// May refuse a write (errno) or change what is kept.
    std::function<int(const std::string& path, std::string& text)> on_write;
    /// May refuse a removal.
    std::function<int(const std::string& path)> on_remove;
    std::function<void()> on_pause;
  };
  explicit MemoryTree(State& state) : state_(state) {}

  std::expected<std::string, int> read(const std::string& path) override {
    const auto found = state_.files.find(path);
    if (found == state_.files.end()) return std::unexpected(ENOENT);
    return found->second;
  }
  int write(const std::string& path, std::string_view text) override {
    const auto found = state_.files.find(path);
    if (found == state_.files.end()) return ENOENT;
    std::string kept(text);
    state_.writes.emplace_back(path.substr(path.rfind('/') + 1), kept);
    if (state_.on_write) {
      if (const int number = state_.on_write(path, kept); number != 0) {
        state_.writes.pop_back();
        return number;
      }
    }
    state_.files[path] = kept;
    return 0;
  }
  int make_directory(const std::string& path) override {
    if (state_.directories.contains(path)) return EEXIST;
    if (!state_.directories.contains(path.substr(0, path.rfind('/')))) return ENOENT;
    state_.directories.insert(path);
    for (const auto& [mount, files] : state_.templates) {
      if (!path.starts_with(mount + "/")) continue;
      for (const auto& [name, text] : files) state_.files[path + "/" + name] = text;
    }
    return 0;
  }
  int remove_directory(const std::string& path) override {
    if (!state_.directories.contains(path)) return ENOENT;
    if (state_.on_remove) {
      if (const int number = state_.on_remove(path); number != 0) return number;
    }
    const auto children = directories(path);
    if (children && !children->empty()) return EBUSY;
    state_.directories.erase(path);
    std::erase_if(state_.files, [&](const auto& file) { return file.first.starts_with(path + "/"); });
    return 0;
  }
  std::expected<std::vector<std::string>, int> directories(const std::string& path) override {
    if (!state_.directories.contains(path)) return std::unexpected(ENOENT);
    std::vector<std::string> names;
    for (const auto& directory : state_.directories) {
      if (directory.starts_with(path + "/") &&
          directory.find('/', path.size() + 1) == std::string::npos) {
        names.push_back(directory.substr(path.size() + 1));
      }
    }
    return names;
  }
  bool exists(const std::string& path) override {
    return state_.files.contains(path) || state_.directories.contains(path);
  }
  int mark(const std::string& path) override {
    state_.marks.insert(path);
    return 0;
  }
  bool marked(const std::string& path) override { return state_.marks.contains(path); }
  int replace_device_program(const std::string&,
                             const std::vector<BpfInstruction>& program) override {
    state_.program = program;
    return 0;
  }
  int kill(std::int32_t pid) override { return state_.processes.erase(pid) == 1 ? 0 : ESRCH; }
  Result<BlockDevice> disk_of(const std::string& path, std::string_view operation) override {
    if (path == "/gone") return fail(ErrorCode::not_found, operation, path, "not there");
    if (path == "/memory") return fail(ErrorCode::not_supported, operation, path, "on no disk");
    return state_.disk;
  }
  std::optional<std::uint64_t> start_time(std::int32_t pid) override {
    if (!state_.processes.contains(pid)) return std::nullopt;
    return static_cast<std::uint64_t>(pid) * 10;
  }
  void pause(Duration) override {
    ++state_.pauses;
    if (state_.on_pause) state_.on_pause();
  }

 private:
  State& state_;
};

}  // namespace twinhull::linux_backend::testing
