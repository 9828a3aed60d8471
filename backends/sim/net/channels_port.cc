// The Channels port of a simulated node: connections between commands and services of two nodes.
#include <algorithm>
#include <deque>

#include "backends/sim/cpu/rate.h"
#include "backends/sim/files/view.h"
#include "backends/sim/net/channel_update.h"
#include "backends/sim/net/net_model.h"

namespace twinhull::sim {
namespace {

constexpr std::size_t kMostMessage = std::size_t{16} << 20;
constexpr std::uint64_t kInodeOverhead = 512;  ///< wire bytes of one archive header
constexpr std::uint64_t kManifestEntry = 75;  ///< wire bytes of one entry of a manifest
constexpr Duration kConnectTime = milliseconds(50);  ///< a service on the peer is started

/// Something on its way to one end.
struct Item {
  enum class Kind : std::uint8_t { message, wish, manifest, tree, answer } kind = Kind::message;
  Instant arrives{};
  std::string text;
  std::shared_ptr<const TreeImage> tree;  ///< what is sent; of a manifest: what is there
  bool update = false;
  bool durable = true;
  bool digests = false;  ///< of a wish: contents are read for the manifest
  TransferResult result;
  std::optional<Error> refusal;
  Instant began{};
};

/// What both ends share. `ends[i]` is what end i will receive.
struct Connection {
  struct End {
    std::uint32_t node = 0;
    std::uint64_t boot = 0;
    std::deque<Item> inbox;
    Instant last{};        ///< arrival of the latest item sent to here
    bool closed = false;   ///< this end was closed in order
    bool reset = false;    ///< this end's process vanished
    WaitQueue ready;
  };
  End ends[2];
  std::string peer;
};

class SimChannel final : public Channel {
 public:
  SimChannel(NodeGate gate, std::shared_ptr<Connection> connection, std::size_t side)
      : gate_(gate), connection_(std::move(connection)), side_(side) {}

  ~SimChannel() override {
    if (own().closed) return;
    Engine& engine = gate_.node().engine;
    const Fiber* fiber = engine.current();
    const bool lives = gate_.node().powered && gate_.node().boot == gate_.boot();
    if (lives && (fiber == nullptr || !fiber->killed)) {
      own().closed = true;
    } else if (lives) {
      own().reset = true;  // the kernel resets a dead process's connections
    }  // after a power cut there is only silence
    wake_other();
  }

  Status send(std::string_view message) override {
    constexpr std::string_view kCall = "channel.send";
    TH_TRY(usable(kCall));
    if (message.size() > kMostMessage) {
      return fail(ErrorCode::invalid_argument, kCall, connection_->peer,
                  "a message holds at most 16 MiB")
          .with_amounts(message.size(), {}, kMostMessage);
    }
    Item item;
    item.text = std::string(message);
    gate_.node().engine.note(kCall, connection_->peer, {message.size()});
    return post(kCall, std::move(item), message.size());
  }

  Result<std::optional<std::string>> receive(Duration timeout) override {
    constexpr std::string_view kCall = "channel.receive";
    TH_TRY(usable(kCall));
    TH_ASSIGN(std::optional<Item> item, take(kCall, timeout));
    if (!item) return std::optional<std::string>();
    if (item->kind != Item::Kind::message) {
      return fail(ErrorCode::protocol, kCall, connection_->peer, "a tree came instead of a message");
    }
    return std::optional(std::move(item->text));
  }

  Result<TransferResult> send_tree(const std::string& path, const TransferOptions& options) override {
    constexpr std::string_view kCall = "channel.send_tree";
    TH_TRY(usable(kCall));
    if (options.author != nullptr) return send_growing(path, options);
    Node& node = gate_.node();
    TH_ASSIGN(const auto image, export_tree(node, path, options.hollow));
    Item item;
    item.kind = Item::Kind::tree;
    item.began = node.engine.now();
    item.tree = image;
    item.update = options.update;
    item.durable = options.durable;
    TreeDifference moved = whole_of(*image);
    std::uint64_t manifest_wire = 0;
    if (options.update) {
      TH_ASSIGN(const auto have, ask_manifest(kCall, path, !options.unchanged_before));
      // Contents are compared: this end reads all of its tree too.
      if (!options.unchanged_before)
        TH_TRY(gate_.work(charge_disk(node, image->size.bytes), kCall, path));
      moved = difference_of(*have, *image);
      manifest_wire = have->entries.size() * kManifestEntry;
    }
    item.result.size = size_of(*image);
    item.result.sent = moved.sent;
    item.result.removed = moved.removed;
    item.result.digest = moved.digest;
    const std::uint64_t stream = (options.compress ? moved.packed : moved.sent.bytes.value) +
                                 moved.headers * kInodeOverhead;
    item.result.wire = {manifest_wire + stream};
    TH_TRY(carry(stream, options.rate, kCall, path));
    return hand_over(std::move(item), kCall, path);
  }

  Result<TransferResult> receive_tree(const std::string& path) override {
    constexpr std::string_view kCall = "channel.receive_tree";
    TH_TRY(usable(kCall));
    Node& node = gate_.node();
    TH_ASSIGN(std::optional<Item> item, take(kCall, std::nullopt));
    if (item && item->kind == Item::Kind::wish) {
      TH_TRY(answer_manifest(kCall, path, item->digests));
      TH_ASSIGN(item, take(kCall, std::nullopt));
    }
    if (!item) return lost(kCall, "the peer closed the connection");
    if (item->kind != Item::Kind::tree) {
      return fail(ErrorCode::protocol, kCall, connection_->peer, "a message came instead of a tree");
    }
    if (item->refusal) {
      return fail(item->refusal->code, kCall, path, "the peer's tree was never complete")
          .caused_by(*item->refusal);
    }
    // The disk wrote while the cable brought; only what it still has to do keeps it busy from now on.
    // Nobody waits for it when the tree need not be durable.
    const auto passed = static_cast<std::uint64_t>((node.engine.now() - item->began).count());
    const UInt128 written =
        static_cast<UInt128>(passed) * node.spec.disk_bandwidth.value / 1'000'000'000;
    const std::uint64_t bytes = item->result.sent.bytes.value;
    const std::uint64_t left = written < bytes ? bytes - static_cast<std::uint64_t>(written) : 0;
    if (left > 0 && item->durable) TH_TRY(gate_.work(charge_disk(node, {left}), kCall, path));
    if (item->update) {
      // The end of an update is the same as that of a fresh tree; what it moved was counted.
      const FileView view(node, FileRoot{});
      if (const auto names = view.list(path))
        for (const auto& entry : *names) TH_TRY(view.remove_tree(path + "/" + entry.name));
    }
    const Status kept = import_tree(node, path, *item->tree, item->durable);
    Item answer;
    answer.kind = Item::Kind::answer;
    if (!kept) answer.refusal = kept.error();
    node.engine.note(kCall, path, {item->result.wire.value, kept ? 1U : 0U});
    const Status answered = post(kCall, std::move(answer), 64);
    if (!kept) return kept.error();
    TH_TRY(answered);
    return item->result;
  }

  void close() override {
    if (own().closed || !gate_.enter("channel.close", connection_->peer)) return;
    own().closed = true;
    wake_other();
  }

 private:
  Connection::End& own() { return connection_->ends[side_]; }
  Connection::End& other() { return connection_->ends[1 - side_]; }

  /// The other end looks at this one, also in the middle of a tree that it sends.
  void wake_other() {
    other().ready.wake_all();
    net_of(*gate_.node().world.nodes[other().node]).flows_changed().wake_all();
  }

  /// Sets `total` bytes on their way to the peer, beside what else goes there: 0 where both ends are on
  /// one node, which has no such ways.
  Result<std::uint64_t> start_carrying(std::uint64_t total, std::optional<BytesPerSecond> rate,
                                       std::string_view call) {
    Node& node = gate_.node();
    if (other().node == node.index) return std::uint64_t{0};
    NetFlow flow;
    flow.destination = net_of(*node.world.nodes[other().node]).uplink_address();
    flow.total = std::max<std::uint64_t>(total, 1);
    if (rate) flow.most_rate = std::max<std::uint64_t>(rate->value, 1);
    TH_TRY(wait_for_way(call));
    auto started = net_of(node).start_flow(std::move(flow));
    if (!started) return lost(call, started.error().detail);
    return started;
  }

  /// Whether all of it has crossed. Errors: connection_lost; the flow is over then.
  Result<bool> has_carried(std::uint64_t flow, std::string_view call) {
    if (flow == 0) return true;
    Node& node = gate_.node();
    const NetFlow* now = net_of(node).find_flow(flow);
    if (now == nullptr || now->lost || other().reset || other().closed || peer_rebooted()) {
      net_of(node).end_flow(flow);
      return lost(call, "the connection broke in the middle of a tree");
    }
    return now->done;
  }

  Status finish_carrying(std::uint64_t flow, std::string_view call, const std::string& path) {
    Node& node = gate_.node();
    while (true) {
      TH_ASSIGN(const bool done, has_carried(flow, call));
      if (done) break;
      const Status waited = gate_.wait(net_of(node).flows_changed(), std::nullopt, call, path);
      if (waited) continue;
      stop_carrying(flow, call, path);
      return waited;
    }
    if (flow != 0) net_of(node).end_flow(flow);
    return {};
  }

  /// After an error; a node that is off has no flows.
  void stop_carrying(std::uint64_t flow, std::string_view call, const std::string& path) {
    if (flow != 0 && (gate_.enter(call, path) || gate_.node().boot == gate_.boot()))
      net_of(gate_.node()).end_flow(flow);
  }

  Status carry(std::uint64_t total, std::optional<BytesPerSecond> rate, std::string_view call,
               const std::string& path) {
    if (other().node == gate_.node().index) {
      const std::uint64_t speed =
          rate ? std::max<std::uint64_t>(rate->value, 1) : std::uint64_t{1'000'000'000};
      return gate_.work(Duration(static_cast<std::int64_t>(static_cast<UInt128>(total) *
                                                           1'000'000'000 / speed)),
                        call, path);
    }
    TH_ASSIGN(const std::uint64_t flow, start_carrying(total, rate, call));
    return finish_carrying(flow, call, path);
  }

  /// All of the tree has crossed: the other end says whether it could keep it.
  Result<TransferResult> hand_over(Item item, std::string_view call, const std::string& path) {
    const TransferResult result = item.result;
    gate_.node().engine.note(call, path, {result.wire.value, hash_text(result.digest)});
    TH_TRY(post(call, std::move(item), 0));
    TH_ASSIGN(const std::optional<Item> answer, take(call, seconds(3600)));
    if (!answer) return lost(call, "the peer ended before it had the tree");
    if (answer->kind != Item::Kind::answer) {
      return fail(ErrorCode::protocol, call, connection_->peer, "the peer did not expect a tree");
    }
    if (answer->refusal) {
      return fail(answer->refusal->code, call, path, "the peer could not keep the tree")
          .caused_by(*answer->refusal);
    }
    return result;
  }

  /// A tree whose author writes meanwhile. What crosses is as much as the author foretold; where that is
  /// to be compressed, or both ends are on one node, it crosses when it is complete.
  Result<TransferResult> send_growing(const std::string& path, const TransferOptions& options) {
    constexpr std::string_view kCall = "channel.send_tree";
    if (options.changing || options.update || !options.hollow.empty()) {
      return fail(ErrorCode::invalid_argument, kCall, path, "a tree that has an author is sent as it is");
    }
    Node& node = gate_.node();
    Item item;
    item.kind = Item::Kind::tree;
    item.began = node.engine.now();
    item.durable = options.durable;
    std::uint64_t flow = 0;
    const Status written = write_and_carry(*options.author, options, flow, kCall);
    if (!written) {
      stop_carrying(flow, kCall, path);
      if (written.error().code == ErrorCode::connection_lost ||
          written.error().code == ErrorCode::node_down)
        return written.error();
      item.refusal = written.error();
      TH_TRY(post(kCall, std::move(item), 64));
      return written.error();
    }
    TH_ASSIGN(const auto image, export_tree(node, path));
    item.tree = image;
    const TreeDifference moved = whole_of(*image);
    const std::uint64_t stream = (options.compress ? moved.packed : moved.sent.bytes.value) +
                                 moved.headers * kInodeOverhead;
    item.result.size = size_of(*image);
    item.result.sent = moved.sent;
    item.result.digest = moved.digest;
    item.result.wire = {stream};
    if (flow != 0)
      TH_TRY(finish_carrying(flow, kCall, path));
    else
      TH_TRY(carry(stream, options.rate, kCall, path));
    return hand_over(std::move(item), kCall, path);
  }

  /// Lets the author write to its end. A connection that breaks is noticed in between.
  Status write_and_carry(TreeAuthor& author, const TransferOptions& options, std::uint64_t& flow,
                         std::string_view call) {
    constexpr Duration kSlice = milliseconds(200);
    TH_ASSIGN(bool complete, author.go_on(Duration(0)));
    const std::uint64_t expected = author.expected().value;
    if (!options.compress && expected > 0) {
      TH_ASSIGN(flow, start_carrying(expected + kInodeOverhead, options.rate, call));
    }
    while (!complete) {
      TH_ASSIGN(complete, author.go_on(kSlice));
      const auto carried = has_carried(flow, call);
      if (!carried) {
        flow = 0;  // it is over
        return carried.error();
      }
    }
    return {};
  }

  /// What the peer's directory holds.
  Result<std::shared_ptr<const TreeImage>> ask_manifest(std::string_view call,
                                                        const std::string& path, bool digests) {
    Item wish;
    wish.kind = Item::Kind::wish;
    wish.digests = digests;
    TH_TRY(post(call, std::move(wish), 64));
    TH_ASSIGN(const std::optional<Item> answer, take(call, seconds(3600)));
    if (!answer) return lost(call, "the peer ended before it had the tree");
    if (answer->refusal) {
      return fail(answer->refusal->code, call, path, "the peer could not read its tree")
          .caused_by(*answer->refusal);
    }
    if (answer->kind != Item::Kind::manifest) {
      return fail(ErrorCode::protocol, call, connection_->peer, "the peer did not expect a tree");
    }
    return answer->tree;
  }

  Status answer_manifest(std::string_view call, const std::string& path, bool digests) {
    Node& node = gate_.node();
    Item answer;
    answer.kind = Item::Kind::manifest;
    auto image = export_tree(node, path);
    if (!image) {
      answer.kind = Item::Kind::answer;
      answer.refusal = image.error();
      TH_TRY(post(call, std::move(answer), 64));
      return std::move(image).error();
    }
    if (digests) TH_TRY(gate_.work(charge_disk(node, (*image)->size.bytes), call, path));
    answer.tree = *image;
    return post(call, std::move(answer), (*image)->entries.size() * kManifestEntry);
  }

  [[nodiscard]] Error lost(std::string_view call, std::string_view why) const {
    return fail(ErrorCode::connection_lost, call, connection_->peer, why);
  }

  Status usable(std::string_view call) {
    TH_TRY(gate_.enter(call, connection_->peer));
    if (own().closed) return lost(call, "the channel was closed");
    if (other().reset) return lost(call, "the peer's program vanished");
    return {};
  }

  [[nodiscard]] bool peer_rebooted() {
    const Node& peer = *gate_.node().world.nodes[other().node];
    return peer.powered && peer.boot != other().boot;
  }

  /// The way to the peer now, valid until the next call; nullptr when there is none.
  [[nodiscard]] const NetPath* way() {
    static const NetPath kHere;
    const Node& peer = *gate_.node().world.nodes[other().node];
    if (other().node == own().node) return &kHere;
    if (!peer.powered || peer.boot != other().boot) return nullptr;
    // Messages are many, changes of the network few.
    if (const std::uint64_t now = gate_.node().world.network_changes; found_at_ != now) {
      auto path = net_of(gate_.node()).trace_both(0, net_of(peer).uplink_address());
      found_ = path ? std::optional(*std::move(path)) : std::nullopt;
      found_at_ = now;
    }
    return found_ ? &*found_ : nullptr;
  }

  /// While the cable is out the bytes wait in this kernel; after 10 s of silence the connection is
  /// lost.
  Status wait_for_way(std::string_view call) {
    Engine& engine = gate_.node().engine;
    const Instant lost_at = engine.now() + NetModel::kSilence;
    while (way() == nullptr) {
      if (engine.now() >= lost_at || peer_rebooted())
        return lost(call, "no sign of the peer for 10 seconds");
      const Status waited = gate_.wait(own().ready, std::min(lost_at, engine.now() + seconds(1)),
                                       call, connection_->peer);
      if (!waited && waited.error().code != ErrorCode::timed_out) return waited;
    }
    return {};
  }

  /// Puts something on the wire to the other end.
  Status post(std::string_view call, Item item, std::size_t bytes) {
    if (other().closed) return lost(call, "the peer closed the connection");
    Engine& engine = gate_.node().engine;
    const NetPath* path = way();
    Duration length = microseconds(20);
    if (path) {
      std::uint64_t narrowest = 1'000'000'000;
      for (const NetPath::Cross& cross : path->cables) {
        narrowest = std::min(narrowest, gate_.node().world.cables[cross.cable].spec.bandwidth.value / 8);
      }
      narrowest = std::max<std::uint64_t>(narrowest, 1);
      length = path->latency + Duration(static_cast<std::int64_t>(
                                   static_cast<UInt128>(bytes) * 1'000'000'000 / narrowest));
      net_of(gate_.node()).count(*path, 1 + bytes / 1448, bytes);
    }
    // Without a way the bytes wait in the sender's kernel; the receiver looks whether it is back.
    item.arrives = std::max(engine.now() + length, other().last);
    other().last = item.arrives;
    other().inbox.push_back(std::move(item));
    other().ready.wake_all();
    return {};
  }

  /// Next item for this end; std::nullopt = closed in order. Lost after 10 s of silence.
  Result<std::optional<Item>> take(std::string_view call, std::optional<Duration> timeout) {
    Engine& engine = gate_.node().engine;
    std::optional<Instant> deadline;
    if (timeout) deadline = engine.now() + std::max(*timeout, Duration(0));
    std::optional<Instant> silent_since;
    while (true) {
      const Instant now = engine.now();
      if (other().reset) return lost(call, "the peer's program vanished");
      const bool reachable = way() != nullptr;
      if (reachable) {
        if (silent_since && !own().inbox.empty()) {  // what was stuck comes after one more latency
          own().inbox.front().arrives = std::max(own().inbox.front().arrives, now);
        }
        silent_since.reset();
        if (!own().inbox.empty() && own().inbox.front().arrives <= now) {
          Item item = std::move(own().inbox.front());
          own().inbox.pop_front();
          return std::optional(std::move(item));
        }
        if (own().inbox.empty() && other().closed) return std::optional<Item>();
      } else {
        if (!silent_since) silent_since = now;
        if (now >= *silent_since + NetModel::kSilence || peer_rebooted()) {
          return lost(call, "no sign of the peer for 10 seconds");
        }
      }
      if (deadline && now >= *deadline) {
        return fail(ErrorCode::timed_out, call, connection_->peer, "nothing came in time");
      }
      std::optional<Instant> until = deadline;
      const auto sooner = [&](Instant at) { until = until ? std::min(*until, at) : at; };
      if (reachable && !own().inbox.empty()) sooner(own().inbox.front().arrives);
      if (!reachable) sooner(*silent_since + NetModel::kSilence);
      // A cable that breaks or is mended is noticed at the latest after a second.
      sooner(now + seconds(1));
      const Status waited = gate_.wait(own().ready, until, call, connection_->peer);
      if (!waited && waited.error().code != ErrorCode::timed_out) return waited.error();
    }
  }

  NodeGate gate_;
  std::shared_ptr<Connection> connection_;
  std::optional<NetPath> found_;           ///< the way to the peer, at that time
  std::optional<std::uint64_t> found_at_;  ///< WorldState::network_changes
  std::size_t side_;
};

class SimChannels final : public Channels {
 public:
  explicit SimChannels(NodeGate gate) : gate_(gate) {}

  Result<std::unique_ptr<Channel>> connect(const PeerAddress& peer, const std::string& service,
                                           Duration timeout) override {
    constexpr std::string_view kCall = "channels.connect";
    const std::string object = peer.text() + " " + service;
    TH_TRY(gate_.enter(kCall, object));
    Node& node = gate_.node();
    Node* target = node.world.find_node(peer.host);
    if (target == nullptr) {
      return fail(ErrorCode::unreachable, kCall, peer.host, "there is no such host")
          .with_hint("use the name of a node of this world");
    }
    if (!peer.ssh_options.empty()) {
      return fail(ErrorCode::not_supported, kCall, peer.host,
                  "is reached by a simulated cable, which takes no options of ssh")
          .with_hint("leave the options out");
    }
    const auto route = [&]() -> Result<NetPath> {
      if (target == &node) return NetPath{};
      if (!target->powered) {
        return fail(ErrorCode::unreachable, kCall, peer.host, "the node is off");
      }
      auto path = net_of(node).trace_both(0, net_of(*target).uplink_address());
      if (path) return path;
      return fail(ErrorCode::unreachable, kCall, peer.host, "there is no way to this node")
          .caused_by(std::move(path).error());
    };
    TH_ASSIGN(const NetPath before, route());
    const Duration length = kConnectTime + 4 * before.latency;
    if (timeout < length) {
      TH_TRY(gate_.sleep(timeout, kCall, object));
      return fail(ErrorCode::timed_out, kCall, peer.host, "the connection was not made in time");
    }
    TH_TRY(gate_.sleep(length, kCall, object));
    TH_ASSIGN(const NetPath path, route());
    static_cast<void>(path);
    const auto body = node.world.services.find(service);
    if (body == node.world.services.end()) {
      return fail(ErrorCode::not_supported, kCall, object, "the peer has no such service");
    }
    auto connection = std::make_shared<Connection>();
    connection->ends[0].node = node.index;
    connection->ends[0].boot = node.boot;
    connection->ends[1].node = target->index;
    connection->ends[1].boot = target->boot;
    connection->peer = object;
    node.engine.note(kCall, object, {node.index, target->index});
    const ServiceBody serve = body->second;
    node.world.start_service(*target, [serve, connection, target](Kernel& kernel) {
      SimChannel channel(NodeGate(*target), connection, 1);
      serve(kernel, channel);
    });
    return std::unique_ptr<Channel>(std::make_unique<SimChannel>(gate_, connection, 0));
  }

 private:
  NodeGate gate_;
};

}  // namespace

std::unique_ptr<Channels> make_channels_port(NodeGate gate) {
  return std::make_unique<SimChannels>(gate);
}

}  // namespace twinhull::sim
