#include <fmt/format.h>

#include "tools/vzlist/output.h"

namespace twinhull::tools::list {
namespace {

/// Code points, the unit of widths: a multi-byte letter takes one place.
std::size_t width_of(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++count;
  }
  return count;
}

std::string_view cut(std::string_view text, std::size_t width) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) continue;
    if (count == width) return text.substr(0, i);
    ++count;
  }
  return text;
}

/// A control character would let a container's name draw on the operator's terminal.
std::string printable(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return result;
}

void add_cell(std::string& line, std::string_view text, const Column& column, bool last,
              bool may_cut) {
  const auto width = static_cast<std::size_t>(column.width);
  if (!last && may_cut && !column.right) text = cut(text, width);
  const std::size_t used = width_of(text);
  const std::size_t padding = used < width ? width - used : 0;
  if (column.right) line.append(padding, ' ');
  line += text;
  if (!column.right && !last) line.append(padding, ' ');
  if (!last) line += ' ';
}

}  // namespace

std::string table(std::span<const Row> rows, std::span<const Selected> selected,
                  const TableStyle& style) {
  std::string text;
  if (style.header) {
    for (std::size_t i = 0; i < selected.size(); ++i) {
      add_cell(text, selected[i].header(), *selected[i].column, i + 1 == selected.size(), false);
    }
    text += '\n';
  }
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < selected.size(); ++i) {
      const Column& column = *selected[i].column;
      const bool last = i + 1 == selected.size();
      const auto parts = texts(pick(column.value(column, row), selected[i].suffix));
      std::string cell = "-";
      if (!parts.empty()) {
        cell = last ? fmt::format("{}", fmt::join(parts, " ")) : parts.front();
      }
      add_cell(text, printable(cell), column, last, style.trim);
    }
    text += '\n';
  }
  return text;
}

}  // namespace twinhull::tools::list
