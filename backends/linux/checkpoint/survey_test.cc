#include "backends/linux/checkpoint/survey.h"

#include <boost/test/unit_test.hpp>

namespace {

using namespace twinhull;
using namespace twinhull::linux_backend;

BOOST_AUTO_TEST_CASE(descriptors_of_the_node_hinder) {
  for (const char* good : {"/dev/null", "/dev/pts/0", "/dev/urandom", "socket:[12]", "pipe:[1]",
                           "/var/log/x", "anon_inode:[eventpoll]", "anon_inode:[timerfd]"})
    BOOST_CHECK_EQUAL(descriptor_hindrance(good), "");
  BOOST_CHECK_EQUAL(descriptor_hindrance("/dev/kvm"), "is the device /dev/kvm, whose state is the node's");
  BOOST_CHECK_EQUAL(descriptor_hindrance("/dev/fuse"), "is the device /dev/fuse, whose state is the node's");
  BOOST_CHECK_EQUAL(descriptor_hindrance("anon_inode:[io_uring]"), "is [io_uring], which cannot be saved");
}

BOOST_AUTO_TEST_CASE(mounts_from_outside_hinder) {
  const auto found = mount_hindrances(
      "1 0 0:50 / / rw - overlay overlay rw\n2 1 0:51 / /proc rw - proc proc rw\n"
      "3 1 8:1 /data /srv/data rw - ext4 /dev/sda1 rw\n4 1 0:60 / /mnt rw - nfs4 filer:/x rw\n");
  BOOST_REQUIRE(found.has_value());
  BOOST_REQUIRE_EQUAL(found->size(), 2U);
  BOOST_CHECK_EQUAL(found->front().object, "mount /srv/data");
  BOOST_CHECK_EQUAL(found->back().cause, "is of the type nfs4, which lives outside");
  BOOST_CHECK(!mount_hindrances("nonsense\n").has_value());
}

}  // namespace
