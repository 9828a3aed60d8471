// Files of a tree that cross while they are still written.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "backends/linux/file/tree_digest.h"
#include "backends/linux/unique_fd.h"
#include "runtime/kernel/channels.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

/// What has crossed of one file: both ends keep the same account, and compare it at the end.
struct FollowedFile {
  std::uint64_t size = 0;
  /// Of the checksums of its frames, each of which is that of a piece and its place: the bytes need
  /// not be looked at twice.
  TreeDigest digest;

  void add(std::uint64_t bytes, std::uint64_t sum);
};

/// By name in the top of the tree.
using FollowedFiles = std::map<std::string, FollowedFile, std::less<>>;

/// The sender's side: looks again and again at what a TreeAuthor has written.
class FileFollower {
 public:
  /// Sends one piece, its header and the content behind it; returns the checksum of its frame.
  using Sink = std::function<Result<std::uint64_t>(std::string_view piece)>;

  /// `piece` = bytes of content that are worth sending alone.
  FileFollower(const std::string& top, const TreeAuthor& author, std::size_t piece,
               std::string_view operation);

  /// Sends whole pieces of what has come since the last time. `complete`: and the rest of the files
  /// that were begun; what has not begun is left to the archive. Errors: those of reading, and the
  /// sink's.
  Status send_new(bool complete, const Sink& sink);
  [[nodiscard]] FollowedFiles& files() { return files_; }

 private:
  Status send_from(const std::string& name, FollowedFile& file, std::uint64_t until, const Sink& sink);

  const std::string& top_;
  const TreeAuthor& author_;
  const std::size_t piece_;
  const std::string_view operation_;
  UniqueFd directory_;
  std::vector<char> buffer_;
  FollowedFiles files_;
};

/// The receiver's side.
class PieceStore {
 public:
  PieceStore(const std::string& top, std::string_view operation);

  /// Appends one piece, whose frame had this checksum. Errors: protocol (no piece, a name that leads
  /// elsewhere, not the next piece of this file), exists (a file that the pieces did not make), those
  /// of writing.
  Status store(std::string_view piece, std::uint64_t sum);
  [[nodiscard]] FollowedFiles& files() { return files_; }

 private:
  Error bad_piece(std::string_view why) const;

  const std::string& top_;
  const std::string_view operation_;
  UniqueFd directory_;
  const int error_;  ///< why there is none
  UniqueFd open_;  ///< the file that got the last piece, `open_name_`
  std::string open_name_;
  FollowedFiles files_;
};

}  // namespace twinhull::linux_backend
