#include "backends/linux/file/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

struct Level {
  std::string name;         ///< in its parent
  std::size_t path_length;  ///< of the path of this directory
  EntryFacts facts;
  std::vector<std::string> names;  ///< descending, so that the next is the last
};

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class Walk {
 public:
  Walk(const std::string& top, std::string_view operation, TreeVisitor& visitor, TreeState state)
      : top_(top), operation_(operation), visitor_(visitor), state_(state) {}

  Status run() {
    EntryFacts facts;
    if (const int error = read_facts(AT_FDCWD, top_.c_str(), facts); error != 0)
      return system_error(operation_, top_, error);
    const WalkEntry entry{AT_FDCWD, top_, path_, facts};
    if (!facts.is_directory()) return visitor_.leaf(entry);
    TH_ASSIGN(const Descend descend, visitor_.enter(entry));
    if (descend == Descend::no) return {};
    TH_TRY(go_down(AT_FDCWD, top_, facts));
    while (!levels_.empty()) TH_TRY(step());
    return {};
  }

 private:
  [[nodiscard]] std::string object() const { return path_.empty() ? top_ : top_ + "/" + path_; }

  /// Handles the next name of the innermost directory, or leaves it.
  Status step() {
    Level& level = levels_.back();
    if (level.names.empty()) return go_up();
    const std::string name = std::move(level.names.back());
    level.names.pop_back();
    path_.resize(level.path_length);
    if (!path_.empty()) path_ += '/';
    path_ += name;

    EntryFacts facts;
    if (const int error = read_facts(here_.get(), name.c_str(), facts); error != 0) {
      if (error == ENOENT) return {};
      return system_error(operation_, object(), error);
    }
    const WalkEntry entry{here_.get(), name, path_, facts};
    if (!facts.is_directory()) return visitor_.leaf(entry);
    TH_ASSIGN(const Descend descend, visitor_.enter(entry));
    if (descend == Descend::no) return {};
    return go_down(here_.get(), name, facts);
  }

  Status go_down(int parent, const std::string& name, const EntryFacts& facts) {
    UniqueFd fd(::openat(parent, name.c_str(),
                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
      const bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
      if (gone && may_change() && !levels_.empty()) return {};
      return system_error(operation_, object(), errno, "cannot open the directory");
    }
    TH_ASSIGN(auto names, read_names(fd.get()));
    levels_.push_back({name, path_.size(), facts, std::move(names)});
    here_ = std::move(fd);
    return {};
  }

  Status go_up() {
    const Level left = std::move(levels_.back());
    levels_.pop_back();
    path_.resize(left.path_length);
    if (levels_.empty()) {
      here_.reset();
      return visitor_.leave({AT_FDCWD, top_, path_, left.facts});
    }
    UniqueFd parent(::openat(here_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent && may_change()) return find_back();
    if (!parent) return system_error(operation_, object(), errno, "cannot go back up");
    TH_ASSIGN(const bool same, is_level(parent.get(), levels_.back()));
    if (!same) {
      if (may_change()) return find_back();
      return fail(ErrorCode::busy, operation_, object(),
                  "the directory was moved while its tree was walked");
    }
    here_ = std::move(parent);
    return visitor_.leave({here_.get(), left.name, path_, left.facts});
  }

  [[nodiscard]] bool may_change() const { return state_ == TreeState::changing; }

  [[nodiscard]] Result<bool> is_level(int fd, const Level& level) const {
    EntryFacts facts;
    if (const int error = read_facts(fd, facts); error != 0)
      return system_error(operation_, object(), error);
    return facts.inode == level.facts.inode && facts.device_major == level.facts.device_major &&
           facts.device_minor == level.facts.device_minor;
  }

  /// The way up is gone: the way down from the top again, as far as it is still the same.
  Status find_back() {
    UniqueFd at;
    std::size_t found = 0;
    for (; found < levels_.size(); ++found) {
      const std::string& name = levels_[found].name;
      UniqueFd next(found == 0 ? ::open(top_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                               : ::openat(at.get(), name.c_str(),
                                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next) break;
      TH_ASSIGN(const bool same, is_level(next.get(), levels_[found]));
      if (!same) break;
      at = std::move(next);
    }
    if (found == 0) return fail(ErrorCode::not_found, operation_, top_, "the tree was removed");
    levels_.erase(levels_.begin() + static_cast<std::ptrdiff_t>(found), levels_.end());
    path_.resize(levels_.back().path_length);
    here_ = std::move(at);
    return {};
  }

  Result<std::vector<std::string>> read_names(int fd) {
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy) return system_error(operation_, object(), errno, "cannot list the directory");
    const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(copy.get()));
    if (!stream) return system_error(operation_, object(), errno, "cannot list the directory");
    static_cast<void>(copy.release());
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return system_error(operation_, object(), errno, "cannot list the directory");
    std::ranges::sort(names, std::ranges::greater{});
    return names;
  }

  const std::string& top_;
  const std::string_view operation_;
  TreeVisitor& visitor_;
  const TreeState state_;
  std::string path_;
  UniqueFd here_;
  std::vector<Level> levels_;
};

}  // namespace

Status walk_tree(const std::string& top, std::string_view operation, TreeVisitor& visitor,
                 TreeState state) {
  return Walk(top, operation, visitor, state).run();
}

}  // namespace twinhull::linux_backend
