// The destination's durable word that a container is its own now.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/container/context.h"
#include "runtime/kernel/result.h"

namespace twinhull::migrate {

/// A migration's name, made by the source and never used again: container, boot and moment.
Result<std::string> new_token(Kernel& kernel, CtId id);
/// 1…160 of [A-Za-z0-9_-]: it becomes part of a path.
bool valid_token(std::string_view token);

/// The receipt's path. Its existence is the commit of the migration, on both nodes: the destination
/// writes it durably, then finishes; the source asks for it when the connection broke in between.
/// It is removed when the source says that it has let go of the container.
std::string receipt_path(const Layout& layout, const std::string& token);

/// Beside it: the journal of giving the container back, written before it is needed.
std::string return_path(const Layout& layout, const std::string& token);

/// Beside them, by the container's number here: the token of the migration whose memory it awaits
/// (--lazy). After a power cut it means nothing, for no container awaits memory then.
std::string pages_note(const Layout& layout, CtId id);
Status note_awaited_pages(container::Context& context, CtId id, const std::string& token);
/// Notes that this memory is lost and the container is being started anew, by whoever reads it next if
/// this command does not come so far.
Status note_lost_pages(container::Context& context, CtId id, const std::string& token);

/// What the note says of this migration; no: there is none, or it is of another one.
enum class AwaitedPages : std::uint8_t { no, yes, lost };
Result<AwaitedPages> awaits_pages_of(container::Context& context, CtId id,
                                     const std::string& token);

/// Writes it; durable when it returns. After an error it is certainly not there, or the error says
/// that this is unknown (code input_output).
Status write_receipt(container::Context& context, const std::string& token);
/// Whether it is there, durably.
Result<bool> has_receipt(container::Context& context, const std::string& token);
/// With what was prepared beside it.
Status remove_receipt(container::Context& context, const std::string& token);

}  // namespace twinhull::migrate
