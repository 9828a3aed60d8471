#include "runtime/migrate/template_source.h"

#include <fmt/format.h>

#include "runtime/kernel/files.h"
#include "runtime/migrate/checks.h"
#include "runtime/migrate/exit_codes.h"
#include "runtime/migrate/message.h"
#include "runtime/migrate/recovery.h"
#include "runtime/migrate/template_service.h"

namespace twinhull::migrate {
namespace {

constexpr Duration kPatience = seconds(600);

Error refuse(int exit_code, ErrorCode code, std::string_view name, std::string_view why) {
  return fail(code, "migrate.template", name, why).with_exit_code(exit_code);
}

}  // namespace

Result<TemplateSource> TemplateSource::connect(container::Context& context,
                                               const PeerAddress& peer) {
  auto connection = connect_peer(context, peer);
  if (!connection)
    return fail(connection.error().code, "migrate.template", peer.text(), "cannot be reached")
        .with_exit_code(to_int(MigrateExit::connect))
        .caused_by(std::move(connection).error());
  TH_ASSIGN(const std::string own, node_identity(context));
  if (connection->identity == own)
    return refuse(to_int(MigrateExit::usage), ErrorCode::invalid_argument, peer.text(),
                  "is this very node");
  return TemplateSource(context, peer, std::move(connection->channel));
}

Result<TemplateOutcome> TemplateSource::copy(const std::string& word) {
  const std::string name = word.starts_with('.') ? word.substr(1) : word;
  if (name.contains('@'))
    return refuse(kObsolete, ErrorCode::not_supported, word,
                  "application templates are not supported: applications are part of the "
                  "containers' files")
        .with_hint("copy the OS template, and move the containers with vzmigrate");
  if (!plain_template_name(name))
    return refuse(to_int(MigrateExit::usage), ErrorCode::invalid_argument, word,
                  "is no name of a template");
  TH_ASSIGN(const bool here, template_present(*context_, name));
  const std::string tree = context_->node.template_cache(name);
  if (!here)
    return refuse(to_int(MigrateExit::not_on_source), ErrorCode::not_found, name,
                  "is not on this node: " + tree)
        .with_hint("see: vzpkg list -O");
  Files& files = context_->kernel().files();
  TH_ASSIGN(const TreeSize size, files.measure_tree(tree));
  TH_ASSIGN(const std::string digest, files.digest_tree(tree));
  auto answer = ask(
      *channel_,
      {.type = kTemplateOffer,
       .fields = {{"name", name}, {"digest", digest}, {"bytes", std::to_string(size.bytes.value)}}},
      kPatience, peer_.host);
  if (!answer)
    return stage_error(MigrateExit::copy_failed, name, "the destination does not take it",
                       std::move(answer).error());
  const std::string have = answer->text("have");
  if (have == "same") return TemplateOutcome::was_there;
  if (have == "other")
    return refuse(
               to_int(MigrateExit::exists), ErrorCode::exists, name,
               fmt::format("another version of it is on {}, which containers may use", peer_.host))
        .with_hint(fmt::format("give one of them another name, or remove the one there with: "
                               "vzpkg remove cache {}",
                               name));
  context_->reporter.say(
      fmt::format("Copying template {} ({} MiB) to {}", name, size.bytes.value >> 20, peer_.host));
  if (Status sent = send(name, tree); !sent)
    return stage_error(MigrateExit::copy_failed, name, "could not be copied",
                       std::move(sent).error());
  return TemplateOutcome::copied;
}

Status TemplateSource::send(const std::string& name, const std::string& tree) {
  TH_TRY(send_message(*channel_, {.type = kTemplateTree}));
  TransferOptions options;
  if (context_->node.tools_iolimit.value != 0) options.rate = context_->node.tools_iolimit;
  auto sent = channel_->send_tree(tree, options);
  if (!sent && sent.error().code == ErrorCode::node_down) return std::move(sent).error();
  // What the peer says is the better reason, when it can still speak.
  auto answer = receive_message(*channel_, kPatience);
  if (answer && answer->type == "error") return peer_error(*answer, peer_.host);
  if (!sent) return std::move(sent).error();
  if (!answer) return std::move(answer).error();
  if (answer->text("digest") != sent->digest)
    return fail(ErrorCode::corrupt, "migrate.template", name,
                fmt::format("the copy differs: {} here, {} there", sent->digest,
                            answer->text("digest")))
        .with_exit_code(to_int(MigrateExit::copy_failed));
  TH_ASSIGN(const Message taken, ask(*channel_, {.type = kTemplateTake}, kPatience, peer_.host));
  static_cast<void>(taken);  // an answer that is no error says yes
  return {};
}

}  // namespace twinhull::migrate
