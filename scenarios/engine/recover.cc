#include "scenarios/engine/recover.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace twinhull::scenario {

bool already_done(const std::vector<std::string>& argv, int code) {
  static const std::map<std::string, std::vector<int>> codes = {
      {"start", {32}},      {"stop", {31}},  {"create", {44}}, {"destroy", {14, 43}},
      {"delete", {14, 43}}, {"mount", {41}}, {"umount", {40}},  {"resume", {32}},
  };
  if (argv[0] == "vzmigrate") return code == 10;
  if (argv[0] == "vzp2v") return code == 9;
  // Moved to another number, copied, or moved to another place.
  if (argv[0] == "vzmlocal") return code == 10 || code == 9 || code == 34;
  if (code == 71 && std::find(argv.begin(), argv.end(), "--ipdel") != argv.end()) return true;
  if (argv.size() < 2) return false;
  const auto found = codes.find(argv[1]);
  return found != codes.end() &&
         std::find(found->second.begin(), found->second.end(), code) != found->second.end();
}

namespace {

/// What an operator wants of each container that was there before.
using Wishes = std::map<CtId, std::string>;

Wishes wishes_of(const NodeTraces& earlier) {
  Wishes wishes;
  for (const auto& [node, trace] : earlier)
    for (const auto& [id, container] : trace.containers)
      wishes[id] = container.running   ? "start"
                   : container.dump    ? "resume"
                   : container.mounted ? "mount"
                                       : "umount";
  return wishes;
}

std::set<CtId> frozen_of(const NodeTraces& traces) {
  std::set<CtId> out;
  for (const auto& [node, trace] : traces)
    for (const auto& [id, container] : trace.containers)
      if (container.frozen) out.insert(id);
  return out;
}

class Operator {
 public:
  Operator(Player& player, const NodeTraces& earlier, const Picture& wanted)
      : player_(player),
        wishes_(wishes_of(earlier)),
        were_frozen_(frozen_of(earlier)),
        wanted_(wanted) {}

  Status recover() {
    TH_ASSIGN(NodeTraces now, traces_of(player_));
    // What is half done is brought to an end first: only then is it seen what is there.
    bool touched = false;
    for (const auto& [node, trace] : now) {
      for (const auto& [id, container] : trace.containers) {
        if (container.running || !container.journal) continue;
        TH_TRY(player_.command(node, {"vzctl", "umount", id.text()}, "", seconds(3600)));
        touched = true;
      }
    }
    if (touched) {
      TH_ASSIGN(now, traces_of(player_));
    }
    std::vector<std::pair<std::string, CtId>> refused;
    for (const auto& [node, trace] : now)
      for (const auto& [id, container] : trace.containers)
        if (!care_for(node, id, container)) refused.emplace_back(node, id);
    if (refused.empty()) return {};
    // A node that waits for word from another refuses until that one was seen to.
    TH_ASSIGN(now, traces_of(player_));
    for (const auto& [node, id] : refused) {
      const auto& containers = now[node].containers;
      if (const auto there = containers.find(id); there != containers.end())
        TH_TRY(care_for(node, id, there->second));
    }
    return {};
  }

 private:
  /// What to do with it; empty = nothing.
  [[nodiscard]] std::string verb_for(const std::string& node, CtId id,
                                     const ContainerTrace& container) const {
    // Frozen since: it waits for word from the node that it was on its way to.
    if (container.running && container.frozen && !were_frozen_.contains(id)) return "resume";
    const auto wish = wishes_.find(id);
    if (container.running) {
      // Who worked on it was killed: any command clears up after that one. And a full disk may have
      // refused the mark by which the node knows that it is up.
      const auto there = wanted_.product.find(node + ": CT " + id.text() + " state");
      const bool unmarked = !container.up_mark && there != wanted_.product.end() &&
                            there->second.contains("comes back");
      if (!container.journal && !container.lock && !unmarked) return "";
      return wish != wishes_.end() && wish->second == "umount" ? "umount" : "start";
    }
    if (wish == wishes_.end()) {
      // It came under a new number: its operator wants it up there.
      const auto there = wanted_.product.find(node + ": CT " + id.text() + " state");
      const bool up = there != wanted_.product.end() && there->second.contains("running");
      if (!up) return "umount";
      return container.dump ? "resume" : "start";
    }
    // What is suspended is resumed, not started anew. What was, and is so no more, has run until
    // the accident.
    if (wish->second == "start" && container.dump) return "resume";
    if (wish->second == "resume") return container.dump ? "umount" : "start";
    return wish->second;
  }

  Status care_for(const std::string& node, CtId id, const ContainerTrace& container) {
    const std::string verb = verb_for(node, id, container);
    if (verb.empty()) return {};
    TH_ASSIGN(const CommandEnd end,
              player_.command(node, {"vzctl", verb, id.text()}, "", seconds(3600)));
    // An umount was only to touch the container: what it has left is judged by the invariants.
    // What was up must come up again, unless the broken operation had removed or moved it (14)
    // or had already done as much itself (32, 41).
    static const std::set<int> fine = {0, 14, 32, 41};
    if (verb == "umount" || fine.contains(end.exit_code)) return {};
    return fail(ErrorCode::failed, "", "recovery: " + node,
                fmt::format("vzctl {} {} ended with {}: {}", verb, id.text(), end.exit_code,
                            excerpt(end.error)));
  }

  Player& player_;
  Wishes wishes_;
  std::set<CtId> were_frozen_;
  const Picture& wanted_;
};

}  // namespace

Status recover(Player& player, const NodeTraces& earlier, const Picture& wanted) {
  return Operator(player, earlier, wanted).recover();
}

}  // namespace twinhull::scenario
