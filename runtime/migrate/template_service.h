// The end of vzmtemplate that receives (spec F3.16).
#pragma once

#include "runtime/container/context.h"
#include "runtime/kernel/channels.h"
#include "runtime/migrate/message.h"

namespace twinhull::migrate {

/// What the source says, in this order: it has this template ("name", "digest", "bytes"); the
/// answer's "have" is "no", "same" or "other". After "no": its tree follows (send_tree), answered
/// with "digest"; the copy is right, take it.
inline constexpr const char* kTemplateOffer = "template-offer";
inline constexpr const char* kTemplateTree = "template-tree";
inline constexpr const char* kTemplateTake = "template-take";

/// Answers one offer to its end. A template is there whole or not at all: it arrives beside its
/// place under a hidden name, and what an earlier transfer left there is removed first.
/// `stream_broken` is true while a tree is on its way. Errors: in_progress (another one arrives),
/// no_space, those of the ports; the caller tells them to the peer.
Status serve_template(container::Context& context, Channel& channel, const Message& offer,
                      bool& stream_broken);

}  // namespace twinhull::migrate
