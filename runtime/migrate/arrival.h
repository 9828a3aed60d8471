// One container that arrives at the destination: from an empty place to a registered container.
#pragma once

#include <string>

#include "runtime/container/context.h"
#include "runtime/migrate/message.h"
#include "runtime/node/journal.h"

namespace twinhull::migrate {

/// State that the container is put into after it was taken over.
enum class FinalState : std::uint8_t { stopped, mounted, running };
std::string_view to_string(FinalState state);
Result<FinalState> parse_final_state(std::string_view name);

/// Starts or mounts a container of this node, when it is not up already. Call it under the lock.
Status bring_up(container::Context& context, CtId id, FinalState state);

/// Receives one container under its lock. Before take_over() everything can be taken back; a power
/// cut is recovered by the container's journal, whose commit is the receipt.
class ContainerArrival {
 public:
  /// `begin` is the message of that type. Errors: protocol, corrupt (the configuration).
  static Result<ContainerArrival> plan(container::Context& context, const Message& begin);

  [[nodiscard]] CtId id() const { return id_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  /// The area of an earlier attempt that is used again; see reuse_kept.
  [[nodiscard]] bool area_complete() const { return area_complete_; }

  /// Checks once more under the lock, writes the journal, makes the empty private area and the
  /// staged files. Errors: exists (exit 9).
  Status prepare();
  /// Uses the area that an earlier attempt with --keep-dst left, when its digest is `digest`.
  Status reuse_kept(const std::string& digest);
  Status receive_template(Channel& channel, TransferResult& result);
  Status receive_area(Channel& channel, TransferResult& result);
  /// The template's tree was checked by the source too: puts it in its place.
  Status adopt_template();
  /// The area's digest was checked by the source too; with --keep-dst it survives a failure now.
  Status accept_area();

  /// The point of no return, and then up to `state`. After an error `ours` says whose the container
  /// is: false only when it is certain that nothing of it is here. A container that cannot be
  /// brought up (exit 7) is given back. While `ours` is true the source must not be told of a
  /// failure: it will ask, and recovery will have an answer.
  Status take_over(FinalState state, bool& ours);
  /// Before take_over: removes everything. With --keep-dst a complete area is kept.
  Status abandon();

 private:
  explicit ContainerArrival(container::Context& context) : context_(&context) {}
  [[nodiscard]] std::string staged(const std::string& path) const { return path + ".migrating"; }
  [[nodiscard]] std::string kept_area() const { return area_ + ".kept.migrated"; }
  [[nodiscard]] std::string template_staging() const;
  [[nodiscard]] Intent intent() const;
  [[nodiscard]] Step leave_area() const;
  Status give_back();

  container::Context* context_;
  CtId id_;
  std::string token_;
  std::string area_;
  std::string name_;
  std::string ostemplate_;
  std::string config_text_;
  std::vector<Attachment> scripts_;  ///< name = full path at the destination
  bool keep_ = false;
  bool area_complete_ = false;
};

}  // namespace twinhull::migrate
