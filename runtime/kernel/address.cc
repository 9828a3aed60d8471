// Text forms of network addresses. Written without inet_pton(3): the seam links no Linux library.
#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "runtime/kernel/units.h"

namespace twinhull {
namespace {

std::optional<unsigned> parse_number(std::string_view text, int base, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > most)
    return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool parse_v4(std::string_view text, std::uint8_t* out) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return false;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto value = parse_number(parts[i], 10, 255);
    if (!value || (parts[i].size() > 1 && parts[i][0] == '0')) return false;
    out[i] = static_cast<std::uint8_t>(*value);
  }
  return true;
}

// Groups of one side of "::"; the last one may be dotted IPv4.
bool parse_groups(std::string_view text, std::vector<std::uint16_t>& out) {
  if (text.empty()) return true;
  const auto parts = split(text, ':');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i + 1 == parts.size() && parts[i].find('.') != std::string_view::npos) {
      std::uint8_t v4[4];
      if (!parse_v4(parts[i], v4)) return false;
      out.push_back(static_cast<std::uint16_t>(v4[0] << 8 | v4[1]));
      out.push_back(static_cast<std::uint16_t>(v4[2] << 8 | v4[3]));
      continue;
    }
    if (parts[i].size() > 4) return false;
    const auto value = parse_number(parts[i], 16, 0xffff);
    if (!value) return false;
    out.push_back(static_cast<std::uint16_t>(*value));
  }
  return true;
}

bool parse_v6(std::string_view text, std::uint8_t* out) {
  std::vector<std::uint16_t> head, tail;
  const auto gap = text.find("::");
  if (gap == std::string_view::npos) {
    if (!parse_groups(text, head) || head.size() != 8) return false;
  } else {
    const auto rest = text.substr(gap + 2);
    if (rest.find("::") != std::string_view::npos) return false;
    if (!parse_groups(text.substr(0, gap), head) || !parse_groups(rest, tail)) return false;
    if (head.size() + tail.size() > 7) return false;
    head.resize(8 - tail.size(), 0);
    head.insert(head.end(), tail.begin(), tail.end());
  }
  for (std::size_t i = 0; i < 8; ++i) {
    out[2 * i] = static_cast<std::uint8_t>(head[i] >> 8);
    out[2 * i + 1] = static_cast<std::uint8_t>(head[i] & 0xff);
  }
  return true;
}

std::string hex(unsigned value) {
  std::array<char, 8> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, 16);
  return {buffer.data(), result.ptr};
}

}  // namespace

std::string IpAddress::text() const {
  if (family == Family::v4)
    return std::to_string(bytes[0]) + "." + std::to_string(bytes[1]) + "." +
           std::to_string(bytes[2]) + "." + std::to_string(bytes[3]);
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i)
    groups[i] = static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
  // RFC 5952: the longest run of at least two zero groups is shortened, the first one on a tie.
  std::size_t best_start = 8, best_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) best_start = i, best_length = end - i;
    i = end == i ? i + 1 : end;
  }
  std::string text;
  for (std::size_t i = 0; i < 8;) {
    if (i == best_start) {
      text += "::";
      i += best_length;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    text += hex(groups[i++]);
  }
  return text;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  IpAddress address;
  if (text.find(':') != std::string_view::npos) {
    address.family = Family::v6;
    if (parse_v6(text, address.bytes)) return address;
    return std::nullopt;
  }
  if (parse_v4(text, address.bytes)) return address;
  return std::nullopt;
}

bool IpPrefix::contains(const IpAddress& other) const {
  if (address.family != other.family) return false;
  for (unsigned bit = 0; bit < length; ++bit) {
    const unsigned mask = 0x80U >> (bit % 8);
    if (((address.bytes[bit / 8] ^ other.bytes[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

std::string IpPrefix::text() const { return address.text() + "/" + std::to_string(length); }

IpPrefix IpPrefix::host(const IpAddress& address) {
  return {address, static_cast<std::uint8_t>(address.bit_length())};
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return host(*address);
  const auto length = parse_number(text.substr(slash + 1), 10, address->bit_length());
  if (!length) return std::nullopt;
  return IpPrefix{*address, static_cast<std::uint8_t>(*length)};
}

}  // namespace twinhull
