#include "runtime/physical/p2v.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "runtime/container/locked.h"
#include "runtime/container/operations.h"
#include "runtime/kernel/host.h"
#include "runtime/kernel/mounts.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/message.h"
#include "runtime/physical/machine.h"
#include "runtime/physical/service.h"
#include "runtime/resource/size_text.h"

namespace twinhull::physical {
namespace {

using migrate::Message;
using migrate::MigrateExit;
using migrate::stage_error;
using migrate::to_int;
using resource::size_text;

constexpr Duration kConnectTimeout = seconds(30);
/// Stopping services may take minutes each.
constexpr Duration kAnswerTimeout = std::chrono::hours(2);

Error refusal(MigrateExit exit_code, ErrorCode code, const std::string& object,
              std::string_view why) {
  return fail(code, "migrate.machine", object, why).with_exit_code(to_int(exit_code));
}

bool lies_in(const std::string& path, const std::string& directory) {
  return path == directory || directory == "/" || path.starts_with(directory + "/");
}

/// Where the files come from.
class Source {
 public:
  virtual ~Source() = default;
  /// What there is, before anything is decided. `figures`: the machine is watched for a moment.
  virtual Result<CaptureSource> look(bool figures) = 0;
  /// Puts the files into the prepared capture.
  virtual Status copy(Capture& capture) = 0;
  /// The container is there.
  virtual Status taken() { return {}; }
  /// It is not: whatever was stopped runs again.
  virtual Status abandon() { return {}; }
  virtual void close() {}
};

/// A tree on this node that rests.
class LocalTree final : public Source {
 public:
  LocalTree(container::Context& context, std::string directory)
      : context_(context), directory_(std::move(directory)) {}

  Result<CaptureSource> look(bool) override {
    Kernel& kernel = context_.kernel();
    for (const std::string& pattern : {context_.node.private_pattern, context_.node.root_pattern}) {
      const std::string place = fixed_part(pattern);
      if (!lies_in(place, directory_) && !lies_in(directory_, place)) continue;
      return refusal(MigrateExit::usage, ErrorCode::invalid_argument, directory_,
                     "holds the containers of this node, or is in one of them")
          .with_hint("name a tree of its own; containers are copied by vzmlocal -C");
    }
    TH_ASSIGN(const SystemFacts facts, look_at_system(kernel.files(), directory_));
    TH_ASSIGN(const std::vector<MountInfo> mounts, kernel.mounts().list(directory_));
    for (const MountInfo& mount : mounts)
      if (mount.target != directory_)
        return refusal(MigrateExit::usage, ErrorCode::busy, mount.target,
                       "is mounted in the tree, which must rest")
            .with_hint("unmount it, or reach the machine itself: vzp2v HOST");
    TH_ASSIGN(const HostInfo host, kernel.host().info());
    CaptureSource source;
    source.name = directory_;
    source.architecture = host.architecture;
    source.distribution = facts.distribution;
    source.hostname = facts.hostname;
    TH_ASSIGN(source.size, kernel.files().measure_tree(directory_));
    return source;
  }

  Status copy(Capture& capture) override {
    Kernel& kernel = context_.kernel();
    TH_ASSIGN(const std::vector<std::string> names, left_out(kernel, directory_));
    auto copied = kernel.files().copy_tree(directory_, capture.tree());
    if (!copied)
      return stage_error(MigrateExit::copy_failed, directory_, "cannot be copied",
                         std::move(copied).error());
    context_.reporter.say(fmt::format("Copied {}", size_text(copied->bytes.value)));
    return capture.empty_directories(names);
  }

 private:
  /// "/vz/private" of "/vz/private/$VEID".
  static std::string fixed_part(const std::string& pattern) {
    const std::string fixed = pattern.substr(0, pattern.find('$'));
    return fixed.substr(0, fixed.rfind('/'));
  }

  container::Context& context_;
  std::string directory_;
};

/// A machine that is reached by a channel.
class Machine final : public Source {
 public:
  static Result<std::unique_ptr<Machine>> connect(container::Context& context,
                                                  const P2vRequest& request) {
    auto channel =
        context.kernel().channels().connect(*request.machine, kMachineService, kConnectTimeout);
    if (!channel)
      return fail(channel.error().code, "migrate.machine", request.machine->text(),
                  "cannot be reached")
          .with_exit_code(to_int(MigrateExit::connect))
          .with_hint(
              "its programs of this product must be installed there, and ssh must let this "
              "node in")
          .caused_by(std::move(channel).error());
    return std::unique_ptr<Machine>(new Machine(context, request, std::move(*channel)));
  }

  Result<CaptureSource> look(bool figures) override {
    TH_ASSIGN(const Message answer, ask({.type = kLook,
                                         .fields = {{"directory", request_.directory},
                                                    {"figures", figures ? "yes" : "no"},
                                                    {"mark", context_.layout().global_config()}}}));
    TH_TRY(check_place(answer));
    CaptureSource source;
    source.name = request_.machine->text();
    if (!runs()) source.name += ":" + request_.directory;
    source.architecture = answer.text("architecture");
    source.distribution = answer.text("distribution");
    source.hostname = answer.text("hostname");
    TH_ASSIGN(source.size.bytes.value, answer.number("bytes", kUnlimited));
    TH_ASSIGN(source.size.inodes.value, answer.number("inodes", kUnlimited));
    for (const migrate::Attachment& attachment : answer.attachments)
      if (attachment.name == "config") source.config_text = attachment.content;
    return source;
  }

  Status copy(Capture& capture) override {
    TH_TRY(capture.make_tree());
    if (!runs()) return receive(capture, "whole", "Copied");
    TH_TRY(receive(capture, "first", "Copied while it works:"));
    if (request_.services.empty()) {
      context_.reporter.warn(
          "no services are stopped (-s): what they write during the last pass "
          "may be copied half");
    } else {
      std::string list;
      for (const std::string& name : request_.services) list += (list.empty() ? "" : " ") + name;
      auto stopped = ask({.type = kStop, .fields = {{"services", list}}});
      if (!stopped)
        return stage_error(MigrateExit::cannot_stop, request_.machine->text(),
                           "a service does not stop", std::move(stopped).error());
      context_.reporter.say("Stopped on the machine: " + stopped->text("stopped"));
    }
    return receive(capture, "last", "Copied once more:");
  }

  Status taken() override { return ask_plainly(kTaken); }

  Status abandon() override {
    // The machine notices a broken connection by itself.
    if (broken_) return {};
    auto answer = ask({.type = kAbandon});
    if (!answer) return std::move(answer).error();
    if (!answer->text("started").empty())
      context_.reporter.say("Started again on the machine: " + answer->text("started"));
    return {};
  }

  void close() override { channel_->close(); }

 private:
  Machine(container::Context& context, const P2vRequest& request, std::unique_ptr<Channel> channel)
      : context_(context), request_(request), channel_(std::move(channel)) {}

  [[nodiscard]] bool runs() const { return request_.directory == "/"; }

  Result<Message> ask(const Message& question) {
    auto answer = migrate::ask(*channel_, question, kAnswerTimeout, request_.machine->host);
    if (!answer && answer.error().code == ErrorCode::connection_lost) broken_ = true;
    return answer;
  }
  Status ask_plainly(const char* type) {
    auto answer = ask({.type = type});
    return answer ? Status() : std::move(answer).error();
  }

  /// A copy of this node into itself would never end. A container of the same kernel has its boot
  /// too, so a file that is the node's decides.
  Status check_place(const Message& answer) {
    TH_ASSIGN(const std::string boot, context_.kernel().host().boot_id());
    TH_ASSIGN(const std::string mark,
              mark_text(context_.kernel().files(), context_.layout().global_config()));
    if (answer.text("boot") != boot || answer.text("mark") != mark ||
        !lies_in(context_.layout().data_directory(), request_.directory))
      return {};
    return refusal(
        MigrateExit::same_node, ErrorCode::invalid_argument, request_.machine->text(),
        runs() ? "is this very node" : "is this very node, and the tree holds its containers");
  }

  Status receive(Capture& capture, const char* pass, const char* words) {
    Message wish{.type = kCopy, .fields = {{"directory", request_.directory}, {"pass", pass}}};
    if (context_.node.tools_iolimit.value != 0)
      wish.fields["rate"] = std::to_string(context_.node.tools_iolimit.value);
    const auto failed = [&](Error lower) {
      if (lower.code == ErrorCode::node_down) return lower;
      return stage_error(MigrateExit::copy_failed, request_.machine->text(),
                         "its files cannot be copied", std::move(lower));
    };
    auto ready = ask(wish);
    if (!ready) return failed(std::move(ready).error());
    auto received = channel_->receive_tree(capture.tree());
    if (!received) {
      const ErrorCode code = received.error().code;
      broken_ = code == ErrorCode::connection_lost || code == ErrorCode::protocol ||
                code == ErrorCode::interrupted;
      if (code == ErrorCode::node_down || broken_) return failed(std::move(received).error());
      // The machine has failed too, and says so; what went wrong is known already.
      static_cast<void>(migrate::receive_message(*channel_, kAnswerTimeout));
      return failed(std::move(received).error());
    }
    auto good = ask({.type = kCopied, .fields = {{"digest", received->digest}}});
    if (!good) return failed(std::move(good).error());
    context_.reporter.say(fmt::format(
        "{} {} in {} entries, {} over the cable", words, size_text(received->sent.bytes.value),
        received->sent.inodes.value, size_text(received->wire.value)));
    return {};
  }

  container::Context& context_;
  const P2vRequest& request_;
  std::unique_ptr<Channel> channel_;
  bool broken_ = false;  ///< a tree was cut off, or nobody answers
};

class Maker {
 public:
  Maker(container::Context& context, const P2vRequest& request, Source& source)
      : context_(context), request_(request), source_(source) {}

  Status run() {
    TH_ASSIGN(const CaptureSource facts, source_.look(!request_.wish.config));
    std::string found =
        fmt::format("{}: {}, {}", facts.name,
                    facts.distribution.empty() ? "a system of unknown kind" : facts.distribution,
                    size_text(facts.size.bytes.value));
    // Some file systems count none.
    if (facts.size.inodes.value != 0)
      found += fmt::format(" in {} files and directories", facts.size.inodes.value);
    context_.reporter.say(found);
    const CtId id = request_.wish.id;
    return container::with_lock(context_, id, "creating", [&]() -> Status {
      TH_ASSIGN(Capture capture, Capture::plan(context_, request_.wish, facts));
      TH_TRY(make(capture));
      context_.reporter.say(fmt::format("Container {} was made of {}", id.text(), facts.name));
      if (Status told = source_.taken(); !told) {
        if (told.error().code == ErrorCode::node_down) return told;
        context_.reporter.warn(
            "the container is whole, but the machine could not be told: its "
            "services run again: " +
            told.error().message());
      }
      source_.close();
      return request_.start ? start() : Status();
    });
  }

 private:
  Status make(Capture& capture) {
    bool settled = true;
    bool committed = false;
    Status made = [&]() -> Status {
      TH_TRY(capture.prepare(settled));
      TH_TRY(source_.copy(capture));
      return capture.adopt(committed);
    }();
    if (made || made.error().code == ErrorCode::node_down) return made;
    const auto also = [&](const char* what, const Status& status) {
      if (!status)
        made.error().detail += fmt::format("; also failed: {}: {}", what, status.error().message());
    };
    if (!settled) {
      const Status undone = capture.take_back();
      if (!undone && undone.error().code == ErrorCode::node_down) return undone;
      also("taking back", undone);
    }
    if (!committed) also("starting the machine's services", source_.abandon());
    return made;
  }

  Status start() {
    Status started = container::start(context_, request_.wish.id, {});
    if (started || started.error().code == ErrorCode::node_down) return started;
    return fail(started.error().code, "migrate.start", "CT " + request_.wish.id.text(),
                "is whole, but does not start")
        .with_exit_code(to_int(MigrateExit::cannot_start))
        .caused_by(std::move(started).error());
  }

  container::Context& context_;
  const P2vRequest& request_;
  Source& source_;
};

}  // namespace

Status physical_to_container(container::Context& context, const P2vRequest& request) {
  context.reporter.about(request.wish.id);
  if (!request.machine) {
    LocalTree tree(context, request.directory);
    return Maker(context, request, tree).run();
  }
  TH_ASSIGN(const std::unique_ptr<Machine> machine, Machine::connect(context, request));
  Status made = Maker(context, request, *machine).run();
  if (!made && made.error().code == ErrorCode::node_down) return made;
  machine->close();
  return made;
}

}  // namespace twinhull::physical
