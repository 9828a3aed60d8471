// The disk of a whole node: programs, saving in the middle of it, power cuts.
#include "backends/sim/test_world.h"
#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/processes.h"

namespace twinhull::sim {
namespace {

constexpr std::uint64_t kMega = 1 << 20;

/// A node with a container whose first process is a load.
struct Loaded : OneNode {
  Loaded() : OneNode(disk_node()) { must(world.install_template("n1", "/tree", {"busybox"})); }
  static NodeSpec disk_node() {
    NodeSpec spec = small_node();
    spec.disk_bandwidth = {100 * kMega};
    return spec;
  }
  void start(const std::string& name, std::vector<std::string> argv) {
    must(kernel().cgroups().create({name}));
    SpawnSpec spec;
    spec.label = name;
    spec.root = "/tree";
    spec.argv = std::move(argv);
    spec.cgroup = {name};
    must(kernel().processes().spawn(spec));
  }
  IoSample io(const std::string& name) { return must(kernel().cgroups().sample({name})).io; }
};

const std::vector<std::string> kFlood = {"/bin/vzload", "write",    "/a",    "--bytes",
                                         "64M",         "--direct", "--for", "600"};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(io_model, Loaded)

BOOST_AUTO_TEST_CASE(a_world_goes_on_the_same_after_it_was_saved) {
  start("101", kFlood);
  start("102", {"/bin/vzload", "write", "/b", "--bytes", "4G", "--sync"});
  must(kernel().cgroups().set_io_limits({"101"}, "/", {{10 * kMega}, 77}));
  must(kernel().cgroups().set_io_weight({"102"}, "/", {700}));
  world.advance(milliseconds(3333));
  auto again = must(World::load(world.save()));
  for (World* each : {&world, again.get()}) {
    each->advance(seconds(5));
    must(each->check());
  }
  BOOST_TEST(again->digest() == world.digest());
  const IoSample other = must(again->kernel("n1").cgroups().sample({"102"})).io;
  BOOST_TEST((other.written == io("102").written));
  BOOST_TEST(other.written.value > 100 * kMega);
}

BOOST_AUTO_TEST_CASE(a_copy_goes_on_the_same_after_it_was_saved) {
  start("101", {"/bin/dd", "if=/dev/zero", "of=/c", "bs=1M", "count=300", "conv=fsync"});
  start("102", {"/bin/sh", "-c", "vzload write /a --bytes 64M --sync; cp /a /b; sync; sleep 99"});
  for (const char* name : {"101", "102"})
    must(kernel().cgroups().set_io_limits({name}, "/", {{20 * kMega}, kUnlimited}));
  world.advance(seconds(4));  // 101 flushes, 102 copies or has just begun to
  auto again = must(World::load(world.save()));
  for (World* each : {&world, again.get()}) {
    each->advance(seconds(5));
    must(each->check());
  }
  BOOST_TEST(again->digest() == world.digest());
  const std::uint64_t written = io("101").written.value;
  BOOST_TEST(written > 170 * kMega);  // nine seconds at the limit
  BOOST_TEST(written < 190 * kMega);
  // A dd that is killed leaves nothing behind that would go on writing in its name.
  must(kernel().processes().signal(must(kernel().processes().find("101")).value(), Signal::kill));
  world.advance(seconds(1));
  must(world.check());
}

BOOST_AUTO_TEST_CASE(a_frozen_program_asks_for_nothing) {
  start("101", kFlood);
  world.advance(seconds(1));
  must(kernel().cgroups().freeze({"101"}));
  world.advance(seconds(1));
  const Bytes frozen = io("101").written;
  world.advance(seconds(5));
  BOOST_TEST((io("101").written == frozen));
  must(kernel().cgroups().thaw({"101"}));
  world.advance(seconds(1));
  BOOST_TEST(io("101").written.value > frozen.value + 50 * kMega);
  must(world.check());
}

BOOST_AUTO_TEST_CASE(a_killed_program_leaves_the_disk) {
  start("101", kFlood);
  start("102", kFlood);
  world.advance(seconds(1));
  must(kernel().cgroups().kill_all({"101"}));
  must(kernel().cgroups().remove({"101"}));
  const Bytes before = io("102").written;
  world.advance(seconds(2));
  BOOST_TEST((io("102").written - before).value > 190 * kMega);
  must(world.check());
}

BOOST_AUTO_TEST_CASE(dirty_data_goes_to_the_disk_after_its_writer) {
  start("101", {"/bin/sh", "-c", "vzload write /a --bytes 20M; sleep 1000"});
  world.advance(seconds(1));
  BOOST_TEST(io("101").written.value == 0U);
  world.advance(seconds(6));
  BOOST_TEST(io("101").written.value == 20 * kMega);
  must(world.check());
}

BOOST_AUTO_TEST_CASE(the_nodes_own_bulk_work_takes_its_time_from_the_disk) {
  start("101", kFlood);
  world.advance(seconds(1));
  const Bytes before = io("101").written;
  const Instant begin = kernel().clock().now();
  must(files().copy_tree("/tree", "/copy"));
  const Duration took = kernel().clock().now() - begin;
  world.advance(seconds(1) - took);
  BOOST_TEST((io("101").written - before).value < 101 * kMega);
  must(world.check());
}

BOOST_AUTO_TEST_CASE(a_power_cut_empties_the_queue) {
  start("101", kFlood);
  world.advance(seconds(1));
  power_cycle();
  must(world.check());
  start("101", kFlood);
  world.advance(seconds(1));
  BOOST_TEST(io("101").written.value > 90 * kMega);
  BOOST_TEST(io("101").written.value < 102 * kMega);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace twinhull::sim
