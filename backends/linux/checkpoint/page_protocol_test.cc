#include "backends/linux/checkpoint/page_protocol.h"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace {

using namespace twinhull;
using namespace twinhull::linux_backend;
using Kind = PageMessage::Kind;

PageMessage parsed(const std::string& bytes) {
  const auto message = parse_page_message(bytes, "t");
  BOOST_REQUIRE_MESSAGE(message, (message ? "" : message.error().message()));
  return *message;
}

bool refused(const std::string& bytes) {
  const auto message = parse_page_message(bytes, "t");
  return !message && message.error().code == ErrorCode::protocol;
}

BOOST_AUTO_TEST_CASE(messages_come_back) {
  BOOST_CHECK_EQUAL(parsed(hello_message("abc")).text, "abc");
  const PageRange range{7, 0x7f0000001000, 2};
  BOOST_CHECK(parsed(request_message({range, true})).range == range);
  BOOST_CHECK(parsed(request_message({range, true})).fault);
  BOOST_CHECK(!parsed(request_message({range, false})).fault);
  const std::string content(2 * kPageBytes, 'x');
  const std::string bytes = pages_message(range, content);
  const auto pages = parsed(bytes);
  BOOST_CHECK(pages.kind == Kind::pages);
  BOOST_CHECK(pages.range == range);
  BOOST_CHECK(pages.content == content);
  BOOST_CHECK(parsed(all_message({{9}, {4}})).moved == (PagesMoved{{9}, {4}}));
  BOOST_CHECK(parsed(bye_message()).kind == Kind::bye);
  BOOST_CHECK_EQUAL(parsed(refusal_message("why")).text, "why");
}

BOOST_AUTO_TEST_CASE(damaged_messages_are_refused) {
  const PageRange range{7, 0x1000, 2};
  const std::string content(2 * kPageBytes, 'x');
  const std::string request = request_message({range, false});
  const std::string pages = pages_message(range, content);
  for (std::size_t i = 1; i < request.size(); ++i) BOOST_CHECK(refused(request.substr(0, i)));
  for (const std::size_t cut : {std::size_t{1}, std::size_t{25}, pages.size() - 1})
    BOOST_CHECK(refused(pages.substr(0, cut)));
  BOOST_CHECK(refused(pages + "x"));
  BOOST_CHECK(refused(request + "x"));
  BOOST_CHECK(refused(""));
  BOOST_CHECK(refused("Qx"));
  BOOST_CHECK(refused("Htwinhull pages 2 abc"));
  BOOST_CHECK(refused(hello_message(std::string(65, 'a'))));
  BOOST_CHECK(refused(bye_message() + "x"));
  BOOST_CHECK(refused(all_message({{1}, {2}})));
  BOOST_CHECK(refused(request_message({{7, 0x1001, 2}, false})));
  BOOST_CHECK(refused(request_message({{0, 0x1000, 2}, false})));
  BOOST_CHECK(refused(request_message({{7, 0x1000, 0}, false})));
  BOOST_CHECK(refused(request_message({{7, 0x1000, kMostPages + 1}, false})));
  BOOST_CHECK(refused(request_message({{7, ~std::uint64_t{0} << 12, 2}, false})));
}

BOOST_AUTO_TEST_CASE(no_bytes_do_harm) {
  std::mt19937 random(5);
  const std::string good = request_message({{7, 0x1000, 2}, false});
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (unsigned i = random() % 4 + 1; i > 0; --i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    const auto message = parse_page_message(bytes, "t");
    if (message && message->kind == Kind::request)
      BOOST_CHECK(message->range.pages <= kMostPages && message->range.task != 0);
    PageMap map;
    std::string image = std::string("\x19\x43\x56\x54\x25\x40\x08\x56", 8) + bytes;
    static_cast<void>(parse_pagemap(image, 1, map));
    for (const CriuWire wire : {CriuWire::narrow, CriuWire::wide})
      if (bytes.size() >= criu_header_length(wire))
        static_cast<void>(parse_criu_header(wire, bytes.substr(0, criu_header_length(wire))));
  }
}

BOOST_AUTO_TEST_CASE(headers_of_criu_come_back) {
  const PageRange range{3, 0x5000, 1024};
  for (const CriuWire wire : {CriuWire::narrow, CriuWire::wide}) {
    const auto header = parse_criu_header(wire, criu_header(wire, CriuCommand::add, range));
    BOOST_REQUIRE(header);
    BOOST_CHECK(header->command == CriuCommand::add);
    BOOST_CHECK(header->range == range);
    BOOST_CHECK(parse_criu_header(wire, criu_header(wire, CriuCommand::force_close, {})));
    const PageRange many{3, 0x5000, kMostPages + 1};
    BOOST_CHECK(!parse_criu_header(wire, criu_header(wire, CriuCommand::get, many)));
    BOOST_CHECK(!parse_criu_header(wire, criu_header(wire, static_cast<CriuCommand>(99), range)));
    BOOST_CHECK(!parse_criu_header(wire, "short"));
  }
}

// Written by hand from struct page_server_iov of each version.
BOOST_AUTO_TEST_CASE(headers_are_laid_out_as_in_each_criu) {
  const PageRange range{3, 0x5000, 0x102};
  const std::string address("\x00\x50\0\0\0\0\0\0", 8), task("\x03\0\0\0\0\0\0\0", 8);
  const std::string narrow = std::string("\x07\0\0\0\x02\x01\0\0", 8) + address + task;
  const std::string wide =
      std::string("\x07\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0", 16) + address + task;
  BOOST_CHECK(criu_header(CriuWire::narrow, CriuCommand::get, range) == narrow);
  BOOST_CHECK(criu_header(CriuWire::wide, CriuCommand::get, range) == wide);
}

// Magic numbers and the head (pages_id 1).
const std::string kImage("\x19\x43\x56\x54\x25\x40\x08\x56\x02\0\0\0\x08\x01", 14);

std::string entry(std::uint64_t address, std::uint64_t pages, std::uint64_t flags) {
  std::string body;
  const auto number = [&](std::uint64_t key, std::uint64_t value) {
    body += static_cast<char>(key << 3);
    for (; value >= 0x80; value >>= 7) body += static_cast<char>(value | 0x80);
    body += static_cast<char>(value);
  };
  number(1, address);
  number(2, pages);
  number(4, flags);
  number(5, pages);
  return std::string{static_cast<char>(body.size()), 0, 0, 0} + body;
}

BOOST_AUTO_TEST_CASE(what_stayed_out_of_an_image_is_found) {
  PageMap held;
  const std::string image = kImage + entry(0x10000, 4, 2) + entry(0x14000, 1, 6) +
                            entry(0x15000, 2, 4) + entry(0x20000, 3, 1);
  const auto counts = parse_pagemap(image, 7, held);
  BOOST_REQUIRE(counts);
  BOOST_CHECK_EQUAL(counts->lazy.value, 4);
  BOOST_CHECK_EQUAL(counts->present.value, 3);
  BOOST_CHECK_EQUAL(counts->parent.value, 3);
  BOOST_CHECK(held.contains({7, 0x10000, 4}));
  BOOST_CHECK(!held.contains({7, 0x10000, 5}));
  BOOST_CHECK(!held.contains({8, 0x10000, 1}));
  BOOST_CHECK(!parse_pagemap(image.substr(0, image.size() - 1), 7, held));
  BOOST_CHECK(!parse_pagemap("nothing of the kind", 7, held));
}

BOOST_AUTO_TEST_CASE(pages_are_put_into_images_after_all) {
  std::string top = "/tmp/th-pages-XXXXXX";
  BOOST_REQUIRE(::mkdtemp(top.data()) != nullptr);
  const auto page = [](char c) { return std::string(kPageBytes, c); };
  // In the image: a; left out: 4 pages; in it: b; of the parent: 3 pages.
  std::ofstream(top + "/pagemap-7.img")
      << kImage + entry(0x8000, 1, 4) + entry(0x10000, 4, 2) + entry(0x20000, 1, 6) +
             entry(0x30000, 3, 1);
  std::ofstream(top + "/pages-1.img") << page('a') + page('b');
  const auto read = [&](const PageRange& range) -> Result<std::string> {
    return page(range.address == 0x11000 ? 'x' : 'y');
  };
  BOOST_REQUIRE(add_to_images(top, 7, {{7, 0x11000, 1}, {7, 0x13000, 1}}, read, "t"));
  PageMap held;
  const auto counts = read_pagemaps(top, held, "t");
  BOOST_REQUIRE(counts);
  BOOST_CHECK_EQUAL(counts->lazy.value, 2);
  BOOST_CHECK_EQUAL(counts->present.value, 4);
  BOOST_CHECK_EQUAL(counts->parent.value, 3);
  BOOST_CHECK(held.contains({7, 0x10000, 1}));
  BOOST_CHECK(held.contains({7, 0x12000, 1}));
  BOOST_CHECK(!held.contains({7, 0x11000, 1}));
  std::ostringstream content;
  content << std::ifstream(top + "/pages-1.img").rdbuf();
  BOOST_CHECK(content.str() == page('a') + page('x') + page('y') + page('b'));
  // An image whose pages are not all there is not made worse.
  std::ofstream(top + "/pages-1.img") << page('a');
  const auto damaged = add_to_images(top, 7, {{7, 0x10000, 1}}, read, "t");
  BOOST_REQUIRE(!damaged);
  BOOST_CHECK(damaged.error().code == ErrorCode::corrupt);
  std::filesystem::remove_all(top);
}

BOOST_AUTO_TEST_CASE(runs_are_taken_apart) {
  PageMap map;
  map.add({1, 0x10000, 4});
  map.add({1, 0x14000, 4});  // one run of 8
  map.add({2, 0x10000, 1});
  BOOST_CHECK_EQUAL(map.size().value, 9);
  BOOST_CHECK(map.run_at(1, 0x13000) == (PageRange{1, 0x10000, 8}));
  map.remove({1, 0x12000, 2});
  BOOST_CHECK_EQUAL(map.size().value, 7);
  BOOST_CHECK(map.run_at(1, 0x11000) == (PageRange{1, 0x10000, 2}));
  BOOST_CHECK(!map.run_at(1, 0x13000));
  BOOST_CHECK(map.run_at(1, 0x14000) == (PageRange{1, 0x14000, 4}));
  map.remove({1, 0, 64});
  BOOST_CHECK_EQUAL(map.size().value, 1);
  map.remove({2, 0x10000, 1});
  BOOST_CHECK_EQUAL(map.size().value, 0);
}

}  // namespace
