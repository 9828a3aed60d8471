// Copying of trees.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/attributes.h"
#include "backends/linux/file/copy_data.h"
#include "backends/linux/file/make_entry.h"
#include "backends/linux/file/path.h"
#include "backends/linux/file/tree_digest.h"
#include "backends/linux/file/tree_walk.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

/// Follows the walk in the copy: `here_` is the directory of the copy that matches the directory
/// of the entry. The copy belongs to nobody else yet, so ".." leads back to where it came from.
class CopyVisitor final : public TreeVisitor {
 public:
  CopyVisitor(const std::string& from, const std::string& to, bool top_exists,
              std::string_view operation)
      : from_(from), to_(to), top_exists_(top_exists), operation_(operation) {}

  /// Opened before the walk, for hard links: they are named from the top.
  Result<Descend> enter(const WalkEntry& entry) override {
    const std::string object = source(entry);
    const bool top = entry.path.empty();
    const std::string& name = top ? to_ : entry.name;
    const int parent = top ? AT_FDCWD : here_.get();
    if (!(top && top_exists_) && ::mkdirat(parent, name.c_str(), 0700) != 0)
      return system_error(operation_, target(entry), errno, "cannot make the directory");
    UniqueFd next(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!next) return system_error(operation_, target(entry), errno, "cannot open the directory");
    if (top) {
      top_.reset(::fcntl(next.get(), F_DUPFD_CLOEXEC, 0));
      if (!top_) return system_error(operation_, to_, errno, "cannot open the directory");
    }
    here_ = std::move(next);
    ++size_.inodes.value;
    // Read now: at `leave` the walk has only the name, but the attributes do not change by copying.
    TH_ASSIGN(auto attributes, read_attributes(entry.directory, entry.name, operation_, object));
    directories_.push_back(std::move(attributes));
    return Descend::yes;
  }

  /// Times last: filling the directory changed them.
  Status leave(const WalkEntry& entry) override {
    const Attributes attributes = std::move(directories_.back());
    directories_.pop_back();
    if (entry.path.empty())
      return apply_details(AT_FDCWD, to_, entry.facts, attributes, operation_, to_);
    UniqueFd parent(::openat(here_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent) return system_error(operation_, target(entry), errno, "cannot go back up");
    here_ = std::move(parent);
    return apply_details(here_.get(), entry.name, entry.facts, attributes, operation_,
                         target(entry));
  }

  Status leaf(const WalkEntry& entry) override {
    const bool top = entry.path.empty();
    const int parent = top ? AT_FDCWD : here_.get();
    const std::string& name = top ? to_ : entry.name;
    if (!top && entry.facts.links > 1) {
      const auto [place, is_new] = first_names_.try_emplace(key_of(entry.facts), entry.path);
      if (!is_new) {
        if (::linkat(top_.get(), place->second.c_str(), parent, name.c_str(), 0) != 0)
          return system_error(operation_, target(entry), errno, "cannot make the hard link");
        return {};
      }
    }
    ++size_.inodes.value;
    const std::string object = source(entry);
    if (entry.facts.is_regular()) {
      TH_TRY(copy_file(entry, parent, name));
    } else {
      std::string link;
      if (entry.facts.is_symlink()) {
        TH_ASSIGN(link, read_link_at(entry.directory, entry.name, operation_, object));
      }
      TH_TRY(make_node(parent, name, entry.facts, link, operation_, target(entry)));
    }
    TH_ASSIGN(const auto attributes,
              read_attributes(entry.directory, entry.name, operation_, object));
    return apply_details(parent, name, entry.facts, attributes, operation_, target(entry));
  }

  [[nodiscard]] TreeSize size() const { return size_; }

 private:
  Status copy_file(const WalkEntry& entry, int parent, const std::string& name) {
    UniqueFd in(::openat(entry.directory, entry.name.c_str(),
                         O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!in) return system_error(operation_, source(entry), errno, "cannot open");
    UniqueFd out(::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!out) return system_error(operation_, target(entry), errno, "cannot make the file");
    size_.bytes.value += entry.facts.size;
    return copy_data(in.get(), out.get(), entry.facts.size, operation_, target(entry));
  }

  [[nodiscard]] std::string source(const WalkEntry& entry) const {
    return entry.path.empty() ? from_ : from_ + "/" + entry.path;
  }
  [[nodiscard]] std::string target(const WalkEntry& entry) const {
    return entry.path.empty() ? to_ : to_ + "/" + entry.path;
  }

  const std::string& from_;
  const std::string& to_;
  const bool top_exists_;
  const std::string_view operation_;
  UniqueFd top_;
  UniqueFd here_;
  TreeSize size_;
  std::vector<Attributes> directories_;
  std::map<InodeKey, std::string> first_names_;
};

Result<TreeSize> copy(const std::string& from, const std::string& to, bool top_exists,
                      std::string_view operation) {
  CopyVisitor visitor(from, to, top_exists, operation);
  TH_TRY(walk_tree(from, operation, visitor));
  TH_TRY(sync_file_system(parent_path(to), operation));
  return visitor.size();
}

}  // namespace

Status sync_file_system(const std::string& path, std::string_view operation) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error(operation, path, errno, "cannot open");
  if (::syncfs(fd.get()) != 0) return system_error(operation, path, errno, "cannot sync");
  return {};
}

Result<TreeSize> copy_tree(const std::string& from, const std::string& to,
                           std::string_view operation) {
  EntryFacts facts;
  if (const int error = read_facts(AT_FDCWD, from.c_str(), facts); error != 0)
    return system_error(operation, from, error);
  if (const int error = read_facts(AT_FDCWD, to.c_str(), facts); error != ENOENT) {
    if (error != 0) return system_error(operation, to, error);
    return fail(ErrorCode::exists, operation, to, "something is there already");
  }
  if (is_at_or_below(to, from))
    return fail(ErrorCode::invalid_argument, operation, to, "the copy would lie in the original");
  return copy(from, to, false, operation);
}

Result<TreeSize> copy_tree_into(const std::string& from, const std::string& to,
                                std::string_view operation) {
  return copy(from, to, true, operation);
}

}  // namespace twinhull::linux_backend
