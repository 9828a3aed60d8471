#include "backends/sim/world.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>

#include "backends/sim/engine/random.h"
#include "backends/sim/test_world.h"

namespace {

using namespace twinhull;
using namespace twinhull::sim;

BOOST_AUTO_TEST_CASE(nodes_and_links_are_checked) {
  World world(1);
  NodeSpec spec;
  TH_REFUSED(world.add_node(spec), invalid_argument);
  spec.name = "Upper";
  TH_REFUSED(world.add_node(spec), invalid_argument);
  spec.name = "a";
  must(world.add_node(spec));
  TH_REFUSED(world.add_node(spec), exists);
  spec.name = "b";
  spec.cpus = 0;
  TH_REFUSED(world.add_node(spec), invalid_argument);
  spec.cpus = 1025;
  TH_REFUSED(world.add_node(spec), invalid_argument);
  spec.cpus = 1;
  must(world.add_node(spec));
  LinkSpec link;
  link.a = "a";
  link.b = "c";
  TH_REFUSED(world.add_link(link), not_found);
  link.b = "a";
  TH_REFUSED(world.add_link(link), invalid_argument);
  link.b = "b";
  must(world.add_link(link));
  TH_REFUSED(world.add_link({"b", "a"}), exists);
  TH_REFUSED(world.set_link_up("a", "c", false), not_found);
  must(world.set_link_up("b", "a", false));
  BOOST_TEST(world.nodes().size() == 2U);
  BOOST_TEST(world.links().size() == 1U);
  TH_REFUSED(world.start("c", "x", [](Kernel&) { return 0; }), not_found);
  TH_REFUSED(world.power_off("c"), not_found);
  TH_REFUSED(world.finish(17, seconds(1)), not_found);
  must(world.check());
}

BOOST_AUTO_TEST_CASE(commands_run_when_time_advances) {
  OneNode node;
  const CommandId command = must(node.world.start(
      "n1", "work", [](Kernel& kernel) { return kernel.clock().sleep(seconds(5)) ? 7 : 1; }));
  BOOST_TEST(!node.world.result(command).has_value());
  TH_REFUSED(node.world.finish(command, seconds(1)), timed_out);
  BOOST_TEST((node.world.now() == Instant(seconds(1))));
  BOOST_TEST(must(node.world.finish(command, seconds(10))) == 7);
  BOOST_TEST((node.world.now() == Instant(seconds(5))));
  BOOST_TEST(node.world.at_rest());
}

BOOST_AUTO_TEST_CASE(an_interrupt_reaches_a_blocking_call_once) {
  OneNode node;
  const CommandId command = must(node.world.start("n1", "work", [](Kernel& kernel) {
    const Status first = kernel.clock().sleep(seconds(5));
    if (first || first.error().code != ErrorCode::interrupted) return 1;
    return kernel.clock().sleep(seconds(1)) ? 0 : 2;
  }));
  node.world.advance(seconds(1));
  must(node.world.interrupt(command));
  BOOST_TEST(must(node.world.finish(command, seconds(10))) == 0);
  BOOST_TEST((node.world.now() == Instant(seconds(2))));
}

BOOST_AUTO_TEST_CASE(an_interrupt_waits_until_bulk_work_is_done) {
  OneNode node;
  must(node.files().make_directory("/t"));
  for (int i = 0; i < 1000; ++i) must(node.files().write("/t/" + std::to_string(i), ""));
  const CommandId command = must(node.world.start("n1", "cp", [](Kernel& kernel) {
    if (!kernel.files().copy_tree("/t", "/u")) return 1;
    const Status slept = kernel.clock().sleep(seconds(1));
    return !slept && slept.error().code == ErrorCode::interrupted ? 0 : 2;
  }));
  node.world.advance(microseconds(100));
  must(node.world.interrupt(command));
  BOOST_TEST(must(node.world.finish(command, seconds(10))) == 0);
  BOOST_TEST(must(node.files().list("/u")).size() == 1000U);
}

BOOST_AUTO_TEST_CASE(a_power_cut_from_inside_a_call_ends_the_command) {
  OneNode node;
  std::string seen;
  const CommandId command = must(node.world.start("n1", "work", [&](Kernel& kernel) {
    must(kernel.files().write("/a", ""));
    must(node.world.power_off("n1"));
    TH_REFUSED(kernel.files().write("/b", ""), node_down);
    TH_REFUSED(kernel.clock().sleep(seconds(1)), node_down);
    seen = "end";
    return 0;
  }));
  BOOST_TEST(must(node.world.finish(command, seconds(1))) == 137);
  BOOST_TEST(seen == "end");
  BOOST_TEST(node.world.at_rest());
  BOOST_TEST(!node.world.is_on("n1"));
}

BOOST_AUTO_TEST_CASE(equal_calls_give_equal_digests) {
  const auto play = [](std::uint64_t seed, const std::string& text) {
    OneNode node(OneNode::small_node(), seed);
    must(node.files().write("/f", text));
    node.world.advance(seconds(1));
    node.power_cycle();
    return node.world.digest();
  };
  BOOST_TEST(play(1, "a") == play(1, "a"));
  BOOST_TEST(play(1, "a") != play(2, "a"));
  BOOST_TEST(play(1, "a") != play(1, "ab"));
}

BOOST_AUTO_TEST_CASE(templates_hold_programs) {
  OneNode node;
  TemplateSpec spec;
  spec.name = "busybox";
  must(node.world.install_template("n1", "/vz/template/cache/busybox", spec));
  TH_REFUSED(node.world.install_template("n1", "/vz/template/cache/busybox", spec), exists);
  TH_REFUSED(node.world.install_template("n2", "/x", spec), not_found);
  spec.name = "debian-12-x86_64";
  spec.kind = TemplateSpec::Kind::debian;
  spec.bulk = {std::uint64_t{300} << 20};
  must(node.world.install_template("n1", "/vz/template/cache/debian", spec));
  node.power_cycle();
  Files& files = node.files();
  BOOST_TEST(must(files.read_inside("/vz/template/cache/busybox", "/bin/sh")).starts_with("#!sim"));
  BOOST_TEST(must(files.read_inside("/vz/template/cache/debian", "/bin/sh")).starts_with("#!sim"));
  BOOST_TEST(must(files.exists_inside("/vz/template/cache/busybox", "/bin/vzload")));
  BOOST_TEST(must(files.exists_inside("/vz/template/cache/debian", "/etc/debian_version")));
  const std::string init = must(files.read_inside("/vz/template/cache/debian", "/sbin/init"));
  BOOST_TEST(init.starts_with("#!sim init"));
  const TreeSize size = must(files.measure_tree("/vz/template/cache/debian"));
  BOOST_TEST(size.bytes.value > spec.bulk.value);
  must(node.world.check());
}

// A world with something of everything in it.
std::string saved_world(World& world) {
  NodeSpec spec;
  spec.name = "n1";
  must(world.add_node(spec));
  spec.name = "n2";
  must(world.add_node(spec));
  must(world.add_link({"n1", "n2"}));
  TemplateSpec layer;
  layer.bulk = {std::uint64_t{1} << 40};
  TH_REFUSED(world.install_template("n1", "/full", layer), no_space);
  layer.bulk = {std::uint64_t{1} << 30};
  must(world.install_template("n1", "/low", layer));
  Kernel& kernel = world.kernel("n1");
  Files& files = kernel.files();
  must(kernel.quotas().create_tree("/q"));
  must(kernel.quotas().set_limit("/q", {Bytes{1 << 20}, Inodes{50}}));
  for (const char* path : {"/q/fs", "/q/work", "/m", "/t"}) must(files.make_directory(path));
  must(kernel.mounts().overlay("/m", {{"/low"}, "/q/fs", "/q/work"}));
  must(kernel.mounts().tmpfs("/t", {1 << 20}));
  must(kernel.mounts().bind("/m/etc", "/home"));
  must(files.write("/m/f", "unsynced"));
  must(files.remove("/m/etc/profile"));
  must(files.copy_tree("/m/etc", "/t/etc"));
  must(files.append("/t/etc/hosts", "more"));
  must(kernel.cgroups().create({"101"}));
  must(kernel.cgroups().set_memory_low({"101"}, {8 << 20}));
  SpawnSpec init;
  init.label = "101";
  init.root = "/m";
  init.argv = {"/sbin/init"};
  init.cgroup = {"101"};
  init.oom_adjust = -7;
  const ProcessRef started = must(kernel.processes().spawn(init));
  ExecSpec reader;
  reader.argv = {"/bin/sha256sum", "/usr/share/bulk/00"};
  must(kernel.processes().exec(started, reader));
  must(world.power_off("n2"));
  world.advance(seconds(3));
  const CommandId done = must(world.start("n1", "x", [](Kernel&) { return 3; }));
  must(world.finish(done, seconds(1)));
  return world.save();
}

BOOST_AUTO_TEST_CASE(a_node_says_its_kernel) {
  World world(1);
  NodeSpec spec;
  spec.name = "n1";
  must(world.add_node(spec));
  spec.name = "n2";
  spec.kernel = "6.1.0-18-amd64";
  must(world.add_node(spec));
  BOOST_TEST(must(world.kernel("n1").host().info()).kernel == "sim-1");
  auto loaded = must(World::load(world.save()));
  BOOST_TEST(must(loaded->kernel("n2").host().info()).kernel == "6.1.0-18-amd64");
  spec.name = "n3";
  spec.kernel = "six";
  TH_REFUSED(world.add_node(spec), invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_loaded_world_goes_on_as_the_saved_one) {
  World world(5);
  const std::string bytes = saved_world(world);
  auto loaded = must(World::load(bytes));
  BOOST_TEST((loaded->save() == bytes));
  BOOST_TEST(loaded->digest() == world.digest());
  BOOST_TEST((loaded->now() == world.now()));
  BOOST_TEST(loaded->seed() == 5U);
  BOOST_TEST(!loaded->is_on("n2"));
  BOOST_TEST(*loaded->result(1) == 3);
  const auto go_on = [](World& w) {
    Files& files = w.kernel("n1").files();
    Cgroups& cgroups = w.kernel("n1").cgroups();
    const MemorySample memory = must(cgroups.sample({"101"})).memory;
    BOOST_TEST(memory.cache.value >= 32U << 20U);
    BOOST_TEST(must(cgroups.limits({"101"}, "/")).memory_low->value == 8U << 20U);
    const ProcessRef init = must(w.kernel("n1").processes().find("101")).value();
    BOOST_TEST(must(w.kernel("n1").processes().facts(init)).oom_adjust == -7);
    std::string out = std::to_string(memory.usage.value) + must(files.read("/m/f")) +
                      must(files.digest_tree("/m")) + must(files.digest_tree("/t"));
    must(files.write("/home/new", "x"));
    out += must(files.read("/m/etc/new"));
    must(w.power_off("n1"));
    must(w.power_on("n1"));
    must(w.power_on("n2"));
    out += must(w.kernel("n1").files().digest_tree("/"));
    out += must(w.kernel("n1").host().boot_id());
    must(w.check());
    return out + std::to_string(w.digest());
  };
  BOOST_TEST(go_on(world) == go_on(*loaded));
  BOOST_TEST((world.save() == loaded->save()));
}

BOOST_AUTO_TEST_CASE(damaged_worlds_are_refused) {
  World world(5);
  const std::string bytes = saved_world(world);
  TH_REFUSED(World::load(""), corrupt);
  TH_REFUSED(World::load("no world"), corrupt);
  for (std::size_t i = 0; i < bytes.size(); i += bytes.size() / 97 + 1) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    const auto loaded = World::load(damaged);
    if (i >= 8 && i < 12) {
      BOOST_TEST((code_of(loaded) == ErrorCode::protocol));
    } else if (i < 12 || i >= 16) {  // 12 … 15 are reserved
      BOOST_TEST((code_of(loaded) == ErrorCode::corrupt));
    }
    TH_REFUSED(World::load(std::string_view(bytes).substr(0, i)), corrupt);
  }
}

// Content that was changed by somebody who also repaired the checksum: refused, or a world in which
// everything still works.
BOOST_AUTO_TEST_CASE(nonsense_with_a_right_checksum_does_no_harm) {
  World world(5);
  const std::string bytes = saved_world(world);
  constexpr std::size_t kHeader = 32;
  RandomStream chance(11);
  int accepted = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string damaged = bytes;
    const std::uint64_t changes = 1 + chance.below(3);
    for (std::uint64_t i = 0; i < changes; ++i) {
      const std::size_t at =
          kHeader + static_cast<std::size_t>(chance.below(damaged.size() - kHeader));
      damaged[at] = static_cast<char>(chance.below(4) == 0 ? 0xff : chance.below(256));
    }
    const std::uint64_t checksum = XXH3_64bits(damaged.data() + kHeader, damaged.size() - kHeader);
    std::memcpy(damaged.data() + 24, &checksum, sizeof checksum);
    auto loaded = World::load(damaged);
    if (!loaded) {
      BOOST_TEST((loaded.error().code == ErrorCode::corrupt));
      continue;
    }
    ++accepted;
    World& there = **loaded;
    there.advance(seconds(1));
    for (const NodeSpec& spec : there.nodes()) {
      if (!there.is_on(spec.name)) continue;
      Files& files = there.kernel(spec.name).files();
      (void)files.digest_tree("/");
      (void)files.write("/m/etc/hosts", "x");
      (void)files.rename("/m/f", "/m/g");
      (void)files.remove_tree("/q/fs");
      (void)there.kernel(spec.name).mounts().unmount("/t", true);
      (void)there.kernel(spec.name).mounts().unmount("/m", true);
      (void)there.power_off(spec.name);
      (void)there.power_on(spec.name);
      (void)there.kernel(spec.name).files().digest_tree("/");
    }
    BOOST_TEST(there.check().has_value());
    (void)there.save();
  }
  BOOST_TEST(accepted > 0);
}

}  // namespace
