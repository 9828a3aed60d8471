#include "backends/linux/errno_error.h"

#include <cerrno>

#include <boost/test/unit_test.hpp>

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_SUITE(errno_error)

BOOST_AUTO_TEST_CASE(each_number_named_by_the_seam_gives_its_code) {
  const std::pair<int, ErrorCode> pairs[] = {{ENOENT, ErrorCode::not_found},
                                             {ESRCH, ErrorCode::not_found},
                                             {EEXIST, ErrorCode::exists},
                                             {EINVAL, ErrorCode::invalid_argument},
                                             {ENAMETOOLONG, ErrorCode::invalid_argument},
                                             {EPERM, ErrorCode::not_permitted},
                                             {EACCES, ErrorCode::not_permitted},
                                             {ENOSPC, ErrorCode::no_space},
                                             {EDQUOT, ErrorCode::quota_exceeded},
                                             {ENOMEM, ErrorCode::no_memory},
                                             {EAGAIN, ErrorCode::limit_exceeded},
                                             {EMFILE, ErrorCode::limit_exceeded},
                                             {EBUSY, ErrorCode::busy},
                                             {ETXTBSY, ErrorCode::busy},
                                             {ENOTEMPTY, ErrorCode::not_empty},
                                             {ENOTDIR, ErrorCode::not_directory},
                                             {EISDIR, ErrorCode::is_directory},
                                             {ELOOP, ErrorCode::too_many_links},
                                             {EROFS, ErrorCode::read_only},
                                             {EXDEV, ErrorCode::cross_device},
                                             {ETIMEDOUT, ErrorCode::timed_out},
                                             {EINTR, ErrorCode::interrupted},
                                             {ENOTSUP, ErrorCode::not_supported},
                                             {ECONNREFUSED, ErrorCode::unreachable},
                                             {EPIPE, ErrorCode::connection_lost},
                                             {EIO, ErrorCode::input_output}};
  for (const auto& [number, code] : pairs) BOOST_TEST((code_of(number) == code), number);
}

BOOST_AUTO_TEST_CASE(an_unknown_number_is_a_failure) {
  BOOST_TEST((code_of(99999) == ErrorCode::failed));
}

BOOST_AUTO_TEST_CASE(the_message_has_object_cause_and_number) {
  const Error error = system_error("files.write", "/a/b", ENOSPC, "cannot write");
  BOOST_TEST(error.object == "/a/b");
  BOOST_TEST(error.sys_errno == ENOSPC);
  BOOST_TEST(error.detail == "cannot write: No space left on device");
}

BOOST_AUTO_TEST_SUITE_END()
