// The two forms of vzlist's answer: a table and JSON (spec R6).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/vzlist/columns.h"

namespace twinhull::tools::list {

struct TableStyle {
  bool header = true;
  bool trim = true;
};

/// Fixed-width columns, one blank between them; the last one is neither padded nor cut and shows
/// all parts of a list.
std::string table(std::span<const Row> rows, std::span<const Selected> selected,
                  const TableStyle& style);

/// An array of objects. Precondition: no suffixes.
std::string json(std::span<const Row> rows, std::span<const Selected> selected);

}  // namespace twinhull::tools::list
