// What the runtime relies on: Checkpoints (spec F3.15, F3.29).
#include <algorithm>

#include "runtime/kernel/cgroups.h"
#include "runtime/kernel/checkpoints.h"
#include "runtime/kernel/contract/checks.h"
#include "runtime/kernel/contract/containers.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/links.h"

namespace twinhull::contract {
namespace {

std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
/// An init that counts up in /count, ten times a second.
const std::string kCount = "n=0; while true; do n=$((n+1)); echo $n >/count; sleep 0.1; done";

/// Where there are no checkpoints every call says so, and the case is over.
#define CHECKPOINTS(stage) \
  NEEDS(stage, checkpoint, \
        (stage).kernel().checkpoints().restore({"c1", "/no", {"no"}, "/no", {}, false}))

Box counting_box(ContractStage& stage, const std::string& name = "c1") {
  return MUST(start_box(stage, name, {"/bin/sh", "-c", kCount}));
}

int counted(ContractStage& stage, const Box& box) {
  // The writer cuts the file to nothing before it writes.
  for (int attempt = 0; attempt < 50; ++attempt) {
    const auto text = stage.kernel().files().read(box.root + "/count");
    if (text && !text->empty()) return std::stoi(*text);
    MUST(stage.kernel().clock().sleep(milliseconds(10)));
  }
  return 0;
}

bool counts_beyond(ContractStage& stage, const Box& box, int number) {
  return eventually(stage, seconds(10), [&] { return counted(stage, box) > number; });
}

std::string image_directory(ContractStage& stage, const std::string& name = "images") {
  const std::string path = stage.scratch() + "/" + name;
  MUST(stage.kernel().files().make_directory(path));
  return path;
}

DumpSpec to(const std::string& images, AfterDump after = AfterDump::kill) {
  DumpSpec spec;
  spec.images = images;
  spec.after = after;
  return spec;
}

RestoreSpec from(const std::string& images, const Box& box) {
  RestoreSpec spec;
  spec.label = box.label;
  spec.root = box.root;
  spec.cgroup = box.group;
  spec.images = images;
  return spec;
}

void wait_until_empty(ContractStage& stage, const Box& box) {
  BOOST_REQUIRE(eventually(stage, seconds(10), [&] {
    return MUST(stage.kernel().cgroups().processes(box.group)).empty();
  }));
}

CASE(a_dumped_container_goes_on_where_it_stood) {
  CHECKPOINTS(stage);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  Processes& processes = stage.kernel().processes();
  const Box box = counting_box(stage);
  BOOST_REQUIRE(counts_beyond(stage, box, 3));
  const std::string images = image_directory(stage);
  const DumpResult dumped = MUST(checkpoints.dump(box.init, to(images)));
  BOOST_CHECK_GE(dumped.scanned.value, 1);
  BOOST_CHECK(dumped.scanned >= dumped.written + dumped.skipped);
  BOOST_CHECK_EQUAL(dumped.skipped.value, 0);
  BOOST_CHECK_GT(dumped.images.value, 0);
  BOOST_CHECK_GT(dumped.frozen.count(), 0);
  MUST(processes.wait_gone(box.init, seconds(10)));
  BOOST_CHECK(!MUST(processes.find("c1")).has_value());
  wait_until_empty(stage, box);
  const int before = counted(stage, box);
  MUST(stage.kernel().clock().sleep(milliseconds(500)));
  BOOST_CHECK_EQUAL(counted(stage, box), before);

  const RestoreResult restored = MUST(checkpoints.restore(from(images, box)));
  BOOST_CHECK(MUST(processes.find("c1")) == restored.init);
  BOOST_CHECK(MUST(processes.alive(restored.init)));
  const auto inside = MUST(stage.kernel().cgroups().processes(box.group));
  BOOST_CHECK(std::ranges::find(inside, restored.init) != inside.end());
  BOOST_CHECK(counts_beyond(stage, box, before + 3));
  // It went on: one that began anew would not be so far.
  BOOST_CHECK_LT(counted(stage, box), before + 400 * stage.slowness());
}

CASE(numbers_inside_host_name_and_programs_stay) {
  CHECKPOINTS(stage);
  Box box = MUST(
      start_box(stage, "c1",
                {"/bin/sh", "-c", "sleep 1000 & echo $! >/child; while true; do sleep 0.1; done"}));
  BOOST_REQUIRE(eventually(stage, seconds(10), [&] {
    const auto text = stage.kernel().files().read(box.root + "/child");
    return text && text->ends_with('\n');
  }));
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images)));
  wait_until_empty(stage, box);
  box.init = MUST(stage.kernel().checkpoints().restore(from(images, box))).init;
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "hostname")), "c1");
  BOOST_CHECK_EQUAL(MUST(shell_output(stage, box, "kill -0 $(cat /child) && echo there")), "there");
  const std::string line = MUST(stage.kernel().processes().command_line(box.init));
  BOOST_CHECK_MESSAGE(line.find("sh") != std::string::npos, line);
}

CASE(a_dump_can_leave_it_running) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images, AfterDump::run)));
  BOOST_CHECK(MUST(stage.kernel().processes().find("c1")) == box.init);
  BOOST_CHECK(MUST(stage.kernel().cgroups().freeze_state(box.group)) == FreezeState::thawed);
  BOOST_CHECK(counts_beyond(stage, box, counted(stage, box) + 2));
}

CASE(a_dump_can_leave_it_frozen) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  BOOST_REQUIRE(counts_beyond(stage, box, 1));
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images, AfterDump::stay_frozen)));
  BOOST_CHECK(MUST(stage.kernel().processes().alive(box.init)));
  BOOST_CHECK(MUST(stage.kernel().cgroups().freeze_state(box.group)) == FreezeState::frozen);
  const int held = counted(stage, box);
  MUST(stage.kernel().clock().sleep(milliseconds(500)));
  BOOST_CHECK_EQUAL(counted(stage, box), held);
  MUST(stage.kernel().cgroups().thaw(box.group));
  BOOST_CHECK(counts_beyond(stage, box, held + 2));
}

CASE(a_frozen_container_can_be_dumped) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  BOOST_REQUIRE(counts_beyond(stage, box, 1));
  MUST(stage.kernel().cgroups().freeze(box.group));
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images, AfterDump::stay_frozen)));
  BOOST_CHECK(MUST(stage.kernel().cgroups().freeze_state(box.group)) == FreezeState::frozen);
  MUST(stage.kernel().cgroups().thaw(box.group));
  BOOST_CHECK(counts_beyond(stage, box, counted(stage, box) + 2));
}

CASE(a_restored_container_can_wait_frozen) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  BOOST_REQUIRE(counts_beyond(stage, box, 1));
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images)));
  wait_until_empty(stage, box);
  const int held = counted(stage, box);
  RestoreSpec spec = from(images, box);
  spec.frozen = true;
  MUST(stage.kernel().checkpoints().restore(spec));
  BOOST_CHECK(MUST(stage.kernel().cgroups().freeze_state(box.group)) == FreezeState::frozen);
  MUST(stage.kernel().clock().sleep(milliseconds(500)));
  BOOST_CHECK_EQUAL(counted(stage, box), held);
  MUST(stage.kernel().cgroups().thaw(box.group));
  BOOST_CHECK(counts_beyond(stage, box, held + 2));
}

CASE(memory_is_in_the_images_and_comes_back) {
  CHECKPOINTS(stage);
  Cgroups& cgroups = stage.kernel().cgroups();
  const Box box = counting_box(stage);
  MUST(shell_output(stage, box, "vzload memory --grow 32M --hold 1000 >/dev/null 2>&1 &"));
  BOOST_REQUIRE(eventually(stage, seconds(30), [&] {
    return MUST(cgroups.sample(box.group)).memory.anonymous.value >= 32 * kMebi;
  }));
  const std::string images = image_directory(stage);
  const DumpResult dumped = MUST(stage.kernel().checkpoints().dump(box.init, to(images)));
  BOOST_CHECK_GE(to_bytes(dumped.written).value, 32 * kMebi);
  BOOST_CHECK_GE(dumped.images.value, 32 * kMebi);
  BOOST_CHECK_GE(MUST(stage.kernel().files().measure_tree(images)).bytes.value, 32 * kMebi);
  wait_until_empty(stage, box);
  MUST(stage.kernel().checkpoints().restore(from(images, box)));
  // The kernel adds its counters up now and then.
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return MUST(cgroups.sample(box.group)).memory.anonymous.value >= 32 * kMebi;
  }));
}

CASE(images_that_need_not_be_durable_serve_as_well) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  BOOST_REQUIRE(counts_beyond(stage, box, 3));
  DumpSpec spec = to(image_directory(stage));
  spec.durable = false;
  const DumpResult dumped = MUST(stage.kernel().checkpoints().dump(box.init, spec));
  BOOST_CHECK(MUST(stage.kernel().files().measure_tree(spec.images)).bytes >= dumped.images);
  wait_until_empty(stage, box);
  const int before = counted(stage, box);
  MUST(stage.kernel().checkpoints().restore(from(spec.images, box)));
  BOOST_CHECK(counts_beyond(stage, box, before + 3));
}

CASE(images_serve_more_than_once) {
  CHECKPOINTS(stage);
  Box box = counting_box(stage);
  BOOST_REQUIRE(counts_beyond(stage, box, 3));
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images)));
  for (int i = 0; i < 2; ++i) {
    wait_until_empty(stage, box);
    const int held = counted(stage, box);
    box.init = MUST(stage.kernel().checkpoints().restore(from(images, box))).init;
    BOOST_CHECK(counts_beyond(stage, box, 3));
    static_cast<void>(held);
    MUST(stage.kernel().processes().signal(box.init, Signal::kill));
    MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  }
}

CASE(dump_refuses_what_is_not_there) {
  CHECKPOINTS(stage);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  const Box box = counting_box(stage);
  REFUSED(checkpoints.dump(box.init, to(stage.scratch() + "/no")), not_found);
  const std::string images = image_directory(stage);
  MUST(stage.kernel().files().write(images + "/other", "x"));
  REFUSED(checkpoints.dump(box.init, to(images)), not_empty);
  MUST(stage.kernel().files().remove(images + "/other"));
  BOOST_CHECK(counts_beyond(stage, box, counted(stage, box)));
  MUST(stage.kernel().processes().signal(box.init, Signal::kill));
  MUST(stage.kernel().processes().wait_gone(box.init, seconds(10)));
  REFUSED(checkpoints.dump(box.init, to(images)), not_running);
}

CASE(restore_refuses_what_is_not_there) {
  CHECKPOINTS(stage);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  const Box box = counting_box(stage);
  const std::string images = image_directory(stage);
  MUST(checkpoints.dump(box.init, to(images)));
  wait_until_empty(stage, box);
  RestoreSpec spec = from(images, box);
  spec.root = stage.scratch() + "/no";
  REFUSED(checkpoints.restore(spec), not_found);
  spec = from(images, box);
  spec.cgroup = {"no-such-group"};
  REFUSED(checkpoints.restore(spec), not_found);
  REFUSED(checkpoints.restore(from(stage.scratch() + "/no", box)), not_found);
  BOOST_CHECK(MUST(stage.kernel().processes().list()).empty());
  BOOST_CHECK(MUST(stage.kernel().cgroups().processes(box.group)).empty());
  MUST(checkpoints.restore(from(images, box)));
}

CASE(restore_refuses_a_label_in_use) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images, AfterDump::run)));
  REFUSED(stage.kernel().checkpoints().restore(from(images, box)), already_running);
  BOOST_CHECK(MUST(stage.kernel().processes().find("c1")) == box.init);
}

CASE(half_images_are_refused) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  const std::string images = image_directory(stage);
  REFUSED(stage.kernel().checkpoints().restore(from(images, box)), already_running);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images)));
  wait_until_empty(stage, box);
  CHANGED(stage.kernel().files().remove(images + "/inventory.img"));
  REFUSED(stage.kernel().checkpoints().restore(from(images, box)), corrupt);
  REFUSED(stage.kernel().checkpoints().restore(from(image_directory(stage, "empty"), box)),
          corrupt);
  BOOST_CHECK(MUST(stage.kernel().processes().list()).empty());
}

CASE(an_open_file_that_is_gone_refuses_the_restore) {
  CHECKPOINTS(stage);
  Box box = MUST(make_box(stage, "c1"));
  SpawnSpec spec = box_spec(box, {"/bin/sh", "-c", kCount});
  spec.console_log = "/log";
  box.init = MUST(stage.kernel().processes().spawn(spec));
  BOOST_REQUIRE(counts_beyond(stage, box, 1));
  MUST(stage.kernel().files().append(box.root + "/log", "said\n"));
  const std::string images = image_directory(stage);
  MUST(stage.kernel().checkpoints().dump(box.init, to(images)));
  wait_until_empty(stage, box);
  CHANGED(stage.kernel().files().remove(box.root + "/log"));
  REFUSED(stage.kernel().checkpoints().restore(from(images, box)), failed);
  BOOST_CHECK(MUST(stage.kernel().processes().list()).empty());
  BOOST_CHECK(MUST(stage.kernel().cgroups().processes(box.group)).empty());
}

// --- network -------------------------------------------------------------------------------------

IpPrefix prefix(const std::string& text) {
  return IpPrefix::parse(text).value();
}

/// Port of the bridge th-br0; 10.9.2.N inside.
void connect(ContractStage& stage, const std::string& device) {
  Links& links = stage.kernel().links();
  MUST(links.set_bridge(device, "th-br0"));
  MUST(links.set_up(NetScope::node(), device, true));
}

Box bridged_box(ContractStage& stage, const std::string& name, const std::string& address) {
  Links& links = stage.kernel().links();
  MUST(links.create_bridge("th-br0"));
  MUST(links.set_up(NetScope::node(), "th-br0", true));
  const Box box = counting_box(stage, name);
  const NetScope inside = NetScope::of(box.init);
  MUST(links.create_veth({"th-" + name, inside, "venet0", "", ""}));
  connect(stage, "th-" + name);
  MUST(links.set_up(inside, "lo", true));
  MUST(links.set_up(inside, "venet0", true));
  MUST(links.add_address(inside, "venet0", prefix(address + "/24")));
  return box;
}

CASE(devices_addresses_and_routes_come_back) {
  CHECKPOINTS(stage);
  Links& links = stage.kernel().links();
  Box box = bridged_box(stage, "c1", "10.9.2.1");
  MUST(links.add_route(NetScope::of(box.init), {prefix("10.9.3.0/24"), "venet0", std::nullopt}));
  const std::string images = image_directory(stage);
  DumpSpec dump = to(images);
  REFUSED(stage.kernel().checkpoints().dump(box.init, dump), invalid_argument);
  dump.devices = {{"venet0", "th-c1"}};
  MUST(stage.kernel().checkpoints().dump(box.init, dump));
  wait_until_empty(stage, box);
  BOOST_REQUIRE(eventually(stage, seconds(10), [&] {
    return !MUST(links.find(NetScope::node(), "th-c1")).has_value();
  }));
  RestoreSpec restore = from(images, box);
  restore.devices = {{"venet0", "th-new"}};
  box.init = MUST(stage.kernel().checkpoints().restore(restore)).init;
  const NetScope inside = NetScope::of(box.init);
  const auto device = MUST(links.find(inside, "venet0"));
  BOOST_REQUIRE(device.has_value());
  BOOST_CHECK(device->up);
  BOOST_CHECK(std::ranges::find(device->addresses, prefix("10.9.2.1/24")) !=
              device->addresses.end());
  const auto routes = MUST(links.routes(inside));
  BOOST_CHECK(std::ranges::any_of(
      routes, [](const Route& route) { return route.destination == prefix("10.9.3.0/24"); }));
  BOOST_CHECK(MUST(links.find(NetScope::node(), "th-new")).has_value());
  connect(stage, "th-new");
  const Box other = bridged_box(stage, "c2", "10.9.2.2");
  BOOST_CHECK(MUST(shell(stage, other, "ping -c 1 -W 3 10.9.2.1")).status.success());
}

CASE(a_connection_goes_on_in_the_restored_container) {
  CHECKPOINTS(stage);
  Box server = bridged_box(stage, "c1", "10.9.2.1");
  const Box client = bridged_box(stage, "c2", "10.9.2.2");
  MUST(shell_output(stage, server, "vzload serve 5001 --for 1000 >/dev/null 2>&1 &"));
  MUST(stage.kernel().clock().sleep(milliseconds(300)));
  MUST(shell_output(stage, client,
                    "vzload send 10.9.2.1 5001 --bytes 8M --rate 2M >/sent 2>/error &"));
  MUST(stage.kernel().clock().sleep(seconds(1)));
  const std::string images = image_directory(stage);
  DumpSpec dump = to(images);
  dump.devices = {{"venet0", "th-c1"}};
  MUST(stage.kernel().checkpoints().dump(server.init, dump));
  wait_until_empty(stage, server);
  BOOST_REQUIRE(eventually(stage, seconds(10), [&] {
    return !MUST(stage.kernel().links().find(NetScope::node(), "th-c1")).has_value();
  }));
  RestoreSpec restore = from(images, server);
  restore.devices = {{"venet0", "th-c1"}};
  server.init = MUST(stage.kernel().checkpoints().restore(restore)).init;
  connect(stage, "th-c1");
  BOOST_CHECK(eventually(stage, seconds(30), [&] {
    const auto sent = stage.kernel().files().read(client.root + "/sent");
    return sent && sent->find("\"bytes\":8388608,") != std::string::npos;
  }));
  const auto error = stage.kernel().files().read(client.root + "/error");
  BOOST_CHECK_EQUAL(error ? *error : std::string(), "");
}

// --- surveys -------------------------------------------------------------------------------------

CASE(a_survey_tells_what_a_dump_would_meet) {
  CHECKPOINTS(stage);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  const Box box = counting_box(stage);
  MUST(shell_output(stage, box,
                    "vzload memory --grow 32M --hold 1000 --dirty 4M --pattern sequential "
                    ">/dev/null 2>&1 &"));
  BOOST_REQUIRE(eventually(stage, seconds(30), [&] {
    return MUST(stage.kernel().cgroups().sample(box.group)).memory.anonymous.value >= 32 * kMebi;
  }));
  MUST(stage.kernel().clock().sleep(milliseconds(300)));
  const Survey quick = MUST(checkpoints.survey(box.init, Duration{0}));
  BOOST_CHECK(quick.hindrances.empty());
  BOOST_CHECK(!quick.changed.has_value());
  BOOST_CHECK_GE(quick.tasks, 2U);
  BOOST_CHECK_GE(quick.descriptors, 3U * quick.tasks);
  BOOST_CHECK_GE(to_bytes(quick.held).value, 32 * kMebi);
  BOOST_CHECK_LT(to_bytes(quick.held).value, 48 * kMebi);
  const Survey watched = MUST(checkpoints.survey(box.init, seconds(1)));
  const bool tracks = MUST(stage.kernel().host().supports(Feature::dirty_tracking)).available;
  BOOST_CHECK_EQUAL(watched.changed.has_value(), tracks);
  if (watched.changed) {
    BOOST_CHECK_GE(to_bytes(*watched.changed).value, 2 * kMebi);
    BOOST_CHECK_LT(to_bytes(*watched.changed).value, 16 * kMebi);
  }
  BOOST_CHECK(counts_beyond(stage, box, counted(stage, box)));
}

CASE(a_survey_of_what_is_gone_is_refused) {
  CHECKPOINTS(stage);
  const Box box = counting_box(stage);
  MUST(stage.kernel().cgroups().kill_all(box.group));
  wait_until_empty(stage, box);
  REFUSED(stage.kernel().checkpoints().survey(box.init, Duration{0}), not_running);
}

// --- pre-copy ------------------------------------------------------------------------------------

CASE(rounds_write_what_changed) {
  CHECKPOINTS(stage);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  const Box box = counting_box(stage);
  NEEDS(stage, dirty_tracking, checkpoints.pre_dump(box.init, {image_directory(stage), ""}));
  MUST(shell_output(stage, box,
                    "vzload memory --grow 32M --hold 1000 --dirty 400K --pattern sequential "
                    ">/dev/null 2>&1 &"));
  BOOST_REQUIRE(eventually(stage, seconds(30), [&] {
    return MUST(stage.kernel().cgroups().sample(box.group)).memory.anonymous.value >= 32 * kMebi;
  }));
  MUST(stage.kernel().clock().sleep(milliseconds(300)));
  const std::string first = image_directory(stage, "r1"), second = image_directory(stage, "r2"),
                    last = image_directory(stage, "r3");
  const DumpResult one = MUST(checkpoints.pre_dump(box.init, {first, ""}));
  BOOST_CHECK_GE(to_bytes(one.written).value, 32 * kMebi);
  BOOST_CHECK_EQUAL(one.skipped.value, 0);
  MUST(stage.kernel().clock().sleep(seconds(1)));
  const DumpResult two = MUST(checkpoints.pre_dump(box.init, {second, first}));
  BOOST_CHECK_GT(two.written.value, 0);
  BOOST_CHECK_LT(to_bytes(two.written).value, 16 * kMebi);
  BOOST_CHECK_GE(to_bytes(two.skipped).value, 16 * kMebi);
  BOOST_CHECK(counts_beyond(stage, box, counted(stage, box)));  // it never stopped for long
  DumpSpec spec = to(last);
  spec.parent = second;
  const DumpResult three = MUST(checkpoints.dump(box.init, spec));
  BOOST_CHECK_LT(to_bytes(three.written).value, 16 * kMebi);
  wait_until_empty(stage, box);
  MUST(checkpoints.restore(from(last, box)));
  BOOST_CHECK(eventually(stage, seconds(10), [&] {
    return MUST(stage.kernel().cgroups().sample(box.group)).memory.anonymous.value >= 32 * kMebi;
  }));
}

CASE(a_missing_parent_is_refused) {
  CHECKPOINTS(stage);
  Checkpoints& checkpoints = stage.kernel().checkpoints();
  const Box box = counting_box(stage);
  NEEDS(stage, dirty_tracking, checkpoints.pre_dump(box.init, {image_directory(stage), ""}));
  const std::string first = image_directory(stage, "r1"), last = image_directory(stage, "r2");
  MUST(checkpoints.pre_dump(box.init, {first, ""}));
  DumpSpec spec = to(last);
  spec.parent = stage.scratch() + "/no";
  REFUSED(checkpoints.dump(box.init, spec), not_found);
  BOOST_CHECK(counts_beyond(stage, box, counted(stage, box)));
  spec.images = image_directory(stage, "r3");
  spec.parent = first;
  MUST(checkpoints.dump(box.init, spec));
  wait_until_empty(stage, box);
  MUST(stage.kernel().files().remove_tree(first));
  REFUSED(checkpoints.restore(from(spec.images, box)), corrupt);
}

}  // namespace

Area checkpoints_area() {
  return {"checkpoints", cases()};
}

}  // namespace twinhull::contract
