// --ssh=OPTIONS on a command line: words for ssh, made without a shell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/kernel/result.h"

namespace twinhull::migrate {

/// The words of `text`: divided at blanks, with '…', "…" and \ as in a shell, and nothing of a
/// shell beside that. Only options of ssh(1) that leave the connection what it is: a word that is
/// none would be taken for the host, and -f, -N, -W and the like would carry no migration. Errors:
/// invalid_argument (exit 1) naming the word.
Result<std::vector<std::string>> parse_ssh_options(std::string_view text);

/// The words as one line of a journal's facts, and back. No word of parse_ssh_options has a
/// newline.
std::string ssh_options_fact(const std::vector<std::string>& words);
std::vector<std::string> ssh_options_of_fact(std::string_view fact);

}  // namespace twinhull::migrate
