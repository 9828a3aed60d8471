#include "backends/linux/channel/tree_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
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

constexpr std::size_t kBuffer = std::size_t{1} << 18;

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

class ArchiveVisitor final : public TreeVisitor {
 public:
  ArchiveVisitor(const std::string& top, std::string_view operation, const ArchiveSink& sink)
      : top_(top),
        operation_(operation),
        sink_(sink),
        stream_(::archive_write_new()),
        buffer_(kBuffer),
        zeros_(kBuffer) {}

  Status open() {
    archive* stream = stream_.get();
    ::archive_write_set_format_pax(stream);
    // Names are bytes: no locale has a say. One of the two ways to write attributes is enough.
    ::archive_write_set_options(stream, "hdrcharset=BINARY,xattrheader=SCHILY");
    ::archive_write_set_bytes_per_block(stream, static_cast<int>(kBuffer));
    ::archive_write_set_bytes_in_last_block(stream, 1);
    return check(::archive_write_open(stream, this, nullptr, &ArchiveVisitor::take, nullptr), top_);
  }

  Result<Descend> enter(const WalkEntry& entry) override {
    TH_TRY(add(entry));
    return Descend::yes;
  }
  Status leave(const WalkEntry&) override { return {}; }
  Status leaf(const WalkEntry& entry) override { return add(entry); }

  Result<TreeSummary> finish() {
    TH_TRY(check(::archive_write_close(stream_.get()), top_));
    summary_.digest = digest_.text();
    return summary_;
  }

 private:
  /// libarchive's write callback. An error of the sink is kept: the library knows only numbers.
  static la_ssize_t take(archive* stream, void* self, const void* data, std::size_t size) {
    auto* visitor = static_cast<ArchiveVisitor*>(self);
    Status taken = visitor->sink_({static_cast<const char*>(data), size});
    if (taken) return static_cast<la_ssize_t>(size);
    ::archive_set_error(stream, EIO, "the receiver took no more");
    visitor->sink_error_ = std::move(taken).error();
    return -1;
  }

  Status check(int result, const std::string& object) {
    if (sink_error_) return *sink_error_;
    if (result == ARCHIVE_OK) return {};
    const char* text = ::archive_error_string(stream_.get());
    return fail(ErrorCode::failed, operation_, object,
                std::string("cannot archive: ") + (text != nullptr ? text : "unknown cause"));
  }

  Status add(const WalkEntry& entry) {
    const EntryFacts& facts = entry.facts;
    const std::string object = entry.path.empty() ? top_ : top_ + "/" + entry.path;
    TH_ASSIGN(const Attributes attributes,
              read_attributes(entry.directory, entry.name, operation_, object));
    std::string target;
    if (facts.is_symlink()) {
      TH_ASSIGN(target, read_link_at(entry.directory, entry.name, operation_, object));
    }
    std::string first_name;
    if (!facts.is_directory() && facts.links > 1) {
      const auto [place, is_new] = first_names_.try_emplace(key_of(facts), entry.path);
      if (!is_new) first_name = place->second;
    }
    digest_.begin(entry.path, facts, attributes, target, first_name);
    if (first_name.empty()) ++summary_.inodes;

    const std::unique_ptr<archive_entry, FreeEntry> header(::archive_entry_new());
    describe(header.get(), entry, attributes);
    if (facts.is_symlink()) ::archive_entry_copy_symlink(header.get(), target.c_str());
    if (!first_name.empty()) {
      ::archive_entry_copy_hardlink(header.get(), first_name.c_str());
      ::archive_entry_set_size(header.get(), 0);
      return check(::archive_write_header(stream_.get(), header.get()), object);
    }
    if (!facts.is_regular())
      return check(::archive_write_header(stream_.get(), header.get()), object);
    return add_file(header.get(), entry, object);
  }

  static void describe(archive_entry* header, const WalkEntry& entry,
                       const Attributes& attributes) {
    const EntryFacts& facts = entry.facts;
    ::archive_entry_copy_pathname(header, entry.path.empty() ? "." : entry.path.c_str());
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
    if (socket) ::archive_entry_xattr_add_entry(header, std::string(kSocketMark).c_str(), "1", 1);
  }

  Status add_file(archive_entry* header, const WalkEntry& entry, const std::string& object) {
    UniqueFd file(::openat(entry.directory, entry.name.c_str(),
                           O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file) return system_error(operation_, object, errno, "cannot open");
    const std::uint64_t size = entry.facts.size;
    summary_.bytes += size;
    const std::vector<DataRange> ranges = data_ranges(file.get(), size);
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
      TH_TRY(add_data(file.get(), range, object));
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
  const std::unique_ptr<archive, FreeArchive> stream_;
  std::vector<char> buffer_;
  const std::vector<char> zeros_;
  TreeDigest digest_;
  TreeSummary summary_;
  std::map<InodeKey, std::string> first_names_;
  std::optional<Error> sink_error_;
};

}  // namespace

Result<TreeSummary> write_tree_archive(const std::string& path, std::string_view operation,
                                       const ArchiveSink& sink) {
  EntryFacts facts;
  if (const int error = read_facts(AT_FDCWD, path.c_str(), facts); error != 0)
    return system_error(operation, path, error);
  if (!facts.is_directory())
    return fail(ErrorCode::not_directory, operation, path, "not a directory");
  ArchiveVisitor visitor(path, operation, sink);
  TH_TRY(visitor.open());
  TH_TRY(walk_tree(path, operation, visitor));
  return visitor.finish();
}

}  // namespace twinhull::linux_backend
