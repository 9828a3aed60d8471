// The file format of a world: magic, version, length, checksum, payload.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <exception>

#include "backends/sim/world_impl.h"

namespace twinhull::sim {
namespace {

constexpr char kMagic[8] = {'T', 'W', 'I', 'N', 'H', 'U', 'L', 'L'};
constexpr std::uint32_t kVersion = 9;
// magic, version, reserved, length, checksum
constexpr std::size_t kHeaderSize = sizeof kMagic + 4 + 4 + 8 + 8;

Error corrupt(std::string_view detail) {
  return fail(ErrorCode::corrupt, "world.load", "world file", detail)
      .with_hint("restore a copy of the file, or begin a new world (vzsim reset)");
}

template <typename Archive>
void archive_spec(Archive& archive, NodeSpec& spec) {
  archive(spec.name, spec.cpus, spec.cpu_mhz, spec.cpu_features, spec.memory, spec.swap, spec.disk, spec.inodes,
          spec.disk_bandwidth, spec.memory_nodes, spec.disk_iops, spec.lazy_pages, spec.kernel);
}

template <typename Archive>
void archive_link(Archive& archive, LinkSpec& spec) {
  archive(spec.a, spec.b, spec.bandwidth, spec.latency, spec.loss_per_million);
}

}  // namespace

std::string World::Impl::save() const {
  std::string payload;
  SaveArchive archive(payload);
  state.engine.save(archive);
  archive(static_cast<std::uint32_t>(state.nodes.size()));
  for (const auto& node : state.nodes) {
    NodeSpec spec = node->spec;
    archive_spec(archive, spec);
  }
  archive(static_cast<std::uint32_t>(state.cables.size()));
  for (const Cable& cable : state.cables) {
    LinkSpec spec = cable.spec;
    archive_link(archive, spec);
    archive(cable.up);
  }
  for (const auto& node : state.nodes) {
    archive(node->boot, node->powered, node->booted_at, node->occupied);
  }
  for (const auto& node : state.nodes) {
    for (const NodePart* part : node->parts()) part->save(archive);
  }
  archive(static_cast<std::uint32_t>(state.life_events.size()));
  for (const LifeEvent& event : state.life_events) {
    archive(event.at, event.node, event.label, event.up);
  }
  archive(next_command, static_cast<std::uint32_t>(commands.size()));
  for (const auto& [id, command] : commands) archive(id, command.node, command.result.value_or(0));

  std::string file(kHeaderSize, '\0');
  std::memcpy(file.data(), kMagic, sizeof kMagic);
  const std::uint64_t length = payload.size();
  const std::uint64_t checksum = XXH3_64bits(payload.data(), payload.size());
  std::memcpy(file.data() + 8, &kVersion, 4);
  std::memcpy(file.data() + 16, &length, 8);
  std::memcpy(file.data() + 24, &checksum, 8);
  file += payload;
  return file;
}

void World::Impl::load_payload(LoadArchive& archive) {
  state.engine.load(archive);
  const Instant now = state.engine.now();
  const std::uint64_t digest_before = state.engine.digest();
  std::uint32_t count = 0;
  archive(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    NodeSpec spec;
    archive_spec(archive, spec);
    require_sane(bool(add_node(spec)), "a node is impossible");
  }
  archive(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    LinkSpec spec;
    bool up = true;
    archive_link(archive, spec);
    archive(up);
    require_sane(bool(add_link(spec)), "a link is impossible");
    state.cables.back().up = up;
  }
  // Building noted and may have scheduled things: nothing of it counts.
  state.engine.restart_from(digest_before);
  for (const auto& node : state.nodes) {
    archive(node->boot, node->powered, node->booted_at, node->occupied);
    require_sane(node->boot != 0 && node->booted_at >= Instant{} && node->booted_at <= now &&
                     node->occupied.value <= std::uint64_t{1} << 58U,
                 "a node's boot or disk is impossible");
  }
  for (const auto& node : state.nodes) {
    for (NodePart* part : node->parts()) part->load(archive);
  }
  for (const auto& node : state.nodes) boot_kernel(*node);  // of the saved boot
  archive(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    LifeEvent event;
    archive(event.at, event.node, event.label, event.up);
    require_sane(event.at <= now, "an event lies in the future");
    state.life_events.push_back(std::move(event));
  }
  archive(next_command, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    CommandId id = 0;
    Command command;
    int result = 0;
    archive(id, command.node, result);
    require_sane(id != 0 && id < next_command && command.node < state.nodes.size(),
                 "a command is impossible");
    command.result = result;
    commands.insert_or_assign(id, command);
  }
  require_sane(archive.remaining() == 0, "something follows the end");
}

Result<std::unique_ptr<World>> World::load(std::string_view bytes) {
  if (bytes.size() < kHeaderSize || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return corrupt("this is no world file");
  }
  std::uint32_t version = 0;
  std::uint64_t length = 0;
  std::uint64_t checksum = 0;
  std::memcpy(&version, bytes.data() + 8, 4);
  std::memcpy(&length, bytes.data() + 16, 8);
  std::memcpy(&checksum, bytes.data() + 24, 8);
  if (version != kVersion) {
    return fail(ErrorCode::protocol, "world.load", "world file",
                "it was written by another version of the simulator")
        .with_amounts(version, std::nullopt, kVersion)
        .with_hint("begin a new world (vzsim reset), or use the program that wrote it");
  }
  const std::string_view payload = bytes.substr(kHeaderSize);
  if (payload.size() != length || XXH3_64bits(payload.data(), payload.size()) != checksum) {
    return corrupt("its checksum does not match its content");
  }
  try {
    auto impl = std::make_unique<Impl>(0);
    LoadArchive archive(payload);
    impl->load_payload(archive);
    std::unique_ptr<World> world(new World(std::move(impl)));
    if (Status checked = world->check(); !checked) return corrupt(checked.error().detail);
    return world;
  } catch (const std::exception& error) {  // CorruptWorld, and what the library throws
    return corrupt(error.what());
  }
}

}  // namespace twinhull::sim
