// What the runtime relies on: memory of Cgroups as programs meet it (spec F4.13, F4.14; models 6.3).
#include <algorithm>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
constexpr MemoryLimit limited(std::uint64_t mebibytes) { return {{mebibytes * kMebi}, {0}}; }

MemorySample memory(ContractStage& stage, const CgroupPath& group) {
  return MUST(stage.kernel().cgroups().sample(group)).memory;
}

/// A started box below a memory limit without swap. Where there are no limits the case is over.
#define LIMITED_BOX(box, mebibytes)                                      \
  const Box box = MUST(start_box(stage, "c1"));                          \
  NEEDS(stage, memory_limit,                                             \
        stage.kernel().cgroups().set_memory(box.group, limited(mebibytes))); \
  MUST(stage.kernel().cgroups().set_memory(box.group, limited(mebibytes)))

ExecOutcome load(ContractStage& stage, const Box& box, std::vector<std::string> words) {
  words.insert(words.begin(), "/bin/vzload");
  return MUST(stage.kernel().processes().exec(box.init, command(std::move(words))));
}

bool was_killed(const ExecOutcome& outcome) {
  return outcome.status.signaled && outcome.status.value == 9;
}

/// Starts a program that keeps `mebibytes` of anonymous memory, and waits until it has them.
void hold(ContractStage& stage, const Box& box, std::uint64_t mebibytes) {
  const std::uint64_t had = memory(stage, box.group).anonymous.value;
  MUST(shell_output(stage, box,
                    "vzload memory --grow " + std::to_string(mebibytes) +
                        "M --hold 1000 >/dev/null 2>&1 &"));
  BOOST_REQUIRE(eventually(stage, seconds(30), [&] {
    return memory(stage, box.group).anonymous.value >= had + mebibytes * kMebi;
  }));
}

/// Pages of a file of the box's own upper layer, in the cache.
void fill_cache(ContractStage& stage, const Box& box, std::uint64_t mebibytes) {
  const ExecOutcome written =
      load(stage, box, {"write", "/cache", "--bytes", std::to_string(mebibytes) + "M", "--sync"});
  BOOST_REQUIRE_MESSAGE(written.status.success(), written.err);
}

CASE(a_limit_kills_inside_its_group_only) {
  LIMITED_BOX(box, 48);
  const Box other = MUST(start_box(stage, "c2"));
  hold(stage, other, 40);
  BOOST_CHECK(was_killed(load(stage, box, {"memory", "--grow", "100M"})));
  BOOST_CHECK(memory(stage, box.group).oom_kills >= 1);
  BOOST_CHECK(memory(stage, box.group).limit_hits >= 1);
  BOOST_CHECK_EQUAL(memory(stage, other.group).oom_kills, 0);
  BOOST_CHECK(memory(stage, other.group).anonymous.value >= 40 * kMebi);
  BOOST_CHECK(MUST(stage.kernel().processes().alive(other.init)));
}

CASE(a_group_without_a_limit_is_not_killed) {
  const Box box = MUST(start_box(stage, "c1"));
  NEEDS(stage, memory_limit, stage.kernel().cgroups().set_memory(box.group, {}));
  MUST(stage.kernel().cgroups().set_memory(box.group, {}));
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "100M"}).status.success());
  BOOST_CHECK_EQUAL(memory(stage, box.group).oom_kills, 0);
}

CASE(a_kill_makes_room_for_the_next) {
  LIMITED_BOX(box, 48);
  BOOST_CHECK(was_killed(load(stage, box, {"memory", "--grow", "100M"})));
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "16M"}).status.success());
}

CASE(written_files_are_cache) {
  LIMITED_BOX(box, 128);
  const MemorySample before = memory(stage, box.group);
  fill_cache(stage, box, 24);
  const MemorySample after = memory(stage, box.group);
  BOOST_CHECK(after.cache.value >= before.cache.value + 20 * kMebi);
  BOOST_CHECK(after.anonymous.value <= before.anonymous.value + 8 * kMebi);
}

CASE(cache_goes_before_a_program_is_killed) {
  LIMITED_BOX(box, 64);
  fill_cache(stage, box, 48);
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "44M"}).status.success());
  BOOST_CHECK_EQUAL(memory(stage, box.group).oom_kills, 0);
}

CASE(files_larger_than_the_limit_can_be_written) {
  LIMITED_BOX(box, 32);
  fill_cache(stage, box, 96);
  const MemorySample after = memory(stage, box.group);
  BOOST_CHECK(after.usage.value <= 32 * kMebi);
  BOOST_CHECK_EQUAL(after.oom_kills, 0);
}

CASE(a_lowered_limit_reclaims_cache) {
  LIMITED_BOX(box, 128);
  fill_cache(stage, box, 64);
  BOOST_REQUIRE(memory(stage, box.group).usage.value > 40 * kMebi);
  MUST(stage.kernel().cgroups().set_memory(box.group, limited(24)));
  BOOST_CHECK(memory(stage, box.group).usage.value <= 24 * kMebi);
  BOOST_CHECK_EQUAL(memory(stage, box.group).oom_kills, 0);
}

CASE(a_refused_limit_changes_nothing) {
  LIMITED_BOX(box, 128);
  hold(stage, box, 40);
  REFUSED(stage.kernel().cgroups().set_memory(box.group, limited(16)), busy);
  BOOST_CHECK(memory(stage, box.group).anonymous.value >= 40 * kMebi);
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "40M"}).status.success());  // 128M still
  BOOST_CHECK_EQUAL(memory(stage, box.group).oom_kills, 0);
}

CASE(a_raised_or_lifted_limit_lets_more_in) {
  LIMITED_BOX(box, 32);
  BOOST_CHECK(was_killed(load(stage, box, {"memory", "--grow", "64M"})));
  MUST(stage.kernel().cgroups().set_memory(box.group, limited(128)));
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "64M"}).status.success());
  MUST(stage.kernel().cgroups().set_memory(box.group, {}));
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "192M"}).status.success());
}

CASE(oom_score_adj_is_inherited_and_shown) {
  const Box box = MUST(start_box(stage, "c1"));
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "cat /proc/self/oom_score_adj")), "0");
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box,
                                      "echo 300 > /proc/self/oom_score_adj; "
                                      "cat /proc/self/oom_score_adj")),
                    "300");
}

CASE(oom_score_adj_takes_a_thousand_at_most) {
  const Box box = MUST(start_box(stage, "c1"));
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box,
                                      "echo 1001 > /proc/self/oom_score_adj 2>/dev/null; "
                                      "cat /proc/self/oom_score_adj")),
                    "0");
}

/// A box in the group "outer/inner".
Box nested_box(ContractStage& stage, std::vector<std::string> argv) {
  for (const char* const group : {"outer", "outer/inner"})
    MUST(stage.kernel().cgroups().create({group}));
  Box box = MUST(make_root(stage, "c1"));
  box.group = {"outer/inner"};
  box.init = MUST(stage.kernel().processes().spawn(box_spec(box, std::move(argv))));
  return box;
}

CASE(the_limit_of_an_outer_group_holds_for_the_inner) {
  const Box box = nested_box(stage, {"/bin/sleep", "1000"});
  Cgroups& cgroups = stage.kernel().cgroups();
  NEEDS(stage, memory_limit, cgroups.set_memory({"outer"}, limited(48)));
  MUST(cgroups.set_memory({"outer"}, limited(48)));
  BOOST_CHECK(was_killed(load(stage, box, {"memory", "--grow", "100M"})));
  BOOST_CHECK(memory(stage, {"outer"}).peak.value <= 48 * kMebi);
}

CASE(an_outer_group_counts_the_memory_of_the_inner) {
  const Box box = nested_box(stage, {"/bin/vzload", "memory", "--grow", "20M", "--hold", "1000"});
  BOOST_CHECK(eventually(stage, seconds(20), [&] {
    return memory(stage, box.group).anonymous.value >= 20 * kMebi;
  }));
  BOOST_CHECK(memory(stage, {"outer"}).anonymous.value >= 20 * kMebi);
}

CASE(a_sample_adds_up) {
  LIMITED_BOX(box, 256);
  hold(stage, box, 24);
  fill_cache(stage, box, 24);
  // A kernel settles its counters per CPU now and then: to a few batches.
  constexpr std::uint64_t kSlack = 8 * kMebi;
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    const MemorySample now = memory(stage, box.group);
    const std::uint64_t parts =
        now.anonymous.value + now.cache.value + now.kernel.value_or(Bytes{0}).value;
    const auto [least, most] = std::minmax(parts, now.usage.value);
    return most - least <= kSlack;
  }));
}

CASE(the_peak_stays_when_memory_is_given_back) {
  LIMITED_BOX(box, 128);
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "64M"}).status.success());
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return memory(stage, box.group).anonymous.value < 16 * kMebi;
  }));
  BOOST_CHECK(memory(stage, box.group).peak.value >= 64 * kMebi);
}

CASE(nothing_is_swapped_where_swap_is_forbidden) {
  LIMITED_BOX(box, 48);
  static_cast<void>(load(stage, box, {"memory", "--grow", "100M"}));
  BOOST_CHECK_EQUAL(memory(stage, box.group).swap.value, 0);
}

CASE(swap_takes_what_does_not_fit) {
  const Box box = MUST(start_box(stage, "c1"));
  Cgroups& cgroups = stage.kernel().cgroups();
  const MemoryLimit limit{{48 * kMebi}, {64 * kMebi}};
  NEEDS(stage, swap_limit, cgroups.set_memory(box.group, limit));
  MUST(cgroups.set_memory(box.group, limit));
  const HostInfo host = MUST(stage.kernel().host().info());
  if (host.swap.value < 64 * kMebi) {
    // Without a swap device the limit of swap gives nothing: the memory limit kills.
    BOOST_CHECK(was_killed(load(stage, box, {"memory", "--grow", "80M"})));
    BOOST_CHECK_EQUAL(memory(stage, box.group).swap.value, 0);
    return;
  }
  hold(stage, box, 40);
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "40M"}).status.success());
  BOOST_CHECK_EQUAL(memory(stage, box.group).oom_kills, 0);
  BOOST_CHECK(memory(stage, box.group).swap.value > 0);
}

CASE(a_soft_bound_slows_down_and_kills_nobody) {
  const Box box = MUST(start_box(stage, "c1"));
  Cgroups& cgroups = stage.kernel().cgroups();
  const Bytes high{32 * kMebi};
  NEEDS(stage, memory_high, cgroups.set_memory_high(box.group, high));
  BOOST_CHECK_EQUAL(MUST(cgroups.set_memory_high(box.group, high)).value, high.value);
  Clock& clock = stage.kernel().clock();
  const Instant begin = clock.now();
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "36M"}).status.success());
  const Duration slow = clock.now() - begin;
  const MemorySample after = memory(stage, box.group);
  BOOST_CHECK_EQUAL(after.oom_kills, 0);
  BOOST_CHECK(after.high_hits.value_or(0) > 0);
  BOOST_CHECK_MESSAGE(slow > milliseconds(500), "took only " << slow.count() << " ns");
  MUST(cgroups.set_memory_high(box.group, {kUnlimited}));
  const Instant again = clock.now();
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "36M"}).status.success());
  BOOST_CHECK(clock.now() - again < slow);
}

CASE(a_soft_bound_is_rounded_and_lifted) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"g1"}));
  NEEDS(stage, memory_high, cgroups.set_memory_high({"g1"}, {kMebi}));
  BOOST_CHECK_EQUAL(MUST(cgroups.set_memory_high({"g1"}, {kMebi + 17})).value, kMebi);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_memory_high({"g1"}, {kUnlimited})).value, kUnlimited);
}

CASE(a_guarantee_is_rounded_and_lifted) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"g1"}));
  NEEDS(stage, memory_low, cgroups.set_memory_low({"g1"}, {kMebi}));
  BOOST_CHECK_EQUAL(MUST(cgroups.set_memory_low({"g1"}, {kMebi + 17})).value, kMebi);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_memory_low({"g1"}, {kUnlimited})).value, kUnlimited);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_memory_low({"g1"}, {0})).value, 0);
}

CASE(the_cache_of_others_goes_before_what_is_guaranteed) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"outer"}));
  NEEDS(stage, memory_low, cgroups.set_memory_low({"outer"}, {kMebi}));
  MUST(cgroups.set_memory({"outer"}, limited(120)));
  Box boxes[2];
  for (const int i : {0, 1}) {
    const std::string name = i == 0 ? "kept" : "other";
    boxes[i] = MUST(make_root(stage, name));
    boxes[i].group = {"outer/" + name};
    MUST(cgroups.create(boxes[i].group));
    SpawnSpec spec = box_spec(boxes[i], {"/bin/sleep", "1000"});
    boxes[i].init = MUST(stage.kernel().processes().spawn(spec));
  }
  MUST(cgroups.set_memory_low(boxes[0].group, {60 * kMebi}));
  fill_cache(stage, boxes[0], 48);
  const std::uint64_t had = memory(stage, boxes[0].group).cache.value;
  BOOST_REQUIRE(had >= 40 * kMebi);
  fill_cache(stage, boxes[1], 100);
  BOOST_CHECK(load(stage, boxes[1], {"memory", "--grow", "40M"}).status.success());
  BOOST_CHECK(memory(stage, boxes[0].group).cache.value >= had / 10 * 9);
  BOOST_CHECK_EQUAL(memory(stage, boxes[0].group).low_hits.value_or(1), 0);
  // When nothing else is left it goes as well, and nobody is killed for it.
  BOOST_CHECK(load(stage, boxes[1], {"memory", "--grow", "100M"}).status.success());
  BOOST_CHECK(memory(stage, boxes[0].group).cache.value < had / 10 * 9);
  BOOST_CHECK(memory(stage, boxes[0].group).low_hits.value_or(0) > 0);
  BOOST_CHECK_EQUAL(memory(stage, {"outer"}).oom_kills, 0);
}

/// A root over a layer with a file of 16 MiB that several such roots have in common.
Box box_on_layer(ContractStage& stage, const std::string& name) {
  Files& files = stage.kernel().files();
  const std::string layer = stage.scratch() + "/layer";
  MUST(files.make_directory(layer));
  if (!MUST(files.stat(layer + "/data")))
    MUST(files.write(layer + "/data", std::string(16 * kMebi, 'x')));
  Box box = MUST(make_root(stage, name, {layer}));
  MUST(stage.kernel().cgroups().create(box.group));
  box.init = MUST(stage.kernel().processes().spawn(box_spec(box, {"/bin/sleep", "1000"})));
  return box;
}

CASE(a_file_of_a_common_layer_is_cached_once) {
  const Box first = box_on_layer(stage, "c1");
  NEEDS(stage, memory_limit, stage.kernel().cgroups().set_memory(first.group, {}));
  const Box second = box_on_layer(stage, "c2");
  std::uint64_t before = 0;
  for (const Box* box : {&first, &second}) before += memory(stage, box->group).cache.value;
  for (const Box* box : {&first, &second}) MUST(shell_output(stage, *box, "cat /data >/dev/null"));
  // It belongs to whoever touched it first, which may be neither of them.
  constexpr std::uint64_t kSlack = 4 * kMebi;
  std::uint64_t after = 0;
  for (const Box* box : {&first, &second}) after += memory(stage, box->group).cache.value;
  BOOST_CHECK_MESSAGE(after <= before + 16 * kMebi + kSlack, after - before << " bytes for 16 MiB");
  // A copy of its own is private again.
  const std::uint64_t had = memory(stage, second.group).cache.value;
  MUST(shell_output(stage, second, "cat /data > /copy"));
  BOOST_CHECK(memory(stage, second.group).cache.value >= had + 12 * kMebi);
}

CASE(memory_bounds_need_their_group) {
  Cgroups& cgroups = stage.kernel().cgroups();
  REFUSED(cgroups.set_memory_low({"nobody"}, {kMebi}), not_found);
  REFUSED(cgroups.set_memory_low({"a//b"}, {kMebi}), invalid_argument);
  REFUSED(cgroups.set_memory_high({"nobody"}, {kMebi}), not_found);
  REFUSED(cgroups.set_memory_high({"a//b"}, {kMebi}), invalid_argument);
  REFUSED(cgroups.set_memory_nodes({"nobody"}, std::nullopt), not_found);
  REFUSED(cgroups.set_memory_nodes({"a//b"}, std::nullopt), invalid_argument);
}

CASE(memory_nodes_are_those_of_the_host) {
  const HostInfo host = MUST(stage.kernel().host().info());
  BOOST_REQUIRE(!host.memory_nodes.empty());
  std::vector<std::uint32_t> cpus;
  for (const MemoryNode& node : host.memory_nodes)
    cpus.insert(cpus.end(), node.cpus.cpus.begin(), node.cpus.cpus.end());
  std::ranges::sort(cpus);
  BOOST_CHECK(cpus == host.online_cpus.cpus);
}

CASE(memory_nodes_are_kept_and_lifted) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"g1"}));
  NEEDS(stage, cpuset, cgroups.set_memory_nodes({"g1"}, std::nullopt));
  const HostInfo host = MUST(stage.kernel().host().info());
  const CpuSet first{{host.memory_nodes.front().number}};
  BOOST_CHECK(MUST(cgroups.set_memory_nodes({"g1"}, first)) == first);
  BOOST_CHECK_EQUAL(MUST(cgroups.set_memory_nodes({"g1"}, std::nullopt)).cpus.size(),
                    host.memory_nodes.size());
}

CASE(a_memory_node_that_is_not_there_is_refused) {
  Cgroups& cgroups = stage.kernel().cgroups();
  MUST(cgroups.create({"g1"}));
  NEEDS(stage, cpuset, cgroups.set_memory_nodes({"g1"}, std::nullopt));
  REFUSED(cgroups.set_memory_nodes({"g1"}, CpuSet{{99}}), invalid_argument);
  REFUSED(cgroups.set_memory_nodes({"g1"}, CpuSet{}), invalid_argument);
}

CASE(programs_run_on_the_memory_nodes_of_their_group) {
  const Box box = MUST(start_box(stage, "c1"));
  Cgroups& cgroups = stage.kernel().cgroups();
  NEEDS(stage, cpuset, cgroups.set_memory_nodes(box.group, std::nullopt));
  const HostInfo host = MUST(stage.kernel().host().info());
  MUST(cgroups.set_memory_nodes(box.group, CpuSet{{host.memory_nodes.front().number}}));
  BOOST_CHECK(load(stage, box, {"memory", "--grow", "16M"}).status.success());
}

CASE(the_most_tasks_at_a_time_are_remembered) {
  const Box box = MUST(start_box(stage, "c1"));
  MUST(shell_output(stage, box, "sleep 0.2 & sleep 0.2 & sleep 0.2 & wait"));
  const CgroupSample sample = MUST(stage.kernel().cgroups().sample(box.group));
  if (!sample.pids_peak) return;  // before Linux 6.1
  BOOST_CHECK(*sample.pids_peak >= 4 && *sample.pids_peak >= sample.pids);
}

/// A box whose init may open 64 files.
Box box_of_64_files(ContractStage& stage) {
  Box box = MUST(make_box(stage, "c1"));
  SpawnSpec spec = box_spec(box, {"/bin/sleep", "1000"});
  spec.limits = {{ResourceLimit::Kind::open_files, 64, 64}};
  box.init = MUST(stage.kernel().processes().spawn(spec));
  return box;
}

CASE(open_files_are_limited_from_the_start) {
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box_of_64_files(stage), "ulimit -n")), "64");
}

CASE(more_open_files_than_the_limit_are_refused) {
  const Box box = box_of_64_files(stage);
  // Three of the 64 are the standard streams.
  BOOST_CHECK(load(stage, box, {"files", "--count", "61"}).status.success());
  const ExecOutcome refused = load(stage, box, {"files", "--count", "62"});
  BOOST_CHECK_EQUAL(refused.status.value, 1);
  BOOST_CHECK_MESSAGE(refused.err.find("after 61 files: Too many open files") != std::string::npos,
                      refused.err);
}

CASE(open_files_are_counted_for_each_process) {
  const Box box = box_of_64_files(stage);
  MUST(shell_output(stage, box,
                    "vzload files --count 50 --hold 1 >/dev/null & vzload files --count 50 && wait"));
}

}  // namespace

Area memory_area() {
  return {"memory", cases()};
}

}  // namespace twinhull::contract
