#include "backends/linux/checkpoint/page_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace twinhull::linux_backend {
namespace {

/// struct page_server_iov. Wide: u32 cmd, 4 bytes of padding, u64 nr_pages, vaddr, dst_id. Narrow: u32 cmd
/// and nr_pages, u64 vaddr, dst_id.
struct HeaderPlaces {
  std::size_t pages, address, task;
};
constexpr HeaderPlaces places_of(CriuWire wire) {
  return wire == CriuWire::wide ? HeaderPlaces{8, 16, 24} : HeaderPlaces{4, 8, 16};
}
constexpr std::uint32_t kCommandMask = 0xffff;  // flags above
constexpr std::uint32_t kPresentFlag = 4U << 16;

constexpr std::uint32_t kImageMagic = 0x54564319, kPagemapMagic = 0x56084025,
                        kTreeMagic = 0x50273030, kCoreMagic = 0x55053847;
constexpr std::uint64_t kInParent = 1, kLazy = 2, kPresent = 4;  // flags of an entry
constexpr std::uint64_t kMostAddress = std::uint64_t{1} << 57;

constexpr std::string_view kGreeting = "twinhull pages 1 ";

template <typename T>
void put(std::string& out, std::size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}
template <typename T>
T get(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

bool sensible(const PageRange& range) {
  return range.pages > 0 && range.pages <= kMostPages && range.address % kPageBytes == 0 &&
         range.address < kMostAddress && range.task > 0 && range.task <= INT32_MAX;
}

void append_number(std::string& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
}
std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

std::string range_message(PageMessage::Kind kind, const PageRange& range) {
  std::string out(1, static_cast<char>(kind));
  append_number(out, range.task);
  append_number(out, range.address);
  append_number(out, range.pages);
  return out;
}
constexpr std::size_t kRangeLength = 25;

/// The next number of protobuf's variable length.
std::optional<std::uint64_t> varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

struct PagemapEntry {
  std::uint64_t address = 0, pages = 0, flags = 0;
};

std::optional<PagemapEntry> parse_entry(std::string_view bytes) {
  PagemapEntry entry;
  std::uint64_t pages = 0;
  while (!bytes.empty()) {
    const auto key = varint(bytes);
    if (!key || (*key & 7) != 0) return std::nullopt;  // all of its fields are numbers
    const auto value = varint(bytes);
    if (!value) return std::nullopt;
    switch (*key >> 3) {
      case 1: entry.address = *value; break;
      case 2: entry.pages = *value; break;
      case 3: entry.flags |= *value != 0 ? kInParent : 0; break;
      case 4: entry.flags |= *value; break;
      case 5: pages = *value; break;
      default: break;
    }
  }
  if (pages != 0) entry.pages = pages;
  if (entry.address % kPageBytes != 0 || entry.address >= kMostAddress ||
      entry.pages > kMostAddress / kPageBytes)
    return std::nullopt;
  return entry;
}

std::string content_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// Calls `use(number, value, bytes)` for each field of a protobuf message: numbers have a value, texts
/// and messages have bytes. False: it cannot be read.
template <typename Use>
bool for_each_field(std::string_view message, Use&& use) {
  while (!message.empty()) {
    const auto key = varint(message);
    const auto value = key ? varint(message) : std::nullopt;
    if (!value) return false;
    const std::uint64_t kind = *key & 7;
    if (kind == 0) {
      use(*key >> 3, *value, std::string_view());
    } else if (kind == 2 && *value <= message.size()) {
      use(*key >> 3, std::uint64_t{0}, message.substr(0, *value));
      message.remove_prefix(*value);
    } else {
      return false;
    }
  }
  return true;
}

/// Entries of an image behind its two magic numbers. Error: corrupt.
Result<std::vector<std::string_view>> entries_of(std::string_view image, std::uint32_t magic,
                                                 const std::string& name) {
  const auto damaged = [&](const char* what) {
    return fail(ErrorCode::corrupt, "checkpoints.pages", name, what);
  };
  if (image.size() < 8 || get<std::uint32_t>(image, 0) != kImageMagic ||
      get<std::uint32_t>(image, 4) != magic)
    return damaged("this is no image of this kind");
  std::vector<std::string_view> entries;
  for (image.remove_prefix(8); !image.empty();) {
    if (image.size() < 4) return damaged("it is cut off");
    const auto length = get<std::uint32_t>(image, 0);
    if (length > image.size() - 4) return damaged("it is cut off");
    entries.push_back(image.substr(4, length));
    image.remove_prefix(4 + length);
  }
  return entries;
}

/// Where the kernel may read or write for a thread by itself.
struct Touched {
  std::uint64_t rseq = 0, rseq_size = 0;
  std::uint64_t stack = 0;                            ///< x86: its stack pointer
  std::uint64_t signal_stack = 0, signal_stack_size = 0;
};

/// core_entry: 2 (thread_info_x86) 2 (gpregs) 20 (sp); 5 (thread_core) 7 (sas) 1 and 2, 15 (rseq) 1
/// and 2. What cannot be read counts as absent.
Touched touched_by(std::string_view core) {
  using View = std::string_view;
  Touched touched;
  for_each_field(core, [&](std::uint64_t outer, std::uint64_t, View part) {
    if (outer != 2 && outer != 5) return;
    for_each_field(part, [&](std::uint64_t inner, std::uint64_t, View fields) {
      for_each_field(fields, [&](std::uint64_t number, std::uint64_t value, View) {
        if (outer == 2 && inner == 2 && number == 20) touched.stack = value;
        if (outer == 5 && inner == 7 && number == 1) touched.signal_stack = value;
        if (outer == 5 && inner == 7 && number == 2) touched.signal_stack_size = value;
        if (outer == 5 && inner == 15 && number == 1) touched.rseq = value;
        if (outer == 5 && inner == 15 && number == 2) touched.rseq_size = value;
      });
    });
  });
  return touched;
}

/// Most that the kernel puts on a stack for one signal: AMX's registers make it more than 8 KiB.
constexpr std::uint64_t kSignalFrame = 12 << 10;

}  // namespace

std::string criu_header(CriuWire wire, CriuCommand command, const PageRange& range) {
  std::string out(criu_header_length(wire), '\0');
  const HeaderPlaces at = places_of(wire);
  const std::uint32_t flags = command == CriuCommand::add ? kPresentFlag : 0;
  put(out, 0, static_cast<std::uint32_t>(command) | flags);
  if (wire == CriuWire::wide)
    put(out, at.pages, range.pages);
  else
    put(out, at.pages, static_cast<std::uint32_t>(range.pages));
  put(out, at.address, range.address);
  put(out, at.task, range.task);
  return out;
}

Result<CriuHeader> parse_criu_header(CriuWire wire, std::string_view bytes) {
  const auto refuse = [](const std::string& what) {
    return fail(ErrorCode::protocol, "checkpoints.pages", "criu", what)
        .with_hint("criu 3.17 and 4.2 are known to work: run ci/bootstrap --criu");
  };
  if (bytes.size() != criu_header_length(wire)) return refuse("a header of another length");
  const HeaderPlaces at = places_of(wire);
  CriuHeader header;
  const auto command = get<std::uint32_t>(bytes, 0);
  header.command = static_cast<CriuCommand>(command & kCommandMask);
  header.range = {get<std::uint64_t>(bytes, at.task), get<std::uint64_t>(bytes, at.address),
                  wire == CriuWire::wide ? get<std::uint64_t>(bytes, at.pages)
                                         : get<std::uint32_t>(bytes, at.pages)};
  switch (header.command) {
    case CriuCommand::close:
    case CriuCommand::force_close: return header;
    case CriuCommand::add:
    case CriuCommand::get:
      if (!sensible(header.range)) return refuse("a header that names no pages of a process");
      return header;
  }
  return refuse(fmt::format("an unknown command {}", command));
}

void PageMap::add(const PageRange& range) {
  if (range.pages == 0) return;
  const std::uint64_t end = range.address + range.pages * kPageBytes;
  const auto next = runs_.lower_bound({range.task, range.address});
  if (next != runs_.begin()) {
    const auto before = std::prev(next);
    if (before->first.first == range.task && before->second == range.address) {
      before->second = end;
      return;
    }
  }
  runs_[{range.task, range.address}] = end;
}

std::optional<PageRange> PageMap::run_at(std::uint64_t task, std::uint64_t address) const {
  auto at = runs_.upper_bound({task, address});
  if (at == runs_.begin()) return std::nullopt;
  --at;
  if (at->first.first != task || address >= at->second) return std::nullopt;
  return PageRange{task, at->first.second, (at->second - at->first.second) / kPageBytes};
}

bool PageMap::contains(const PageRange& range) const {
  const auto run = run_at(range.task, range.address);
  return run && range.pages > 0 &&
         range.address + range.pages * kPageBytes <= run->address + run->pages * kPageBytes;
}

void PageMap::remove(const PageRange& range) {
  const std::uint64_t end = range.address + range.pages * kPageBytes;
  for (std::uint64_t at = range.address; at < end;) {
    const auto run = run_at(range.task, at);
    if (!run) {  // on to the next run that begins within the range
      const auto next = runs_.upper_bound({range.task, at});
      if (next == runs_.end() || next->first.first != range.task) return;
      at = next->first.second;
      continue;
    }
    const std::uint64_t run_end = run->address + run->pages * kPageBytes;
    if (at > run->address)
      runs_[{range.task, run->address}] = at;
    else
      runs_.erase({range.task, run->address});
    if (end < run_end) runs_[{range.task, end}] = run_end;
    at = run_end;
  }
}

Pages PageMap::size() const {
  Pages sum;
  for (const auto& [key, end] : runs_) sum += Pages{(end - key.second) / kPageBytes};
  return sum;
}

Result<PageCounts> parse_pagemap(std::string_view image, std::uint64_t task, PageMap& held) {
  const std::string name = fmt::format("pagemap-{}.img", task);
  TH_ASSIGN(const auto entries, entries_of(image, kPagemapMagic, name));
  PageCounts counts;
  for (std::size_t i = 1; i < entries.size(); ++i) {  // the first tells which file has the pages
    const auto entry = parse_entry(entries[i]);
    if (!entry) return fail(ErrorCode::corrupt, "checkpoints.pages", name, "an entry cannot be read");
    const Pages pages{entry->pages};
    if ((entry->flags & kPresent) != 0) {
      counts.present += pages;
    } else if ((entry->flags & kLazy) != 0) {
      counts.lazy += pages;
      held.add({task, entry->address, entry->pages});
    } else if ((entry->flags & kInParent) != 0) {
      counts.parent += pages;
    }
  }
  return counts;
}

Result<PageCounts> read_pagemaps(const std::string& images, PageMap& held,
                                 std::string_view operation) {
  constexpr std::string_view kPrefix = "pagemap-", kSuffix = ".img";
  PageCounts sum;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(images, error)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
    std::uint64_t task = 0;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), task);
    if (bad != std::errc() || end != name.data() + name.size()) continue;  // of shared memory
    TH_ASSIGN(const PageCounts counts, parse_pagemap(content_of(entry.path()), task, held));
    sum.lazy += counts.lazy;
    sum.present += counts.present;
    sum.parent += counts.parent;
  }
  if (error) return fail(ErrorCode::not_found, operation, images, error.message());
  return sum;
}

Result<std::vector<PageRange>> early_pages(const std::string& images, const PageMap& held,
                                           std::string_view operation) {
  const std::string tree = content_of(images + "/pstree.img");
  TH_ASSIGN(const auto tasks, entries_of(tree, kTreeMagic, "pstree.img"));
  std::vector<PageRange> found;
  for (const std::string_view task : tasks) {
    std::uint64_t pid = 0;
    std::vector<std::uint64_t> threads;
    for_each_field(task, [&](std::uint64_t number, std::uint64_t value, std::string_view packed) {
      if (number == 1) pid = value;
      if (number != 5) return;
      if (packed.empty()) threads.push_back(value);
      while (const auto one = varint(packed)) threads.push_back(*one);
    });
    for (const std::uint64_t thread : threads) {
      const std::string name = fmt::format("core-{}.img", thread);
      const std::string core = content_of(images + "/" + name);
      if (core.empty()) continue;  // of a zombie
      TH_ASSIGN(const auto entries, entries_of(core, kCoreMagic, name));
      if (entries.empty()) return fail(ErrorCode::corrupt, operation, name, "it is empty");
      const Touched touched = touched_by(entries.front());
      const auto add = [&](std::uint64_t from, std::uint64_t to) {
        if (from >= to || to >= kMostAddress) return;
        for (std::uint64_t at = from / kPageBytes * kPageBytes; at < to; at += kPageBytes) {
          const PageRange page{pid, at, 1};
          if (held.contains(page) && std::ranges::find(found, page) == found.end())
            found.push_back(page);
        }
      };
      add(touched.rseq, touched.rseq + std::min(touched.rseq_size, kPageBytes));
      add(touched.stack - std::min(touched.stack, kSignalFrame), touched.stack + 1);
      const std::uint64_t signal_end = touched.signal_stack + touched.signal_stack_size;
      add(signal_end - std::min(touched.signal_stack_size, kSignalFrame), signal_end);
    }
  }
  return found;
}

Status add_to_images(const std::string& images, std::uint64_t task,
                     const std::vector<PageRange>& pages,
                     const std::function<Result<std::string>(const PageRange&)>& read,
                     std::string_view operation) {
  const std::string name = fmt::format("pagemap-{}.img", task), path = images + "/" + name;
  const std::string image = content_of(path);
  TH_ASSIGN(const auto entries, entries_of(image, kPagemapMagic, name));
  std::uint64_t file = 0;
  if (!entries.empty())
    for_each_field(entries.front(), [&](std::uint64_t number, std::uint64_t value,
                                        std::string_view) { if (number == 1) file = value; });
  const std::string content_path = fmt::format("{}/pages-{}.img", images, file);
  const std::string before = content_of(content_path);
  const auto damaged = [&] {
    return fail(ErrorCode::corrupt, operation, path, "it does not fit its pages");
  };
  if (entries.empty() || file == 0) return damaged();

  std::string map = image.substr(0, 8), content;
  const auto add = [&map](std::string_view entry) {
    std::string length(4, '\0');
    put(length, 0, static_cast<std::uint32_t>(entry.size()));
    map += length;
    map += entry;
  };
  const auto add_run = [&](std::uint64_t address, std::uint64_t count, std::uint64_t flags) {
    std::string entry;
    const auto field = [&entry](int number, std::uint64_t value) {
      entry += static_cast<char>(number << 3);
      for (; value >= 0x80; value >>= 7) entry += static_cast<char>(value | 0x80);
      entry += static_cast<char>(value);
    };
    field(1, address);
    field(2, count);
    field(4, flags);
    field(5, count);
    if (count > 0) add(entry);
  };
  add(entries.front());
  std::size_t at = 0;
  for (std::size_t i = 1; i < entries.size(); ++i) {
    const auto entry = parse_entry(entries[i]);
    if (!entry) return damaged();
    if ((entry->flags & kPresent) != 0) {
      const std::size_t size = entry->pages * kPageBytes;
      if (size > before.size() - at) return damaged();
      content.append(before, at, size);
      at += size;
    }
    const std::uint64_t end = entry->address + entry->pages * kPageBytes;
    std::uint64_t from = entry->address;
    if ((entry->flags & (kPresent | kLazy)) == kLazy) {
      for (std::uint64_t page = from; page < end; page += kPageBytes) {
        const PageRange range{task, page, 1};
        if (std::ranges::find(pages, range) == pages.end()) continue;
        TH_ASSIGN(const std::string bytes, read(range));
        content += bytes;
        add_run(from, (page - from) / kPageBytes, entry->flags);
        add_run(page, 1, kPresent);
        from = page + kPageBytes;
      }
    }
    if (from == entry->address)
      add(entries[i]);
    else
      add_run(from, (end - from) / kPageBytes, entry->flags);
  }
  for (const auto& [where, what] : {std::pair(path, &map), std::pair(content_path, &content)}) {
    std::ofstream out(where, std::ios::trunc);
    out << *what;
    out.flush();
    if (!out) return fail(ErrorCode::no_space, operation, where, "cannot be written");
  }
  return {};
}

std::string hello_message(std::string_view dump) {
  return fmt::format("H{}{}", kGreeting, dump);
}

std::string request_message(const PageRequest& request) {
  return range_message(PageMessage::Kind::request, request.range) + (request.fault ? '\1' : '\0');
}

std::string pages_message(const PageRange& range, std::string_view content) {
  std::string out = range_message(PageMessage::Kind::pages, range);
  out += content;
  return out;
}

std::string all_message(const PagesMoved& moved) {
  std::string out(1, static_cast<char>(PageMessage::Kind::all));
  append_number(out, moved.pages.value);
  append_number(out, moved.faults.value);
  return out;
}

std::string bye_message() {
  return std::string(1, static_cast<char>(PageMessage::Kind::bye));
}

std::string refusal_message(std::string_view why) {
  return fmt::format("E{}", why.substr(0, 1000));
}

Result<PageMessage> parse_page_message(std::string_view bytes, std::string_view operation) {
  const auto refuse = [&](const char* what) {
    return fail(ErrorCode::protocol, operation, "the peer", what);
  };
  if (bytes.empty()) return refuse("an empty message");
  PageMessage message;
  message.kind = static_cast<PageMessage::Kind>(bytes.front());
  const std::string_view rest = bytes.substr(1);
  switch (message.kind) {
    case PageMessage::Kind::hello:
      if (!rest.starts_with(kGreeting) || rest.size() > kGreeting.size() + 64)
        return refuse("it gives or takes pages in another way than this version");
      message.text = rest.substr(kGreeting.size());
      return message;
    case PageMessage::Kind::request:
    case PageMessage::Kind::pages: {
      const bool request = message.kind == PageMessage::Kind::request;
      if (bytes.size() < kRangeLength + (request ? 1 : 0)) return refuse("a message that is cut off");
      message.range = {number_at(bytes, 1), number_at(bytes, 9), number_at(bytes, 17)};
      if (!sensible(message.range)) return refuse("pages that no process has");
      if (request) {
        if (bytes.size() != kRangeLength + 1) return refuse("a request of another length");
        message.fault = bytes[kRangeLength] != 0;
        return message;
      }
      message.content = bytes.substr(kRangeLength);
      if (message.content.size() != message.range.pages * kPageBytes)
        return refuse("another amount of memory than it says");
      return message;
    }
    case PageMessage::Kind::all:
      if (bytes.size() != 17) return refuse("an end of another length");
      message.moved = {{number_at(bytes, 1)}, {number_at(bytes, 9)}};
      if (message.moved.faults > message.moved.pages) return refuse("an end that cannot be");
      return message;
    case PageMessage::Kind::bye:
      if (!rest.empty()) return refuse("a farewell of another length");
      return message;
    case PageMessage::Kind::refusal: message.text = rest.substr(0, 1000); return message;
  }
  return refuse("a message that is none about pages");
}

}  // namespace twinhull::linux_backend
