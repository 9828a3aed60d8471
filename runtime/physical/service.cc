#include "runtime/physical/service.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "runtime/kernel/clock.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/message.h"
#include "runtime/physical/machine.h"
#include "runtime/physical/profile.h"
#include "runtime/physical/services.h"

namespace twinhull {
namespace physical {
namespace {

using migrate::Message;
using migrate::MigrateExit;
using migrate::to_int;

// The node may be writing what it received, or making its disk ready; a peer that is gone is
// noticed by the channel, not by this.
constexpr Duration kPatience = std::chrono::hours(25);
/// What a node that brought no configuration is told of: enough to see what is in use.
constexpr Watch kShortWatch{seconds(2), seconds(1)};

Error bad_message(std::string_view what) {
  return fail(ErrorCode::protocol, "migrate.machine", what, "unexpected message")
      .with_exit_code(to_int(MigrateExit::protocol));
}

Message ok() {
  return {.type = "ok"};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

class MachineService {
 public:
  MachineService(Kernel& kernel, Channel& channel)
      : kernel_(kernel), channel_(channel), stopped_(kernel) {}

  Status run() {
    Status done = converse();
    if (!done && done.error().code == ErrorCode::node_down) return done;
    // Nobody has said that the container is there: the machine goes on.
    const Status started = stopped_.start_again();
    return done ? started : done;
  }

 private:
  Status converse() {
    while (true) {
      auto message = migrate::receive_message(channel_, kPatience);
      if (!message) {
        const bool hung_up = message.error().operation == "migrate.receive" &&
                             message.error().code == ErrorCode::connection_lost;
        return hung_up ? Status() : std::move(message).error();
      }
      Status handled = handle(*message);
      if (handled) continue;
      if (handled.error().code == ErrorCode::node_down) return handled;
      // The peer hears why; when it is gone the first error is the one to report.
      if (!migrate::send_message(channel_, migrate::error_message(handled.error()))) return handled;
    }
  }

  Status handle(const Message& message) {
    if (message.type == kLook) return look(message);
    if (message.type == kCopy) return copy(message);
    if (message.type == kCopied) return copied(message);
    if (message.type == kStop) return stop(message);
    if (message.type == kTaken) {
      stopped_.forget();
      return migrate::send_message(channel_, ok());
    }
    if (message.type == kAbandon) return abandon();
    return bad_message(message.type);
  }

  Status look(const Message& question) {
    const std::string directory = question.text("directory");
    if (!directory.starts_with('/')) return bad_message(question.type);
    TH_ASSIGN(const SystemFacts facts, look_at_system(kernel_.files(), directory));
    TH_ASSIGN(const HostInfo host, kernel_.host().info());
    TH_ASSIGN(const std::string boot, kernel_.host().boot_id());
    TH_ASSIGN(const std::string mark, mark_text(kernel_.files(), question.text("mark")));
    Message answer = ok();
    TreeSize size;
    if (directory == "/") {
      TH_ASSIGN(const std::vector<Partition> disks, partitions(kernel_));
      size = contents(disks);
      if (question.says_yes("figures")) {
        TH_ASSIGN(const Profile profile, watch_machine(kernel_, kShortWatch));
        answer.attachments.push_back({"config", 0644, suggested_config(profile)});
      }
    } else {
      TH_ASSIGN(size, kernel_.files().measure_tree(directory));
    }
    answer.fields = {{"hostname", directory == "/" ? host.hostname : facts.hostname},
                     {"architecture", host.architecture},
                     {"distribution", facts.distribution},
                     {"boot", boot},
                     {"mark", mark},
                     {"bytes", std::to_string(size.bytes.value)},
                     {"inodes", std::to_string(size.inodes.value)}};
    return migrate::send_message(channel_, answer);
  }

  Status copy(const Message& message) {
    const std::string directory = message.text("directory");
    const std::string pass = message.text("pass");
    if (!directory.starts_with('/') || (pass != "whole" && pass != "first" && pass != "last") ||
        (pass == "last" && !first_pass_))
      return bad_message(message.type);
    TransferOptions options;
    if (!message.text("rate").empty()) {
      TH_ASSIGN(const std::uint64_t rate, message.number("rate", kUnlimited - 1));
      if (rate != 0) options.rate = BytesPerSecond{rate};
    }
    options.changing = pass != "whole";
    options.update = pass == "last";
    if (options.update) options.unchanged_before = first_pass_;
    TH_ASSIGN(options.hollow, left_out(kernel_, directory));
    TH_TRY(migrate::send_message(channel_, ok()));
    if (pass == "first") first_pass_ = kernel_.clock().wall();
    TH_ASSIGN(const TransferResult sent, channel_.send_tree(directory, options));
    digest_ = sent.digest;
    return {};
  }

  Status copied(const Message& message) {
    const std::string digest = std::exchange(digest_, {});
    if (digest.empty()) return bad_message(message.type);
    if (message.text("digest") != digest)
      return fail(ErrorCode::corrupt, "migrate.machine", "copy",
                  fmt::format("differs: {} on the machine, {} on the node", digest,
                              message.text("digest")))
          .with_exit_code(to_int(MigrateExit::copy_failed));
    return migrate::send_message(channel_, ok());
  }

  Status stop(const Message& message) {
    TH_ASSIGN(const std::vector<std::string> services, parse_services(message.text("services")));
    for (const std::string& service : services) TH_TRY(stopped_.stop(service));
    Message answer = ok();
    answer.fields["stopped"] = joined(stopped_.names());
    return migrate::send_message(channel_, answer);
  }

  Status abandon() {
    Message answer = ok();
    answer.fields["started"] = joined(stopped_.names());
    TH_TRY(stopped_.start_again());
    return migrate::send_message(channel_, answer);
  }

  Kernel& kernel_;
  Channel& channel_;
  StoppedServices stopped_;
  std::optional<WallTime> first_pass_;  ///< just before it began
  std::string digest_;                  ///< of the tree that was sent last
};

}  // namespace

Result<std::string> mark_text(Files& files, const std::string& path) {
  if (!path.starts_with('/')) return std::string();
  TH_ASSIGN(const auto info, files.stat(path));
  if (!info) return std::string();
  return fmt::format("{} {} {}", info->inode, info->size.value,
                     info->modified.time_since_epoch().count());
}

}  // namespace physical

Status serve_machine(Kernel& kernel, Channel& channel) {
  return physical::MachineService(kernel, channel).run();
}

}  // namespace twinhull
