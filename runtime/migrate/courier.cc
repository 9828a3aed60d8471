#include "runtime/migrate/courier.h"

#include <fmt/format.h>

#include "runtime/migrate/exit_codes.h"

namespace twinhull::migrate {

void Courier::close() {
  if (channel_) channel_->close();
}

Result<Message> Courier::question(const Message& message) {
  return ask(*channel_, message, timeout_, host_);
}

Status Courier::questions(const Message& message, std::size_t times) {
  for (std::size_t asked = 0; asked < times; ++asked) TH_TRY(send_message(*channel_, message));
  for (std::size_t answered = 0; answered < times; ++answered) {
    TH_ASSIGN(const Message answer, receive_message(*channel_, timeout_));
    if (answer.type == "error") return peer_error(answer, host_);
  }
  return {};
}

Result<TransferResult> Courier::send_tree(const Message& message, const Tree& tree) {
  TransferOptions options = options_;
  options.changing = tree.changing;
  options.update = tree.update;
  options.unchanged_before = tree.unchanged_before;
  options.durable = tree.durable;
  auto sent = send(message, tree.path, options, [&](Channel& channel, const TransferOptions& how) {
    return channel.send_tree(tree.path, how);
  });
  if (!sent || !tree.accepted) return sent;
  auto accepted = question({.type = message.type + "-good"});
  if (!accepted) return not_copied(tree.path, std::move(accepted).error());
  return sent;
}

Error Courier::not_copied(const std::string& path, Error lower) const {
  if (lower.code == ErrorCode::node_down) return lower;
  return stage_error(MigrateExit::copy_failed, path, "cannot be copied to " + host_,
                     std::move(lower));
}

Result<TransferResult> Courier::send_images(const Message& message, const std::string& path,
                                            const Sending& sending) {
  TransferOptions options = options_;
  options.durable = false;
  return send(message, path, options, sending);
}

Result<TransferResult> Courier::send(const Message& message, const std::string& path,
                                     const TransferOptions& options, const Sending& sending) {
  const auto failed = [&](Error lower) { return not_copied(path, std::move(lower)); };
  if (Status asked = send_message(*channel_, message); !asked)
    return failed(std::move(asked).error());
  auto sent = sending(*channel_, options);
  if (!sent && sent.error().code == ErrorCode::node_down) return sent;
  if (!sent && sent.error().code == ErrorCode::interrupted) {
    // The peer waits for the rest: it must not be waited for.
    broken_ = true;
    return failed(std::move(sent).error());
  }
  // A peer that refused says why better than the stream could.
  auto answer = receive_message(*channel_, timeout_);
  if (!sent && sent.error().operation.starts_with("checkpoints.")) {
    broken_ = !answer;
    return sent;
  }
  if (answer && answer->type == "error") return failed(peer_error(*answer, host_));
  broken_ = !sent && sent.error().code == ErrorCode::connection_lost;
  if (!sent) return failed(std::move(sent).error());
  if (!answer) return failed(std::move(answer).error());
  if (answer->text("digest") != sent->digest) {
    return failed(fail(ErrorCode::corrupt, "migrate.copy", path,
                       fmt::format("the copy differs: {} here, {} there", sent->digest,
                                   answer->text("digest")))
                      .with_exit_code(to_int(MigrateExit::copy_failed)));
  }
  return sent;
}

}  // namespace twinhull::migrate
