// The destination's durable word that a container is its own now.
#pragma once

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

/// Writes it; durable when it returns. After an error it is certainly not there, or the error says
/// that this is unknown (code input_output).
Status write_receipt(container::Context& context, const std::string& token);
/// Whether it is there, durably.
Result<bool> has_receipt(container::Context& context, const std::string& token);
Status remove_receipt(container::Context& context, const std::string& token);

}  // namespace twinhull::migrate
