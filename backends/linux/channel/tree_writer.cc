#include "backends/linux/channel/tree_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <vector>

#include "backends/linux/errno_error.h"
#include "backends/linux/file/attributes.h"
#include "backends/linux/file/tree_digest.h"
#include "backends/linux/file/tree_walk.h"
#include "backends/linux/unique_fd.h"

namespace twinhull::linux_backend {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr std::size_t kZeros = std::size_t{1} << 18;
/// Smaller pieces of the archive are gathered; larger ones go as they are, without a copy.
constexpr std::size_t kLarge = std::size_t{1} << 16;
constexpr std::size_t kGathered = std::size_t{1} << 18;

struct FreeArchive {
  void operator()(archive* stream) const { ::archive_write_free(stream); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

struct DataRange {
  std::uint64_t begin;
  std::uint64_t end;
};

/// What the receiver lacks of an entry.
enum class Lack : std::uint8_t { nothing, details, all };

bool is_same(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}
bool is_before(const timespec& a, const timespec& b) {
  return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/// An entry that is not there any more, or is something else by now.
bool is_gone(const Error& error) {
  return error.code == ErrorCode::not_found || error.code == ErrorCode::not_directory ||
         error.code == ErrorCode::too_many_links;
}

class ArchiveVisitor final : public TreeVisitor {
 public:
  ArchiveVisitor(const std::string& top, std::string_view operation, const ArchiveSink& sink,
                 const ArchiveOptions& options)
      : top_(top),
        operation_(operation),
        sink_(sink),
        options_(options),
        stream_(::archive_write_new()),
        buffer_(kBuffer),
        zeros_(kZeros) {}

  Status open() {
    archive* stream = stream_.get();
    ::archive_write_set_format_pax(stream);
    // Names are bytes: no locale has a say. One of the two ways to write attributes is enough.
    ::archive_write_set_options(stream, "hdrcharset=BINARY,xattrheader=SCHILY");
    ::archive_write_set_bytes_per_block(stream, 0);  // pass() makes the blocks
    if (options_.manifest != nullptr) TH_TRY(options_.manifest->next());
    return check(::archive_write_open(stream, this, nullptr, &ArchiveVisitor::take, nullptr), top_);
  }

  Result<Descend> enter(const WalkEntry& entry) override {
    TH_ASSIGN(const bool there, add(entry));
    const bool hollow = std::ranges::find(options_.hollow, entry.path) != options_.hollow.end();
    return there && (!hollow || entry.path.empty()) ? Descend::yes : Descend::no;
  }
  Status leave(const WalkEntry&) override { return {}; }
  Status leaf(const WalkEntry& entry) override {
    TH_ASSIGN(const bool there, add(entry));
    static_cast<void>(there);
    return {};
  }

  Result<TreeSummary> finish() {
    TH_TRY(remove_before(std::nullopt));
    TH_TRY(check(::archive_write_close(stream_.get()), top_));
    TH_TRY(flush());
    summary_.digest = digest_.text();
    return summary_;
  }

 private:
  /// A file with several names, at its first.
  struct Named {
    std::string path;
    std::optional<std::uint32_t> number;  ///< in the manifest, when the receiver keeps it
  };

  /// libarchive's write callback. An error of the sink is kept: the library knows only numbers.
  static la_ssize_t take(archive* stream, void* self, const void* data, std::size_t size) {
    auto* visitor = static_cast<ArchiveVisitor*>(self);
    if (visitor->sink_error_) return -1;  // the library closes an archive even when it is thrown away
    Status taken = visitor->pass({static_cast<const char*>(data), size});
    if (taken) return static_cast<la_ssize_t>(size);
    ::archive_set_error(stream, EIO, "the receiver took no more");
    visitor->sink_error_ = std::move(taken).error();
    return -1;
  }

  Status pass(std::string_view bytes) {
    if (bytes.size() >= kLarge) {
      TH_TRY(flush());
      return sink_(bytes);
    }
    gathered_ += bytes;
    return gathered_.size() < kGathered ? Status() : flush();
  }

  Status flush() {
    if (gathered_.empty()) return {};
    Status taken = sink_(gathered_);
    gathered_.clear();
    return taken;
  }

  Status check(int result, const std::string& object) {
    if (sink_error_) return *sink_error_;
    if (result == ARCHIVE_OK) return {};
    const char* text = ::archive_error_string(stream_.get());
    return fail(ErrorCode::failed, operation_, object,
                std::string("cannot archive: ") + (text != nullptr ? text : "unknown cause"));
  }

  [[nodiscard]] bool may_vanish(const WalkEntry& entry) const {
    return options_.changing && !entry.path.empty();
  }

  /// Whether the entry was still there.
  Result<bool> add(const WalkEntry& entry) {
    const std::string object = entry.path.empty() ? top_ : top_ + "/" + entry.path;
    EntryFacts facts = entry.facts;
    auto attributes = read_attributes(entry.directory, entry.name, operation_, object);
    if (!attributes) {
      if (may_vanish(entry) && is_gone(attributes.error())) return false;
      return std::move(attributes).error();
    }
    std::string target;
    if (facts.is_symlink()) {
      auto read = read_link_at(entry.directory, entry.name, operation_, object);
      if (!read) {
        // EINVAL: it is no link any more.
        if (may_vanish(entry)) return false;
        return std::move(read).error();
      }
      target = *std::move(read);
    }
    TH_TRY(remove_before(entry.path));
    TH_ASSIGN(const auto old, take_old(entry.path, facts));
    const bool named = !facts.is_directory() && facts.links > 1;
    if (named) {
      const auto first = first_names_.find(key_of(facts));
      if (first != first_names_.end()) {
        TH_TRY(add_link(entry, facts, *attributes, target, first->second, old));
        return true;
      }
    }
    if (const FollowedFile* const sent = followed(entry.path, facts)) {
      ++summary_.inodes;
      summary_.bytes += facts.size;
      TH_TRY(add_followed(entry, facts, *attributes, *sent, object));
      return true;
    }
    UniqueFd file;
    TH_ASSIGN(Lack lack, compare(entry, facts, digest_details(facts, *attributes, target), old,
                                 file, object));
    if (lack == Lack::all && facts.is_regular()) {
      if (!file) file = open_file(entry);
      if (!file) {
        const int number = errno;
        const Error error = system_error(operation_, object, number, "cannot open");
        // ENXIO: a socket has taken the name.
        if (!may_vanish(entry) || (number != ENXIO && !is_gone(error))) return error;
        if (old) TH_TRY(add_gone(entry.path));
        return false;
      }
      if (options_.changing) {
        // The length in the header is that of the file which will be read.
        if (const int error = read_facts(file.get(), facts); error != 0)
          return system_error(operation_, object, error);
        if (!facts.is_regular()) {
          if (old) TH_TRY(add_gone(entry.path));
          return false;
        }
      }
    }
    if (named) {
      first_names_.try_emplace(key_of(facts),
                               Named{entry.path, lack == Lack::all || !old
                                                     ? std::nullopt
                                                     : std::optional(old->number)});
    }
    ++summary_.inodes;
    if (facts.is_regular()) summary_.bytes += facts.size;
    TH_TRY(add_entry(entry, facts, *attributes, target, lack, file.get(), object));
    return true;
  }

  [[nodiscard]] const FollowedFile* followed(const std::string& path, const EntryFacts& facts) const {
    if (options_.followed == nullptr || !facts.is_regular()) return nullptr;
    const auto found = options_.followed->find(path);
    return found == options_.followed->end() ? nullptr : &found->second;
  }

  Status add_followed(const WalkEntry& entry, EntryFacts facts, const Attributes& attributes,
                      const FollowedFile& sent, const std::string& object) {
    if (sent.size != facts.size)
      return fail(ErrorCode::failed, operation_, object, "has changed after it was complete");
    ++summary_.sent_inodes;
    summary_.sent_bytes += facts.size;
    digest_.begin(entry.path, facts, attributes, "", "");
    digest_.content(sent.digest.text());
    facts.size = 0;
    const std::unique_ptr<archive_entry, FreeEntry> header(::archive_entry_new());
    describe(header.get(), entry.path, facts, attributes);
    mark(header.get(), kKeptMark);
    return check(::archive_write_header(stream_.get(), header.get()), object);
  }

  static UniqueFd open_file(const WalkEntry& entry) {
    return UniqueFd(::openat(entry.directory, entry.name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  }

  /// What the receiver has before `path` in the order of the walk (std::nullopt = the end), and is
  /// not here, goes there.
  Status remove_before(const std::optional<std::string>& path) {
    if (options_.manifest == nullptr) return {};
    ManifestReader& manifest = *options_.manifest;
    while (manifest.here() && (!path || walks_before(manifest.here()->path, *path))) {
      const std::string gone = manifest.here()->path;
      TH_TRY(add_gone(gone));
      TH_TRY(skip_below(gone));
    }
    return {};
  }

  /// Moves the manifest to after its entry here and all below that.
  Status skip_below(const std::string& path) {
    ManifestReader& manifest = *options_.manifest;
    do {
      TH_TRY(manifest.next());
    } while (manifest.here() && is_below(manifest.here()->path, path));
    return {};
  }

  /// The receiver's entry of this path, taken from the manifest.
  Result<std::optional<ManifestEntry>> take_old(const std::string& path, const EntryFacts& facts) {
    if (options_.manifest == nullptr) return std::nullopt;
    ManifestReader& manifest = *options_.manifest;
    if (!manifest.here() || manifest.here()->path != path) return std::nullopt;
    std::optional<ManifestEntry> old = manifest.here();
    if (old->is_directory() && !facts.is_directory()) {
      TH_TRY(skip_below(path));
    } else {
      TH_TRY(manifest.next());
    }
    return old;
  }

  /// Leaves the file open when it was read.
  Result<Lack> compare(const WalkEntry& entry, const EntryFacts& facts, std::uint64_t details,
                       const std::optional<ManifestEntry>& old, UniqueFd& file,
                       const std::string& object) {
    if (!old || kind_of_mode(old->mode) != facts.kind() || old->same_as) return Lack::all;
    const bool same_details = old->mode == facts.mode && old->uid == facts.uid &&
                              old->gid == facts.gid && old->details == details &&
                              is_same(old->modified, facts.modified);
    if (facts.is_directory()) return same_details ? Lack::nothing : Lack::details;
    if (!facts.is_regular()) return same_details ? Lack::nothing : Lack::all;
    if (old->size != facts.size) return Lack::all;
    if (options_.unchanged_before) {
      const bool same = same_details && is_before(facts.changed, *options_.unchanged_before);
      return same ? Lack::nothing : Lack::all;
    }
    if (!old->digest) return Lack::all;
    file = open_file(entry);
    if (!file) return Lack::all;  // told when it is opened again
    TH_ASSIGN(const ContentDigest digest, digest_content(file.get(), operation_, object));
    if (digest != *old->digest) return Lack::all;
    return same_details ? Lack::nothing : Lack::details;
  }

  Status add_link(const WalkEntry& entry, const EntryFacts& facts, const Attributes& attributes,
                  const std::string& target, const Named& first,
                  const std::optional<ManifestEntry>& old) {
    if (old && old->same_as && old->same_as == first.number) return {};
    if (is_partial()) {
      digest_.begin(entry.path, {}, {}, "", first.path);
    } else {
      digest_.begin(entry.path, facts, attributes, target, first.path);
    }
    const std::unique_ptr<archive_entry, FreeEntry> header(::archive_entry_new());
    describe(header.get(), entry.path, facts, attributes);
    if (facts.is_symlink()) ::archive_entry_copy_symlink(header.get(), target.c_str());
    ::archive_entry_copy_hardlink(header.get(), first.path.c_str());
    ::archive_entry_set_size(header.get(), 0);
    return check(::archive_write_header(stream_.get(), header.get()), top_ + "/" + entry.path);
  }

  Status add_gone(const std::string& path) {
    const std::unique_ptr<archive_entry, FreeEntry> header(::archive_entry_new());
    describe(header.get(), path, {.mode = S_IFREG}, {});
    mark(header.get(), kGoneMark);
    return check(::archive_write_header(stream_.get(), header.get()), top_ + "/" + path);
  }

  Status add_entry(const WalkEntry& entry, EntryFacts facts, const Attributes& attributes,
                   const std::string& target, Lack lack, int file, const std::string& object) {
    if (lack == Lack::nothing) return {};
    const std::unique_ptr<archive_entry, FreeEntry> header(::archive_entry_new());
    if (lack == Lack::details) {
      facts.size = 0;
      describe(header.get(), entry.path, facts, attributes);
      mark(header.get(), kKeptMark);
    } else {
      ++summary_.sent_inodes;
      describe(header.get(), entry.path, facts, attributes);
    }
    digest_.begin(entry.path, facts, attributes, target, "");
    if (facts.is_symlink()) ::archive_entry_copy_symlink(header.get(), target.c_str());
    if (lack == Lack::all && facts.is_regular()) return add_file(header.get(), facts.size, file, object);
    return check(::archive_write_header(stream_.get(), header.get()), object);
  }

  [[nodiscard]] bool is_partial() const {
    return options_.changing || options_.manifest != nullptr || options_.followed != nullptr;
  }

  static void mark(archive_entry* header, std::string_view name) {
    ::archive_entry_xattr_add_entry(header, std::string(name).c_str(), "1", 1);
  }

  static void describe(archive_entry* header, const std::string& path, const EntryFacts& facts,
                       const Attributes& attributes) {
    ::archive_entry_copy_pathname(header, path.empty() ? "." : path.c_str());
    const bool socket = facts.kind() == FileKind::socket;
    ::archive_entry_set_mode(header, socket ? (facts.mode & 07777U) | AE_IFREG : facts.mode);
    ::archive_entry_set_uid(header, facts.uid);
    ::archive_entry_set_gid(header, facts.gid);
    ::archive_entry_set_mtime(header, facts.modified.tv_sec, facts.modified.tv_nsec);
    ::archive_entry_set_size(header, facts.is_regular() ? static_cast<la_int64_t>(facts.size) : 0);
    if (facts.kind() == FileKind::device) {
      ::archive_entry_set_rdevmajor(header, facts.node_major);
      ::archive_entry_set_rdevminor(header, facts.node_minor);
    }
    for (const auto& [name, value] : attributes)
      if (is_content(name))
        ::archive_entry_xattr_add_entry(header, name.c_str(), value.data(), value.size());
    if (socket) mark(header, kSocketMark);
  }

  Status add_file(archive_entry* header, std::uint64_t size, int file, const std::string& object) {
    summary_.sent_bytes += size;
    const std::vector<DataRange> ranges = data_ranges(file, size);
    const bool holes = !(ranges.size() == 1 && ranges[0].begin == 0 && ranges[0].end == size);
    if (holes && size > 0) {
      for (const DataRange& range : ranges)
        ::archive_entry_sparse_add_entry(header, static_cast<la_int64_t>(range.begin),
                                         static_cast<la_int64_t>(range.end - range.begin));
      if (ranges.empty())
        ::archive_entry_sparse_add_entry(header, static_cast<la_int64_t>(size), 0);
    }
    TH_TRY(check(::archive_write_header(stream_.get(), header), object));
    std::uint64_t at = 0;
    for (const DataRange& range : ranges) {
      TH_TRY(add_zeros(range.begin - at, object));
      TH_TRY(add_data(file, range, object));
      at = range.end;
    }
    return add_zeros(size - at, object);
  }

  /// Where the file has data; the rest are holes.
  static std::vector<DataRange> data_ranges(int file, std::uint64_t size) {
    std::vector<DataRange> ranges;
    for (std::uint64_t at = 0; at < size;) {
      const off_t data = ::lseek(file, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0) {
        // ENXIO: no more data. Anything else: the file system cannot tell.
        if (errno != ENXIO) ranges.push_back({at, size});
        break;
      }
      const off_t hole = ::lseek(file, data, SEEK_HOLE);
      const auto begin = static_cast<std::uint64_t>(data);
      if (begin >= size) break;
      const std::uint64_t end =
          hole < 0 ? size : std::min<std::uint64_t>(static_cast<std::uint64_t>(hole), size);
      ranges.push_back({begin, end});
      at = end;
    }
    return ranges;
  }

  Status put(const char* data, std::size_t size, const std::string& object) {
    digest_.content({data, size});
    const la_ssize_t written = ::archive_write_data(stream_.get(), data, size);
    return check(written < 0 ? ARCHIVE_FATAL : ARCHIVE_OK, object);
  }

  Status add_zeros(std::uint64_t count, const std::string& object) {
    while (count > 0) {
      const std::size_t piece = std::min<std::uint64_t>(count, zeros_.size());
      TH_TRY(put(zeros_.data(), piece, object));
      count -= piece;
    }
    return {};
  }

  Status add_data(int file, DataRange range, const std::string& object) {
    while (range.begin < range.end) {
      const std::size_t most = std::min<std::uint64_t>(range.end - range.begin, buffer_.size());
      const ssize_t count = ::pread(file, buffer_.data(), most, static_cast<off_t>(range.begin));
      if (count < 0) {
        if (errno == EINTR) continue;
        return system_error(operation_, object, errno, "cannot read");
      }
      if (count == 0) return add_zeros(range.end - range.begin, object);  // cut meanwhile
      TH_TRY(put(buffer_.data(), static_cast<std::size_t>(count), object));
      range.begin += static_cast<std::uint64_t>(count);
    }
    return {};
  }

  const std::string& top_;
  const std::string_view operation_;
  const ArchiveSink& sink_;
  const ArchiveOptions& options_;
  // Freeing the stream calls take(): what that uses stands before it.
  std::string gathered_;
  std::optional<Error> sink_error_;
  const std::unique_ptr<archive, FreeArchive> stream_;
  std::vector<char> buffer_;
  const std::vector<char> zeros_;
  TreeDigest digest_;
  TreeSummary summary_;
  std::map<InodeKey, Named> first_names_;
};

}  // namespace

Result<TreeSummary> write_tree_archive(const std::string& path, std::string_view operation,
                                       const ArchiveSink& sink, const ArchiveOptions& options) {
  EntryFacts facts;
  if (const int error = read_facts(AT_FDCWD, path.c_str(), facts); error != 0)
    return system_error(operation, path, error);
  if (!facts.is_directory())
    return fail(ErrorCode::not_directory, operation, path, "not a directory");
  ArchiveVisitor visitor(path, operation, sink, options);
  TH_TRY(visitor.open());
  TH_TRY(walk_tree(path, operation, visitor,
                   options.changing ? TreeState::changing : TreeState::at_rest));
  return visitor.finish();
}

}  // namespace twinhull::linux_backend
