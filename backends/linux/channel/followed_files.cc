#include "backends/linux/channel/followed_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "backends/linux/errno_error.h"

namespace twinhull::linux_backend {
namespace {

// A piece: the file's name, a zero byte, the offset in eight bytes (little-endian), the content.
constexpr std::size_t kOffset = 8;
constexpr std::size_t kMostName = 255;
constexpr std::size_t kMostFiles = 100'000;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

/// Names of the regular files there.
Result<std::vector<std::string>> names_in(int directory, std::string_view operation,
                                          const std::string& object) {
  // Of its own: the place in a directory belongs to the open file.
  const int again = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return system_error(operation, object, errno);
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(again));
  if (!stream) {
    const int error = errno;
    ::close(again);
    return system_error(operation, object, error);
  }
  std::vector<std::string> names;
  for (errno = 0; const dirent* const entry = ::readdir(stream.get()); errno = 0)
    if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN) names.emplace_back(entry->d_name);
  if (errno != 0) return system_error(operation, object, errno, "cannot list");
  std::ranges::sort(names);
  return names;
}

}  // namespace

void FollowedFile::add(std::uint64_t bytes, std::uint64_t sum) {
  std::array<char, sizeof(sum)> text{};
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>((sum >> (8 * i)) & 0xff);
  digest.content({text.data(), text.size()});
  size += bytes;
}

FileFollower::FileFollower(const std::string& top, const TreeAuthor& author, std::size_t piece,
                           std::string_view operation)
    : top_(top),
      author_(author),
      piece_(piece),
      operation_(operation),
      directory_(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      buffer_(kMostName + 1 + kOffset + piece) {}

Status FileFollower::send_new(bool complete, const Sink& sink) {
  if (!directory_) return fail(ErrorCode::not_found, operation_, top_, "cannot be followed");
  TH_ASSIGN(const auto names, names_in(directory_.get(), operation_, top_));
  for (const std::string& name : names) {
    if (!author_.only_grows(name)) continue;
    struct stat facts {};
    if (::fstatat(directory_.get(), name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0)
      return system_error(operation_, top_ + "/" + name, errno);
    if (!S_ISREG(facts.st_mode)) continue;
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    auto file = files_.find(name);
    if (file == files_.end()) {
      if (complete || size < piece_) continue;
      file = files_.try_emplace(name).first;
    }
    const std::uint64_t whole = size - (size - file->second.size) % piece_;
    TH_TRY(send_from(name, file->second, complete ? size : whole, sink));
  }
  return {};
}

Status FileFollower::send_from(const std::string& name, FollowedFile& file, std::uint64_t until,
                               const Sink& sink) {
  if (file.size >= until) return {};
  const std::string object = top_ + "/" + name;
  const UniqueFd open(::openat(directory_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!open) return system_error(operation_, object, errno, "cannot open");
  char* at = std::ranges::copy(name, buffer_.data()).out;
  *at++ = '\0';
  char* const content = at + kOffset;
  while (file.size < until) {
    for (std::size_t i = 0; i < kOffset; ++i)
      at[i] = static_cast<char>((file.size >> (8 * i)) & 0xff);
    const std::size_t most = std::min<std::uint64_t>(piece_, until - file.size);
    const ssize_t count = ::pread(open.get(), content, most, static_cast<off_t>(file.size));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(operation_, object, errno, "cannot read");
    if (count == 0)
      return fail(ErrorCode::failed, operation_, object, "became shorter while it was written");
    const auto bytes = static_cast<std::size_t>(count);
    TH_ASSIGN(const std::uint64_t sum,
              sink({buffer_.data(), static_cast<std::size_t>(content - buffer_.data()) + bytes}));
    file.add(bytes, sum);
  }
  return {};
}

PieceStore::PieceStore(const std::string& top, std::string_view operation)
    : top_(top),
      operation_(operation),
      directory_(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      error_(directory_ ? 0 : errno) {}

Error PieceStore::bad_piece(std::string_view why) const {
  return fail(ErrorCode::protocol, operation_, top_, why);
}

Status PieceStore::store(std::string_view piece, std::uint64_t sum) {
  const auto end = piece.substr(0, kMostName + 1).find('\0');
  if (end == std::string_view::npos || piece.size() < end + 1 + kOffset)
    return bad_piece("the peer's piece of a file has no name or no offset");
  const std::string name(piece.substr(0, end));
  if (name.empty() || name == "." || name == ".." || name.contains('/'))
    return bad_piece("the peer's piece is of a file that would lie outside: " + name);
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < kOffset; ++i)
    offset |= std::uint64_t{static_cast<unsigned char>(piece[end + 1 + i])} << (8 * i);
  const std::string_view content = piece.substr(end + 1 + kOffset);
  const std::string object = top_ + "/" + name;
  if (!directory_) return system_error(operation_, top_, error_);

  auto file = files_.find(name);
  const bool is_new = file == files_.end();
  if (offset != (is_new ? 0 : file->second.size))
    return bad_piece("the peer's piece is not the next one of " + name);
  if (is_new && files_.size() >= kMostFiles) return bad_piece("the peer sends pieces of too many files");
  if (is_new || open_name_ != name) {
    const int how = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (is_new ? O_CREAT | O_EXCL : 0);
    open_.reset(::openat(directory_.get(), name.c_str(), how, 0600));
    open_name_.clear();
    if (!open_) return system_error(operation_, object, errno, "cannot make the file");
    open_name_ = name;
    if (is_new) file = files_.try_emplace(name).first;
  }
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t count = ::pwrite(open_.get(), content.data() + done, content.size() - done,
                                   static_cast<off_t>(offset + done));
    if (count < 0 && errno != EINTR) return system_error(operation_, object, errno, "cannot write");
    if (count > 0) done += static_cast<std::size_t>(count);
  }
  file->second.add(content.size(), sum);
  return {};
}

}  // namespace twinhull::linux_backend
