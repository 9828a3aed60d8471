#include "backends/linux/mount_table.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include "backends/linux/errno_error.h"
#include "backends/linux/io.h"

namespace twinhull::linux_backend {
namespace {

std::string_view next_word(std::string_view& rest) {
  const auto space = rest.find(' ');
  const std::string_view word = rest.substr(0, space);
  rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  return word;
}

bool parse_number(std::string_view word, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size();
}

bool has_option(std::string_view list, std::string_view option) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == option) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool is_octal(char letter) {
  return letter >= '0' && letter <= '7';
}

struct FreeText {
  void operator()(char* text) const { ::free(text); }
};

}  // namespace

bool MountEntry::read_only() const {
  return has_option(options, "ro") || has_option(super_options, "ro");
}

std::string unescape_octal(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
      plain += static_cast<char>(value & 0xff);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::optional<MountEntry> parse_mount_line(std::string_view line) {
  MountEntry entry;
  std::string_view rest = line;
  if (!parse_number(next_word(rest), entry.id)) return std::nullopt;
  if (!parse_number(next_word(rest), entry.parent)) return std::nullopt;
  entry.device = next_word(rest);
  entry.root = unescape_octal(next_word(rest));
  entry.target = unescape_octal(next_word(rest));
  entry.options = next_word(rest);
  std::string_view word;
  do {  // optional fields end with a lone hyphen
    if (rest.empty()) return std::nullopt;
    word = next_word(rest);
  } while (word != "-");
  entry.type = next_word(rest);
  entry.source = unescape_octal(next_word(rest));
  entry.super_options = rest;
  if (entry.target.empty() || entry.type.empty()) return std::nullopt;
  return entry;
}

Result<std::vector<MountEntry>> parse_mount_table(std::string_view text,
                                                  std::string_view operation) {
  std::vector<MountEntry> entries;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    auto entry = parse_mount_line(line);
    if (!entry) {
      return fail(ErrorCode::corrupt, operation, "/proc/self/mountinfo",
                  "a line of unknown form: " + std::string(line));
    }
    entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<std::vector<MountEntry>> read_mount_table(std::string_view operation) {
  TH_ASSIGN(const std::string text, read_kernel_file("/proc/self/mountinfo", operation));
  return parse_mount_table(text, operation);
}

Result<std::string> real_path(const std::string& path, std::string_view operation) {
  const std::unique_ptr<char, FreeText> real(::realpath(path.c_str(), nullptr));
  if (real == nullptr) return system_error(operation, path, errno);
  return std::string(real.get());
}

}  // namespace twinhull::linux_backend
