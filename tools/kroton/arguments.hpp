#pragma once
/// From the command line to a command.
#include "tools/kroton/context.hpp"

namespace kroton::tool {

/// Runs the command that the arguments name and returns its status, or prints help, or says what
/// is wrong with them and returns `status::usage`.
int run(int argc, char** argv, Context& context);

} // namespace kroton::tool
