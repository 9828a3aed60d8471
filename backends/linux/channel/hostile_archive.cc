#include "backends/linux/channel/hostile_archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <memory>

#include "backends/linux/channel/tree_writer.h"

namespace twinhull::linux_backend {
namespace {

struct FreeArchive {
  void operator()(archive* stream) const { ::archive_write_free(stream); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

la_ssize_t take(archive*, void* out, const void* data, std::size_t size) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), size);
  return static_cast<la_ssize_t>(size);
}

void describe(archive_entry* header, const HostileEntry& entry) {
  using enum HostileEntry::Kind;
  ::archive_entry_copy_pathname(header, entry.path.c_str());
  switch (entry.kind) {
    case file: ::archive_entry_set_mode(header, AE_IFREG | 0644); break;
    case directory: ::archive_entry_set_mode(header, AE_IFDIR | 0755); break;
    case fifo: ::archive_entry_set_mode(header, AE_IFIFO | 0600); break;
    case symlink:
      ::archive_entry_set_mode(header, AE_IFLNK | 0777);
      ::archive_entry_copy_symlink(header, entry.target.c_str());
      break;
    case hard_link:
      ::archive_entry_set_mode(header, AE_IFREG | 0644);
      ::archive_entry_copy_hardlink(header, entry.target.c_str());
      break;
  }
  ::archive_entry_set_size(header, static_cast<la_int64_t>(entry.kind == file ? entry.content.size() : 0));
  ::archive_entry_set_mtime(header, 1, 0);
  for (const std::string& mark : entry.marks)
    ::archive_entry_xattr_add_entry(header, mark.c_str(), "1", 1);
}

}  // namespace

std::string hostile_archive(const std::vector<HostileEntry>& entries) {
  std::string bytes;
  const std::unique_ptr<archive, FreeArchive> stream(::archive_write_new());
  ::archive_write_set_format_pax(stream.get());
  ::archive_write_set_options(stream.get(), "hdrcharset=BINARY,xattrheader=SCHILY");
  ::archive_write_set_bytes_in_last_block(stream.get(), 1);
  ::archive_write_open(stream.get(), &bytes, nullptr, &take, nullptr);
  for (const HostileEntry& entry : entries) {
    const std::unique_ptr<archive_entry, FreeEntry> header(::archive_entry_new());
    describe(header.get(), entry);
    if (::archive_write_header(stream.get(), header.get()) != ARCHIVE_OK) continue;
    if (entry.kind == HostileEntry::Kind::file)
      ::archive_write_data(stream.get(), entry.content.data(), entry.content.size());
  }
  ::archive_write_close(stream.get());
  return bytes;
}

std::vector<HostileEntry> hostile_entries(std::string_view input, const std::string& outside) {
  const std::array<std::string, 12> paths = {
      ".", "a", "b", "a/b", "b/a", "a/b/a", "a/secret", "b/secret", "../outside/secret", "a/../../outside/new",
      outside + "/secret", "a//b/."};
  const std::array<std::string, 8> targets = {
      outside, "../outside", "a", "a/b", "b/secret", "../outside/secret", outside + "/secret", "."};
  const std::array<std::string_view, 3> marks = {kKeptMark, kGoneMark, kSocketMark};
  std::vector<HostileEntry> entries;
  for (std::size_t at = 0; at + 3 <= input.size() && entries.size() < 32; at += 3) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(input[at + i]); };
    HostileEntry entry;
    entry.kind = static_cast<HostileEntry::Kind>(byte(0) % 5);
    entry.path = paths[byte(1) % paths.size()];
    entry.target = targets[byte(2) % targets.size()];
    entry.content = std::string(byte(2), 'x');
    if (const unsigned mark = byte(0) / 5U % 8U; mark < marks.size())
      entry.marks.emplace_back(marks[mark]);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace twinhull::linux_backend
