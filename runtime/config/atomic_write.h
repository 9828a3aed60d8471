// Replacing a small file so that a power cut leaves the old or the new text, never a mixture.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/kernel/files.h"
#include "runtime/kernel/result.h"

namespace twinhull {

/// Writes `text` beside `path` ("PATH.new"), syncs it, renames it over `path` and syncs the
/// directory: durable when it returns. A symbolic link at `path` is replaced, not followed.
/// On an error the old file is as it was and the temporary file is removed, where that is still
/// possible. One writer at a time: the caller holds the lock of the object.
/// Errors: those of Files::write, sync and rename.
Status write_atomically(Files& files, const std::string& path, std::string_view text,
                        std::uint32_t mode = 0644);

/// The same without syncs: whoever is killed, and a full disk, leave the old or the new text. A power
/// cut may take both away. For what means nothing after a boot.
Status write_whole(Files& files, const std::string& path, std::string_view text,
                   std::uint32_t mode = 0644);

/// Makes every missing directory of the absolute `path`, durable (each new name is synced in its
/// parent). Effect::none when all were there. Errors: exists (something else is in the way).
Result<Effect> make_directories(Files& files, const std::string& path, std::uint32_t mode = 0755);

/// "/a/b" of "/a/b/c"; "/" at the top.
std::string parent_directory(const std::string& path);

}  // namespace twinhull
