#include "lib/support/threads.hpp"

#include <atomic>
#include <exception>
#include <utility>

#include <signal.h>

#include "lib/support/log.hpp"

namespace kroton::support {

std::thread try_start_thread(std::function<void()> body) {
  // A thread inherits the mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  try {
    thread = std::thread(std::move(body));
  } catch (const std::exception& error) { // std::system_error, or there is no memory for it
    static std::atomic<bool> has_warned{false};
    if (!has_warned.exchange(true))
      log(Area::jit)->warn(
          "the system has no thread to give ({}): calls and compilations go on with "
          "those there are, and without any nothing is done in the background; see "
          "ulimit -u and the pids limit of the control group",
          error.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

} // namespace kroton::support
