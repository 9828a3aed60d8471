#include "runtime/migrate/template_service.h"

#include <fmt/format.h>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/files.h"
#include "runtime/kernel/host.h"
#include "runtime/migrate/checks.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/node/lock.h"

namespace twinhull::migrate {
namespace {

constexpr const char* kArriving = ".arriving";
constexpr Duration kPatience = seconds(600);
// Templates are the node's own: their lock is that of CT 0.
constexpr CtId kNode{0};

class TemplateArrival {
 public:
  TemplateArrival(container::Context& context, Channel& channel, std::string name,
                  bool& stream_broken)
      : context_(context),
        channel_(channel),
        name_(std::move(name)),
        stream_broken_(stream_broken) {}

  Status run(const Message& offer) {
    TH_TRY(sweep());
    TH_ASSIGN(const std::string have, compare(offer.text("digest")));
    if (have != "no") return answer("have", have);
    TH_ASSIGN(const std::uint64_t bytes, offer.number("bytes", kUnlimited));
    TH_ASSIGN(const DiskInfo disk, context_.kernel().host().disk(place()));
    if (disk.available.value < bytes)
      return fail(ErrorCode::no_space, "migrate.template", name_,
                  fmt::format("needs {} MiB, {} MiB are free at {}", bytes >> 20,
                              disk.available.value >> 20, place()))
          .with_exit_code(to_int(MigrateExit::copy_failed));
    TH_TRY(answer("have", have));
    Status received = receive();
    if (received || received.error().code == ErrorCode::node_down) return received;
    if (const auto removed = files().remove_tree(staging()); !removed)
      received.error().detail += "; also failed: " + removed.error().message();
    return received;
  }

 private:
  Files& files() { return context_.kernel().files(); }
  [[nodiscard]] std::string place() const { return context_.node.template_cache(name_); }
  [[nodiscard]] std::string staging() const {
    return context_.node.template_cache("." + name_ + kArriving);
  }

  Status answer(const std::string& field, const std::string& value) {
    return send_message(channel_, {.type = "ok", .fields = {{field, value}}});
  }

  /// Nobody else receives templates now: what lies there was left by a power cut.
  Status sweep() {
    const std::string cache = parent_directory(place());
    TH_TRY(make_directories(files(), cache));
    TH_ASSIGN(const auto entries, files().list(cache));
    for (const DirectoryEntry& entry : entries)
      if (entry.name.starts_with('.') && entry.name.ends_with(kArriving))
        TH_TRY(files().remove_tree(cache + "/" + entry.name));
    return {};
  }

  Result<std::string> compare(const std::string& digest) {
    TH_ASSIGN(const bool present, template_present(context_, name_));
    if (!present) return std::string("no");
    TH_ASSIGN(const std::string own, files().digest_tree(place()));
    return std::string(own == digest ? "same" : "other");
  }

  Status expect(const char* type) {
    TH_ASSIGN(const Message message, receive_message(channel_, kPatience));
    if (message.type == type) return {};
    return fail(ErrorCode::protocol, "migrate.template", name_, "unexpected message")
        .with_exit_code(to_int(MigrateExit::protocol));
  }

  Status receive() {
    TH_TRY(expect(kTemplateTree));
    TH_TRY(files().make_directory(staging()));
    stream_broken_ = true;
    TH_ASSIGN(const TransferResult received, channel_.receive_tree(staging()));
    stream_broken_ = false;
    TH_TRY(answer("digest", received.digest));
    TH_TRY(expect(kTemplateTake));
    // An empty directory may be in its place; it is replaced.
    TH_TRY(files().rename(staging(), place()));
    TH_TRY(files().sync(parent_directory(place())));
    context_.reporter.say(fmt::format("Template {} has arrived", name_));
    return answer("taken", "yes");
  }

  container::Context& context_;
  Channel& channel_;
  std::string name_;
  bool& stream_broken_;
};

}  // namespace

Status serve_template(container::Context& context, Channel& channel, const Message& offer,
                      bool& stream_broken) {
  const std::string name = offer.text("name");
  if (!plain_template_name(name))
    return fail(ErrorCode::protocol, "migrate.template", "peer", "no template's name")
        .with_exit_code(to_int(MigrateExit::protocol));
  Result<LockHeld> lock =
      acquire_lock(context.kernel(), context.node.lock_directory, kNode, "receiving a template");
  if (!lock) {
    if (lock.error().code != ErrorCode::in_progress) return std::move(lock).error();
    return fail(ErrorCode::in_progress, "migrate.template", name,
                "the node's templates or settings are being changed at the destination")
        .with_exit_code(to_int(MigrateExit::locked))
        .with_hint("try again when that command has ended")
        .caused_by(std::move(lock).error());
  }
  Status done = TemplateArrival(context, channel, name, stream_broken).run(offer);
  if (!done && done.error().code == ErrorCode::node_down) return done;
  const Status released = release_lock(context.kernel(), *lock);
  return done ? released : done;
}

}  // namespace twinhull::migrate
