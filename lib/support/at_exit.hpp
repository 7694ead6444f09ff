#pragma once
/// What Kroton does when the process begins to exit.
///
///   support::at_exit([] { queue().close(); });
#include <cstdlib>

#include "lib/support/fork.hpp"

namespace kroton::support {

/// Calls `handler` once `exit` has been called or `main` has returned, handlers registered later
/// first. Other threads run on meanwhile, and calls of Kroton's may follow. In place of
/// std::atexit, which has no effect in libkroton.so (see static_objects.cpp).
inline void at_exit(void (*handler)()) {
  const ForkBlocker blocker; // the C library's lock would stay taken in a child
  static_cast<void>(
      ::on_exit([](int, void* registered) { reinterpret_cast<void (*)()>(registered)(); },
                reinterpret_cast<void*>(handler)));
}

} // namespace kroton::support
