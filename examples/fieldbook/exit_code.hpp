// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>

namespace fieldbook {

/// How the program ends: a promise to scripts, documented in --help and README.md.
enum class ExitCode {
    done = 0,
    refused = 1,    ///< there is no such record, conflict or refused change
    usage = 2,      ///< the command line cannot be understood
    input = 3,      ///< a file or a value cannot be read or written
    book = 4,       ///< the book cannot be opened or written
    server = 5,     ///< the sync did not go through; every edit is kept
    undecided = 6,  ///< the sync went through, and some records wait for somebody
    stopped = 130,  ///< Ctrl-C ended it at a safe point
};

/// What ends a command: one or more lines for the user, and how the program ends.
class Failure : public std::runtime_error {
public:
    Failure(ExitCode exit_code, const std::string& message)
        : std::runtime_error(message), code(exit_code) {}

    ExitCode code;
};

}  // namespace fieldbook
