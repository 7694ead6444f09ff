#pragma once
/// The environment variables of the process. All of Kroton reads them here (a test sees to it).
///
///   const std::string threads = variable("KROTON_THREADS");
///   if (threads.empty()) …                                  // not set, or empty
///   static const bool is_off = switch_variable("KROTON_SPECIALIZE", "0");
///   if (!is_environment_trusted()) complain("the program is setuid");
///
/// A program that runs with more rights than whoever started it (setuid, setgid, file
/// capabilities) finds no variable set: they are the choice of somebody who must not choose what
/// code such a program runs, or which files it reads and writes.
#include <string>

namespace kroton::support {

/// The value of a variable; empty if it is not set, is empty, or must not be believed.
std::string variable(const char* name);

/// Whether the variable has the one value that does something. Warns, once for each reader, of any
/// other but an empty one.
bool switch_variable(const char* name, const char* value);

/// Whether the environment was given by somebody with the rights that the process has.
bool is_environment_trusted() noexcept;

} // namespace kroton::support
