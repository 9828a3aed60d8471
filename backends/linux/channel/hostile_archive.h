// Archives as a malicious peer would make them, for tests and for the fuzzer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace twinhull::linux_backend {

/// One entry of a pax archive; nothing of it needs to make sense.
struct HostileEntry {
  enum class Kind : std::uint8_t { file, directory, symlink, hard_link, fifo };
  Kind kind = Kind::file;
  std::string path;
  std::string target = {};   ///< of links
  std::string content = {};  ///< of files
  std::vector<std::string> marks = {};  ///< extended attributes (kKeptMark …), each of value "1"
};

/// The archive's bytes. What libarchive itself refuses to write is left out.
std::string hostile_archive(const std::vector<HostileEntry>& entries);

/// Entries that `input` chooses, whatever its bytes are: few names, so that they meet, and with "..",
/// absolute ones and links to `outside` among them.
std::vector<HostileEntry> hostile_entries(std::string_view input, const std::string& outside);

}  // namespace twinhull::linux_backend
