// What is said about memory that follows: to criu's page server (images/pagemap.proto and struct
// page_server_iov of CRIU 3.17 to 4.2), and between the two nodes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/result.h"

namespace twinhull::linux_backend {

inline constexpr std::uint64_t kPageBytes = 4096;
/// Most pages of one request: criu asks for 4 MiB at most, and an answer must fit into a message.
inline constexpr std::uint64_t kMostPages = 2048;

/// Pages of one process, named by its number inside.
struct PageRange {
  std::uint64_t task = 0;
  std::uint64_t address = 0;  ///< at the time of the dump
  std::uint64_t pages = 0;
  bool operator==(const PageRange&) const = default;
};

/// A request that the destination's criu made.
struct PageRequest {
  PageRange range;
  bool fault = false;  ///< somebody waits for it
  bool operator==(const PageRequest&) const = default;
};

// --- criu ----------------------------------------------------------------------------------------

/// How a header on criu's page-server socket is laid out. Both ends of a socket must be of one kind, and
/// nothing on it tells which: whoever takes the one for the other reads nonsense, or waits for ever.
enum class CriuWire : std::uint8_t {
  narrow,  ///< before criu 4.2: the number of pages has 32 bits
  wide,    ///< since then 64, behind 4 bytes of padding
};
/// Bytes of one header; content follows those that carry pages.
constexpr std::size_t criu_header_length(CriuWire wire) {
  return wire == CriuWire::wide ? 32 : 24;
}
enum class CriuCommand : std::uint32_t { add = 6, get = 7, close = 0x1023, force_close = 0x1024 };
struct CriuHeader {
  CriuCommand command = CriuCommand::get;
  PageRange range;
};
std::string criu_header(CriuWire wire, CriuCommand command, const PageRange& range);
/// `bytes` are criu_header_length(wire) long. Errors: protocol (a command that is none of these, an odd
/// address, no or too many pages): this criu is another than the one that we know.
Result<CriuHeader> parse_criu_header(CriuWire wire, std::string_view bytes);

/// Pages in one image of a process's memory.
struct PageCounts {
  Pages lazy;     ///< not in the images
  Pages present;  ///< in these
  Pages parent;   ///< in those of the round before
};

/// Runs of pages of processes, which can be taken out.
class PageMap {
 public:
  void add(const PageRange& range);
  void remove(const PageRange& range);
  [[nodiscard]] bool contains(const PageRange& range) const;
  /// The run around one page; std::nullopt where there is none.
  [[nodiscard]] std::optional<PageRange> run_at(std::uint64_t task, std::uint64_t address) const;
  [[nodiscard]] Pages size() const;

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // task, first address
  std::map<Key, std::uint64_t> runs_;                   // its end
};

/// Reads one pagemap image: what stayed out of it goes into `held`. Errors: corrupt.
Result<PageCounts> parse_pagemap(std::string_view image, std::uint64_t task, PageMap& held);
/// The same for all pagemap images of a directory.
Result<PageCounts> read_pagemaps(const std::string& images, PageMap& held,
                                 std::string_view operation);

/// Pages among `held` that the kernel itself touches before anybody could take pages: those in which
/// threads register their restartable sequences (rseq, which the C library puts beside its thread's
/// variables), and those that take the frame of a signal: around the stack pointer (x86), and the end of
/// a signal stack. A thread that waits for such a page in the kernel could not be restored, or not be frozen.
/// Errors: corrupt, not_found.
Result<std::vector<PageRange>> early_pages(const std::string& images, const PageMap& held,
                                           std::string_view operation);

/// Puts pages that stayed out of the images of one process into them after all: `read` has their content.
/// Errors: corrupt, those of the files and of `read`.
Status add_to_images(const std::string& images, std::uint64_t task,
                     const std::vector<PageRange>& pages,
                     const std::function<Result<std::string>(const PageRange&)>& read,
                     std::string_view operation);

// --- between the nodes ---------------------------------------------------------------------------

/// One message of a channel. Whoever takes begins with `hello`, which names the dump; the other
/// answers with the same. Then requests and pages; `all` when everything has come, and `bye`.
struct PageMessage {
  enum class Kind : char { hello = 'H', request = 'R', pages = 'P', all = 'Z', bye = 'B', refusal = 'E' };
  Kind kind = Kind::hello;
  std::string text;      ///< hello: the dump's name; refusal: why
  PageRange range;       ///< request, pages
  bool fault = false;    ///< request
  std::string_view content;  ///< pages; lies in the parsed message
  PagesMoved moved;      ///< all
};
std::string hello_message(std::string_view dump);
std::string request_message(const PageRequest& request);
std::string pages_message(const PageRange& range, std::string_view content);
std::string all_message(const PagesMoved& moved);
std::string bye_message();
std::string refusal_message(std::string_view why);
/// Everything is checked: lengths, amounts, alignment. Error: protocol.
Result<PageMessage> parse_page_message(std::string_view bytes, std::string_view operation);

}  // namespace twinhull::linux_backend
