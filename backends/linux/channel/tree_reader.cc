#include "backends/linux/channel/tree_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <map>
#include <set>

#include "backends/linux/channel/touched_entries.h"
#include "backends/linux/channel/tree_writer.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/file/attributes.h"
#include "backends/linux/file/make_entry.h"
#include "backends/linux/file/tree_digest.h"
#include "backends/linux/file/tree_walk.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

struct FreeArchive {
  void operator()(archive* stream) const { ::archive_read_free(stream); }
};

/// A directory whose details are set once it is full. Without attributes: it has all its details
/// but the time, which filling it changes.
struct LateDirectory {
  EntryFacts facts;
  std::optional<Attributes> attributes;
};

/// Counts what it sees.
class CountVisitor final : public TreeVisitor {
 public:
  Result<Descend> enter(const WalkEntry&) override {
    ++count_;
    return Descend::yes;
  }
  Status leave(const WalkEntry&) override { return {}; }
  Status leaf(const WalkEntry&) override {
    ++count_;
    return {};
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
};

/// "a/b" split into "a" and "b"; the first is empty for a name in the top.
std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

class ArchiveReader {
 public:
  ArchiveReader(const std::string& top, std::string_view operation, const TreeMode& mode,
                const ArchiveSource& source, const FollowedFiles& followed, bool rest_is_durable)
      : top_(top),
        operation_(operation),
        mode_(mode),
        source_(source),
        followed_(followed),
        rest_is_durable_(rest_is_durable),
        stream_(::archive_read_new()) {}

  Result<Unpacked> run() {
    top_fd_.reset(::open(top_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!top_fd_) return system_error(operation_, top_, errno);
    archive* stream = stream_.get();
    ::archive_read_support_format_tar(stream);
    ::archive_read_support_format_empty(stream);
    ::archive_read_set_options(stream, "hdrcharset=BINARY");
    TH_TRY(check(::archive_read_open(stream, this, nullptr, &ArchiveReader::give, nullptr)));
    for (;;) {
      archive_entry* entry = nullptr;
      const int result = ::archive_read_next_header(stream, &entry);
      if (result == ARCHIVE_EOF) break;
      TH_TRY(check(result));
      TH_TRY(take(entry));
    }
    if (claimed_.size() != followed_.size())
      return fail(ErrorCode::protocol, operation_, top_,
                  "the peer's tree lacks a file of which pieces have come");
    // Children before their parents, which a name sorts after: a directory may become closed to us.
    for (auto late = directories_.rbegin(); late != directories_.rend(); ++late)
      TH_TRY(finish_directory(late->first, late->second));
    if (mode_.durable) TH_TRY(make_durable());
    return Unpacked{digest_.text(), removed_};
  }

 private:
  [[nodiscard]] Status make_durable() const {
    if (!mode_.update || !rest_is_durable_) return sync_file_system(top_, operation_);
    return touched_.sync(top_, operation_, [this](const std::string& path) { return open_below(path); });
  }

  static la_ssize_t give(archive* stream, void* self, const void** data) {
    auto* reader = static_cast<ArchiveReader*>(self);
    auto piece = reader->source_();
    if (!piece) {
      ::archive_set_error(stream, EIO, "the sender gave no more");
      reader->source_error_ = std::move(piece).error();
      return -1;
    }
    if (!*piece) return 0;
    reader->piece_ = **std::move(piece);
    *data = reader->piece_.data();
    return static_cast<la_ssize_t>(reader->piece_.size());
  }

  Status check(int result) {
    if (source_error_) return *source_error_;
    // A warning (ARCHIVE_WARN) means that something was not understood: not good enough here.
    if (result == ARCHIVE_OK) return {};
    const char* text = ::archive_error_string(stream_.get());
    return fail(ErrorCode::protocol, operation_, top_,
                std::string("the peer's archive cannot be read: ") +
                    (text != nullptr ? text : "unknown cause"));
  }

  Status take(archive_entry* entry) {
    const char* raw = ::archive_entry_pathname(entry);
    std::string path = raw != nullptr ? raw : "";
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    TH_TRY(check_name(path));
    EntryFacts facts;
    Attributes attributes;
    const Marks marks = read_header(entry, facts, attributes);
    const auto followed = marks.kept ? followed_.find(path) : followed_.end();
    if (followed != followed_.end()) return claim(followed->first, followed->second, facts, attributes);
    if ((marks.kept || marks.gone) && !mode_.update)
      return fail(ErrorCode::protocol, operation_, top_, "the peer changes what is to be filled");
    if (path == ".") {
      if (!facts.is_directory() || marks.gone)
        return fail(ErrorCode::protocol, operation_, top_, "the peer's tree is no directory");
      digest_.begin("", facts, attributes, "", "");
      touched_.note("");
      directories_.insert_or_assign("", LateDirectory{facts, std::move(attributes)});
      return {};
    }
    const auto [parent, name] = split(path);
    TH_TRY(enter(parent));
    const std::string object = top_ + "/" + path;
    if (mode_.update) TH_TRY(note_time(parent));
    if (marks.gone) return clear(path, name, object);
    if (marks.kept) return change(path, name, facts, std::move(attributes), object);
    if (mode_.update) TH_TRY(clear(path, name, object));
    touched_.note(parent);
    if (const char* first = ::archive_entry_hardlink(entry); first != nullptr)
      return link(first, path, name, object);
    const char* raw_target = ::archive_entry_symlink(entry);
    const std::string target = raw_target != nullptr ? raw_target : "";
    digest_.begin(path, facts, attributes, target, "");
    if (facts.is_directory()) {
      if (::mkdirat(here_.get(), name.c_str(), 0700) != 0)
        return system_error(operation_, object, errno, "cannot make the directory");
      touched_.note(path);
      directories_.insert_or_assign(path, LateDirectory{facts, std::move(attributes)});
      return {};
    }
    if (facts.is_regular()) {
      TH_TRY(make_file(name, facts, object));
      touched_.note(path);
    } else {
      touched_.note_other();
      TH_TRY(make_node(here_.get(), name, facts, target, operation_, object));
    }
    return apply_details(here_.get(), name, facts, attributes, operation_, object);
  }

  /// The time of the directory `path`, which is `here_`, before it is filled.
  Status note_time(const std::string& path) {
    if (directories_.contains(path)) return {};
    EntryFacts facts;
    if (const int error = read_facts(here_.get(), facts); error != 0)
      return system_error(operation_, top_ + "/" + path, error);
    facts.accessed = facts.modified;
    directories_.emplace(path, LateDirectory{facts, std::nullopt});
    return {};
  }

  /// Removes what is at the name, with all below it.
  Status clear(const std::string& path, const std::string& name, const std::string& object) {
    EntryFacts facts;
    if (const int error = read_facts(here_.get(), name.c_str(), facts); error != 0) {
      if (error == ENOENT) return {};
      return system_error(operation_, object, error);
    }
    if (!facts.is_directory()) {
      if (::unlinkat(here_.get(), name.c_str(), 0) != 0)
        return system_error(operation_, object, errno, "cannot remove");
      touched_.note(split(path).first);
      ++removed_;
      return {};
    }
    touched_.note_other();
    // Through the descriptor: no component of the peer's path is walked again.
    const std::string place = "/proc/self/fd/" + std::to_string(here_.get()) + "/" + name;
    CountVisitor counter;
    TH_TRY(walk_tree(place, operation_, counter));
    TH_TRY(remove_tree(place, operation_));
    removed_ += counter.count();
    directories_.erase(path);
    directories_.erase(directories_.lower_bound(path + "/"), directories_.lower_bound(path + "0"));
    return {};
  }

  /// Its content has come in pieces.
  Status claim(const std::string& name, const FollowedFile& file, EntryFacts facts,
               const Attributes& attributes) {
    const std::string object = top_ + "/" + name;
    touched_.note_other();
    if (!facts.is_regular() || !claimed_.insert(name).second)
      return fail(ErrorCode::protocol, operation_, object, "the peer's pieces were of another entry");
    TH_TRY(enter(""));
    facts.size = file.size;
    digest_.begin(name, facts, attributes, "", "");
    digest_.content(file.digest.text());
    return apply_details(here_.get(), name, facts, attributes, operation_, object);
  }

  /// Gives what is there the details of the peer's.
  Status change(const std::string& path, const std::string& name, const EntryFacts& facts,
                Attributes attributes, const std::string& object) {
    digest_.begin(path, facts, attributes, "", "");
    EntryFacts present;
    if (const int error = read_facts(here_.get(), name.c_str(), present); error != 0)
      return system_error(operation_, object, error);
    if (present.kind() != facts.kind() || !(facts.is_regular() || facts.is_directory()))
      return fail(ErrorCode::protocol, operation_, object, "the peer keeps what is not here");
    touched_.note(path);
    if (facts.is_directory()) {
      directories_.insert_or_assign(path, LateDirectory{facts, std::move(attributes)});
      return {};
    }
    TH_TRY(remove_other_attributes(here_.get(), name, attributes, operation_, object));
    return apply_details(here_.get(), name, facts, attributes, operation_, object);
  }

  Status check_name(const std::string& path) const {
    bool good = !path.empty() && path.front() != '/';
    if (path != ".") {
      for (std::size_t at = 0; good && at <= path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string_view part = std::string_view(path).substr(at, end - at);
        good = !part.empty() && part != "." && part != "..";
        at = end + 1;
      }
    }
    if (good) return {};
    return fail(ErrorCode::protocol, operation_, top_,
                "the peer's tree has an entry that would lie outside: " + path);
  }

  struct Marks {
    bool kept = false;
    bool gone = false;
  };

  static Marks read_header(archive_entry* entry, EntryFacts& facts, Attributes& attributes) {
    Marks marks;
    facts.mode = static_cast<std::uint16_t>(::archive_entry_mode(entry));
    facts.uid = static_cast<std::uint32_t>(::archive_entry_uid(entry));
    facts.gid = static_cast<std::uint32_t>(::archive_entry_gid(entry));
    facts.size = static_cast<std::uint64_t>(::archive_entry_size(entry));
    facts.node_major = static_cast<std::uint32_t>(::archive_entry_rdevmajor(entry));
    facts.node_minor = static_cast<std::uint32_t>(::archive_entry_rdevminor(entry));
    facts.modified = {::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)};
    facts.accessed = facts.modified;
    ::archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
      if (name == kSocketMark) {
        facts.mode = static_cast<std::uint16_t>((facts.mode & 07777U) | S_IFSOCK);
        continue;
      }
      marks.kept |= name == kKeptMark;
      marks.gone |= name == kGoneMark;
      if (name == kKeptMark || name == kGoneMark) continue;
      attributes[name].assign(static_cast<const char*>(value), size);
    }
    return marks;
  }

  /// Makes `here_` the directory at `path` below the top. Entries come in the order of a walk, so
  /// it mostly is already.
  Status enter(const std::string& path) {
    if (here_ && path == here_path_) return {};
    TH_ASSIGN(here_, open_below(path));
    here_path_ = path;
    return {};
  }

  Result<UniqueFd> open_below(const std::string& path) const {
    UniqueFd at(::fcntl(top_fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!at) return system_error(operation_, top_, errno);
    for (std::size_t begin = 0; begin < path.size();) {
      const std::size_t end = std::min(path.find('/', begin), path.size());
      const std::string part = path.substr(begin, end - begin);
      UniqueFd next(
          ::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next) return system_error(operation_, top_ + "/" + path, errno);
      at = std::move(next);
      begin = end + 1;
    }
    return at;
  }

  Status link(const std::string& first, const std::string& path, const std::string& name,
              const std::string& object) {
    TH_TRY(check_name(first));
    touched_.note_other();
    const auto [parent, first_name] = split(first);
    TH_ASSIGN(const UniqueFd directory, open_below(parent));
    if (::linkat(directory.get(), first_name.c_str(), here_.get(), name.c_str(), 0) != 0)
      return system_error(operation_, object, errno, "cannot make the hard link");
    EntryFacts facts;
    Attributes attributes;
    std::string target;
    if (digests_ && !mode_.partial) {  // the digest of a whole tree has all of each name
      if (const int error = read_facts(here_.get(), name.c_str(), facts); error != 0)
        return system_error(operation_, object, error);
      TH_ASSIGN(attributes, read_attributes(here_.get(), name, operation_, object));
      if (facts.is_symlink()) {
        TH_ASSIGN(target, read_link_at(here_.get(), name, operation_, object));
      }
    }
    digest_.begin(path, facts, attributes, target, first);
    return {};
  }

  Status make_file(const std::string& name, const EntryFacts& facts, const std::string& object) {
    UniqueFd file(
        ::openat(here_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) return system_error(operation_, object, errno, "cannot make the file");
    for (;;) {
      const void* data = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      const int result = ::archive_read_data_block(stream_.get(), &data, &size, &offset);
      if (result == ARCHIVE_EOF) break;
      TH_TRY(check(result));
      const char* bytes = static_cast<const char*>(data);
      if (digests_) digest_block(static_cast<std::uint64_t>(offset), {bytes, size});
      for (std::size_t done = 0; done < size;) {
        const ssize_t count = ::pwrite(file.get(), bytes + done, size - done,
                                       static_cast<off_t>(offset) + static_cast<off_t>(done));
        if (count < 0 && errno != EINTR)
          return system_error(operation_, object, errno, "cannot write");
        if (count > 0) done += static_cast<std::size_t>(count);
      }
    }
    if (digests_) digest_block(facts.size, {});
    digested_ = 0;
    // A hole at the end comes as no block.
    if (::ftruncate(file.get(), static_cast<off_t>(facts.size)) != 0)
      return system_error(operation_, object, errno, "cannot set the length");
    return {};
  }

  /// Holes come as no blocks: they count as zeros.
  void digest_block(std::uint64_t offset, std::string_view bytes) {
    static constexpr std::array<char, 65536> kZeros{};
    while (digested_ < offset) {
      const auto count = std::min<std::uint64_t>(offset - digested_, kZeros.size());
      digest_.content({kZeros.data(), static_cast<std::size_t>(count)});
      digested_ += count;
    }
    digest_.content(bytes);
    digested_ += bytes.size();
  }

  Status finish_directory(const std::string& path, const LateDirectory& late) {
    const std::string object = path.empty() ? top_ : top_ + "/" + path;
    const auto [parent, name] = path.empty() ? std::pair(std::string(), top_) : split(path);
    int directory = AT_FDCWD;
    if (!path.empty()) {
      TH_TRY(enter(parent));
      directory = here_.get();
    }
    if (late.attributes) {
      if (mode_.update)
        TH_TRY(remove_other_attributes(directory, name, *late.attributes, operation_, object));
      return apply_details(directory, name, late.facts, *late.attributes, operation_, object);
    }
    const timespec times[2] = {late.facts.accessed, late.facts.modified};
    if (::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
      return system_error(operation_, object, errno, "cannot set the times");
    return {};
  }

  const std::string& top_;
  const std::string_view operation_;
  const TreeMode mode_;
  const bool digests_ = mode_.partial || !mode_.durable;  ///< contents, as they come
  const ArchiveSource& source_;
  const FollowedFiles& followed_;
  const bool rest_is_durable_;
  std::set<std::string> claimed_;  ///< of them
  const std::unique_ptr<archive, FreeArchive> stream_;
  UniqueFd top_fd_;
  UniqueFd here_;
  std::string here_path_;
  std::string piece_;
  std::map<std::string, LateDirectory> directories_;  ///< by path; "" = the top
  TreeDigest digest_;
  std::uint64_t digested_ = 0;  ///< bytes of the file that is being made
  std::uint64_t removed_ = 0;
  TouchedEntries touched_;
  std::optional<Error> source_error_;
};

}  // namespace

Result<Unpacked> read_tree_archive(const std::string& path, std::string_view operation,
                                   const TreeMode& mode, const ArchiveSource& source,
                                   const FollowedFiles& followed, bool rest_is_durable) {
  return ArchiveReader(path, operation, mode, source, followed, rest_is_durable).run();
}

}  // namespace twinhull::linux_backend
