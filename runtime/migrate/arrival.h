// One container that arrives at the destination: from an empty place to a registered container.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/container/context.h"
#include "runtime/migrate/give_back.h"
#include "runtime/migrate/message.h"
#include "runtime/node/journal.h"

namespace twinhull::migrate {

/// State that the container is put into after it was taken over.
/// A suspended one has come with its dump; `running` means to go on from there, when there is one.
enum class FinalState : std::uint8_t { stopped, suspended, mounted, running };
std::string_view to_string(FinalState state);
Result<FinalState> parse_final_state(std::string_view name);

/// Resumes, starts or mounts a container of this node, when it is not up already. Call it under the
/// lock.
/// `went_on` as in ResumeOptions. `settings`: its own, from a caller who has read them.
Status bring_up(container::Context& context, CtId id, FinalState state,
                const std::function<void()>& went_on = {}, const CtSettings* settings = nullptr);

/// Receives one container under its lock. Before take_over() everything can be taken back; a power
/// cut is recovered by the container's journal, whose commit is the receipt.
class ContainerArrival {
 public:
  /// `begin` is the message of that type. Errors: protocol, corrupt (the configuration).
  static Result<ContainerArrival> plan(container::Context& context, const Message& begin);

  [[nodiscard]] CtId id() const { return id_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] bool area_complete() const { return area_complete_; }
  /// There is an earlier state of the area, from an earlier attempt; see reuse_kept.
  [[nodiscard]] bool area_older() const { return area_older_; }

  /// Checks once more under the lock, writes the journal, makes the empty private area and the
  /// staged files. Errors: exists (exit 9).
  Status prepare();
  /// With --keep-dst: takes the area that an earlier attempt left. It is complete when its digest
  /// is `digest`. Without, it is removed.
  Status reuse_kept(const std::string& digest);
  Status receive_template(Channel& channel, TransferResult& result);
  Status receive_area(Channel& channel, TransferResult& result);
  /// The template's tree was checked by the source too: puts it in its place.
  Status adopt_template();
  /// The area's digest was checked by the source too.
  /// And sets its limits, for a container that comes with processes: where that writes back all that is
  /// dirty, their images are not yet there. What cannot be set is told when it is mounted.
  Status accept_area();
  /// Images of a dump, or of a round of pre-copy, by the name of their directory.
  Status receive_images(const Message& message, Channel& channel, TransferResult& result);
  /// What lies beside them: the dump is whole.
  Status receive_state(const Message& message);

  /// The point of no return, and then up to `state`. After an error `ours` says whose the container
  /// is: false only when it is certain that nothing of it is here. A container that cannot be
  /// brought up (exit 7) is given back. While `ours` is true the source must not be told of a
  /// failure: it will ask, and recovery will have an answer.
  Status take_over(FinalState state, bool& ours);
  /// When resumed processes went on.
  [[nodiscard]] std::optional<Instant> went_on() const { return went_on_; }
  /// Before take_over: removes everything. With --keep-dst the area is kept, as far as it came.
  Status abandon();

 private:
  explicit ContainerArrival(container::Context& context) : context_(&context) {}
  [[nodiscard]] std::string staged(const std::string& path) const { return path + ".migrating"; }
  [[nodiscard]] std::string kept_area() const { return area_ + ".kept.migrated"; }
  [[nodiscard]] std::string template_staging() const;
  /// Where the dump is built.
  [[nodiscard]] std::string dump_staging() const;
  [[nodiscard]] Intent intent() const;
  [[nodiscard]] Step leave_area() const;
  [[nodiscard]] Arrived all_of_it() const;
  /// See migrate::prepare_return.
  Status prepare_return();
  /// From now on a failure leaves the area for the next try.
  Status keep_area();

  container::Context* context_;
  CtId id_;
  std::string token_;
  CtSettings settings_;
  std::string area_;
  std::string name_;
  std::string ostemplate_;
  std::string config_text_;
  std::vector<Attachment> scripts_;  ///< name = full path at the destination
  bool keep_ = false;                ///< --keep-dst
  bool worth_keeping_ = false;       ///< and there is something
  bool area_complete_ = false;
  bool area_older_ = false;
  bool with_processes_ = false;      ///< they will come
  bool has_state_ = false;           ///< they are here
  std::optional<Instant> went_on_;
};

}  // namespace twinhull::migrate
