#pragma once
/// Threads of Kroton's own, where the system has any to give.
///
///   std::thread thread = support::try_start_thread([this] { serve(); });
///   if (!thread.joinable()) …;      // do without
#include <functional>
#include <thread>

namespace kroton::support {

/// Starts a thread that no signal is delivered to: the program's handlers are to run on its own
/// threads. Not joinable if the system refuses (limits on processes, threads or memory), of which a
/// warning tells once in a process.
std::thread try_start_thread(std::function<void()> body);

} // namespace kroton::support
