// Text inside XML and HTML.
#pragma once

#include <string>
#include <string_view>

namespace twinhull::scenario {

/// `text` as it stands in an element or a quoted attribute.
std::string escape_xml(std::string_view text);

}  // namespace twinhull::scenario
