#include "cache/bounded_call.hpp"

#include <csignal>
#include <system_error>

#include <pthread.h>

namespace kroton::cache {
namespace {

/// All but those that a thread's own faults raise.
sigset_t signals_of_others() {
  sigset_t set;
  sigfillset(&set);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS})
    sigdelset(&set, own);
  return set;
}

void* run(void* argument) {
  const std::unique_ptr<std::function<void()>> job(static_cast<std::function<void()>*>(argument));
  (*job)();
  return nullptr;
}

} // namespace

void run_detached(std::function<void()> job) {
  auto owned = std::make_unique<std::function<void()>>(std::move(job));
  const sigset_t blocked = signals_of_others();
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, &run, owned.get());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) throw std::system_error(error, std::generic_category(), "no thread to ask it on");
  static_cast<void>(owned.release());
  ::pthread_detach(thread);
}

} // namespace kroton::cache
