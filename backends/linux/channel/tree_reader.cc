#include "backends/linux/channel/tree_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "backends/linux/channel/tree_writer.h"
#include "backends/linux/errno_error.h"
#include "backends/linux/file/attributes.h"
#include "backends/linux/file/make_entry.h"
#include "backends/linux/file/trees.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

struct FreeArchive {
  void operator()(archive* stream) const { ::archive_read_free(stream); }
};

/// A directory whose details are set once it is full.
struct LateDirectory {
  std::string path;
  EntryFacts facts;
  Attributes attributes;
};

/// "a/b" split into "a" and "b"; the first is empty for a name in the top.
std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

class ArchiveReader {
 public:
  ArchiveReader(const std::string& top, std::string_view operation, const ArchiveSource& source)
      : top_(top), operation_(operation), source_(source), stream_(::archive_read_new()) {}

  Status run() {
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
    // Children before their parents: filling a directory changes its time.
    for (auto late = directories_.rbegin(); late != directories_.rend(); ++late)
      TH_TRY(finish_directory(*late));
    return sync_file_system(top_, operation_);
  }

 private:
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
    read_header(entry, facts, attributes);
    if (path == ".") {
      if (!facts.is_directory())
        return fail(ErrorCode::protocol, operation_, top_, "the peer's tree is no directory");
      directories_.push_back({path, facts, std::move(attributes)});
      return {};
    }
    const auto [parent, name] = split(path);
    TH_TRY(enter(parent));
    const std::string object = top_ + "/" + path;
    if (const char* first = ::archive_entry_hardlink(entry); first != nullptr)
      return link(first, name, object);
    if (facts.is_directory()) {
      if (::mkdirat(here_.get(), name.c_str(), 0700) != 0)
        return system_error(operation_, object, errno, "cannot make the directory");
      directories_.push_back({path, facts, std::move(attributes)});
      return {};
    }
    if (facts.is_regular()) {
      TH_TRY(make_file(name, facts, object));
    } else {
      const char* target = ::archive_entry_symlink(entry);
      TH_TRY(
          make_node(here_.get(), name, facts, target != nullptr ? target : "", operation_, object));
    }
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

  static void read_header(archive_entry* entry, EntryFacts& facts, Attributes& attributes) {
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
      attributes[name].assign(static_cast<const char*>(value), size);
    }
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

  Status link(const std::string& first, const std::string& name, const std::string& object) {
    TH_TRY(check_name(first));
    const auto [parent, first_name] = split(first);
    TH_ASSIGN(const UniqueFd directory, open_below(parent));
    if (::linkat(directory.get(), first_name.c_str(), here_.get(), name.c_str(), 0) != 0)
      return system_error(operation_, object, errno, "cannot make the hard link");
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
      for (std::size_t done = 0; done < size;) {
        const ssize_t count = ::pwrite(file.get(), bytes + done, size - done,
                                       static_cast<off_t>(offset) + static_cast<off_t>(done));
        if (count < 0 && errno != EINTR)
          return system_error(operation_, object, errno, "cannot write");
        if (count > 0) done += static_cast<std::size_t>(count);
      }
    }
    // A hole at the end comes as no block.
    if (::ftruncate(file.get(), static_cast<off_t>(facts.size)) != 0)
      return system_error(operation_, object, errno, "cannot set the length");
    return {};
  }

  Status finish_directory(const LateDirectory& late) {
    if (late.path == ".")
      return apply_details(AT_FDCWD, top_, late.facts, late.attributes, operation_, top_);
    const auto [parent, name] = split(late.path);
    TH_TRY(enter(parent));
    return apply_details(here_.get(), name, late.facts, late.attributes, operation_,
                         top_ + "/" + late.path);
  }

  const std::string& top_;
  const std::string_view operation_;
  const ArchiveSource& source_;
  const std::unique_ptr<archive, FreeArchive> stream_;
  UniqueFd top_fd_;
  UniqueFd here_;
  std::string here_path_;
  std::string piece_;
  std::vector<LateDirectory> directories_;
  std::optional<Error> source_error_;
};

}  // namespace

Status read_tree_archive(const std::string& path, std::string_view operation,
                         const ArchiveSource& source) {
  return ArchiveReader(path, operation, source).run();
}

}  // namespace twinhull::linux_backend
