#include "runtime/container/up_mark.h"

#include <optional>

#include "runtime/config/atomic_write.h"
#include "runtime/kernel/files.h"

namespace twinhull::container {

Status note_up(Context& context, const CtSettings& settings) {
  if (settings.onboot) return {};
  Files& files = context.kernel().files();
  const auto note = [&]() -> Status {
    TH_TRY(make_directories(files, context.node.up_directory));
    // An empty file: its name is all that must be durable.
    TH_TRY(files.write(context.node.up_mark(settings.id), ""));
    return files.sync(context.node.up_directory);
  };
  const Status noted = note();
  if (noted || noted.error().code == ErrorCode::node_down ||
      noted.error().code == ErrorCode::interrupted)
    return noted;
  context.reporter.warn("after a power cut the node will not start it by itself: " +
                        noted.error().message() +
                        "; once that is put right, vzctl start notes that it is up");
  return {};
}

Status forget_up(Context& context, CtId id) {
  Files& files = context.kernel().files();
  TH_ASSIGN(const Effect removed, files.remove(context.node.up_mark(id)));
  return removed == Effect::changed ? files.sync(context.node.up_directory) : Status();
}

Result<bool> was_up(Kernel& kernel, const NodeConfig& node, CtId id) {
  TH_ASSIGN(const std::optional<FileInfo> mark, kernel.files().stat(node.up_mark(id)));
  return mark.has_value();
}

}  // namespace twinhull::container
