#include "backends/linux/io.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "backends/linux/unique_fd.h"

using namespace twinhull;
using namespace twinhull::linux_backend;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    in.reset(ends[0]);
    out.reset(ends[1]);
  }
  UniqueFd in, out;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(io)

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  Pipe pipe;
  BOOST_REQUIRE(write_fully(pipe.out.get(), "hello", "t", "pipe"));
  pipe.out.reset();
  const auto text = read_to_end(pipe.in.get(), Bytes{5}, "t", "pipe");
  BOOST_REQUIRE(text);
  BOOST_TEST(*text == "hello");
}

BOOST_AUTO_TEST_CASE(one_byte_too_many_is_refused_with_the_limit) {
  Pipe pipe;
  BOOST_REQUIRE(write_fully(pipe.out.get(), "hello", "t", "pipe"));
  pipe.out.reset();
  const auto text = read_to_end(pipe.in.get(), Bytes{4}, "t", "pipe");
  BOOST_REQUIRE(!text);
  BOOST_TEST((text.error().code == ErrorCode::limit_exceeded));
  BOOST_TEST(text.error().limit.value() == 4U);
}

BOOST_AUTO_TEST_CASE(a_descriptor_is_closed_once_and_moves) {
  Pipe pipe;
  const int number = pipe.in.get();
  UniqueFd other = std::move(pipe.in);
  BOOST_TEST(other.get() == number);
  BOOST_TEST(!pipe.in);
  other.reset();
  BOOST_TEST(::fcntl(number, F_GETFD) == -1);
}

BOOST_AUTO_TEST_CASE(kernel_files_are_read_and_missing_ones_named) {
  const auto text = read_kernel_file("/proc/self/stat", "t");
  BOOST_REQUIRE(text);
  BOOST_TEST(text->starts_with(std::to_string(::getpid())));
  const auto none = read_kernel_file("/proc/self/no-such-file", "t");
  BOOST_REQUIRE(!none);
  BOOST_TEST((none.error().code == ErrorCode::not_found));
  BOOST_TEST(none.error().object == "/proc/self/no-such-file");
}

BOOST_AUTO_TEST_SUITE_END()
