#include "backends/linux/channel/frame.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

using namespace twinhull;
using namespace twinhull::linux_backend;

/// Adds the payloads of all frames that have come.
void take_frames(FrameParser& parser, std::vector<std::string>& payloads) {
  for (;;) {
    const auto frame = parser.next();
    BOOST_REQUIRE(frame);
    if (!*frame) break;
    payloads.push_back((*frame)->payload);
  }
}

BOOST_AUTO_TEST_SUITE(frame)

BOOST_AUTO_TEST_CASE(frames_come_out_as_they_went_in_however_the_bytes_are_cut) {
  const std::string payloads[] = {"", "x", std::string("\0\xff\n", 3), std::string(100'000, 'p')};
  std::string stream;
  for (const std::string& payload : payloads) stream += encode_frame(FrameType::message, payload);
  for (const std::size_t step :
       {std::size_t{1}, std::size_t{7}, std::size_t{4096}, stream.size()}) {
    FrameParser parser;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      parser.feed(std::string_view(stream).substr(at, step));
      take_frames(parser, got);
    }
    BOOST_TEST(got == std::vector<std::string>(std::begin(payloads), std::end(payloads)));
    BOOST_TEST(parser.pending() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(frames_come_out_as_they_went_in_through_the_room_that_they_are_given) {
  const std::string payloads[] = {"", "x", std::string(20'000, 'q'), std::string(300'000, 'p'), "end"};
  std::string stream;
  for (const std::string& payload : payloads) stream += encode_frame(FrameType::message, payload);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, stream.size()}) {
    FrameParser parser;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < stream.size();) {
      const auto room = parser.room();
      const std::size_t count = std::min({step, room.size(), stream.size() - at});
      std::copy_n(stream.data() + at, count, room.data());
      at += count;
      parser.fed(count);
      // Not always: the rest of a frame and more may wait to be cut.
      if (at % 3 == 0 && at < stream.size()) continue;
      take_frames(parser, got);
    }
    BOOST_TEST(got == std::vector<std::string>(std::begin(payloads), std::end(payloads)));
    BOOST_TEST(parser.pending() == 0U);
  }
}

BOOST_AUTO_TEST_CASE(any_changed_bit_is_noticed) {
  const std::string good = encode_frame(FrameType::message, "payload");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    FrameParser parser;
    parser.feed(bad);
    const auto frame = parser.next();
    // A longer length only means that more is expected; it must never give a frame.
    BOOST_TEST((!frame || !frame->has_value()), "bit " << bit);
  }
}

BOOST_AUTO_TEST_CASE(text_of_a_shell_is_no_frame_and_is_quoted) {
  FrameParser parser;
  parser.feed("Th");
  const auto frame = parser.next();
  BOOST_REQUIRE(!frame);
  BOOST_TEST((frame.error().code == ErrorCode::protocol));
  FrameParser other;
  other.feed("bash: vzmigrate: command not found\nmore");
  const auto second = other.next();
  BOOST_REQUIRE(!second);
  BOOST_TEST(second.error().detail.find("command not found\"") != std::string::npos);
  other.feed(encode_frame(FrameType::close, ""));
  BOOST_TEST(!other.next(), "a broken stream stays broken");
}

BOOST_AUTO_TEST_CASE(random_bytes_never_give_a_frame) {
  std::uint64_t state = 88172645463325252ULL;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = round % 2 == 0 ? "" : "THf1";
    for (int i = 0; i < 40; ++i) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      bytes += static_cast<char>(state & 0xff);
    }
    FrameParser parser;
    parser.feed(bytes);
    const auto frame = parser.next();
    BOOST_TEST((!frame || !frame->has_value()));
  }
}

BOOST_AUTO_TEST_CASE(greetings_and_their_versions) {
  BOOST_TEST(parse_hello(hello_text("migrate")).value() == "migrate");
  for (const char* text : {"", "TWINHULL/", "TWINHULL/x y", "TWINHULL/2", "HELLO/1 x"})
    BOOST_TEST((parse_hello(text).error().code == ErrorCode::protocol), text);
  BOOST_TEST(parse_hello("TWINHULL/1 migrate").error().detail.find("version 1") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(errors_cross_with_their_code) {
  const Error sent = fail(ErrorCode::no_space, "a.b", "/x", "full");
  const Error got = parse_error(error_text(sent), "channels.send_tree", "peer");
  BOOST_TEST((got.code == ErrorCode::no_space));
  BOOST_TEST(got.detail.find("full") != std::string::npos);
  BOOST_TEST((parse_error("strange thing", "o", "p").code == ErrorCode::failed));
}

BOOST_AUTO_TEST_CASE(summaries_of_trees) {
  const auto summary = parse_tree_end(tree_end_text({"0123456789abcdef", 12, 3, 7, 2}));
  BOOST_REQUIRE(summary);
  BOOST_TEST(summary->digest == "0123456789abcdef");
  BOOST_TEST(summary->bytes == 12U);
  BOOST_TEST(summary->inodes == 3U);
  BOOST_TEST(summary->sent_bytes == 7U);
  BOOST_TEST(summary->sent_inodes == 2U);
  for (const char* text : {"", "0123456789abcdef", "0123456789abcdef 1", "0123456789abcdef 1 2 3 4 5",
                           "0123 1 2", "0123456789abcdef x 2"})
    BOOST_TEST(!parse_tree_end(text), text);
}

BOOST_AUTO_TEST_CASE(modes_of_trees) {
  for (const TreeMode& mode : {TreeMode{}, TreeMode{true, false, true}, TreeMode{true, true, true},
                               TreeMode{false, false, false, false},
                               TreeMode{false, false, true, false, true}})
    BOOST_TEST((parse_tree_mode(tree_mode_text(mode)) == mode));
  for (const char* text : {"", "1", "1 0 1 1", "1 0 2 1 0", "1 0 1 1 0 ", "1-0-1-1-0"})
    BOOST_TEST(!parse_tree_mode(text), text);
  BOOST_TEST((parse_count("120") == 120U));
  for (const char* text : {"", "-1", "1 ", "x"}) BOOST_TEST(!parse_count(text), text);
}

BOOST_AUTO_TEST_SUITE_END()
