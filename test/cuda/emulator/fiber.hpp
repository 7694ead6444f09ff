#pragma once
/// A function that can stop half way and continue later, on a stack of its own.
///
///   Fiber fiber;
///   fiber.start(body, argument);               // until it returns or suspends
///   while (!fiber.is_finished()) fiber.resume();
#include <csetjmp>
#include <cstddef>

#include <ucontext.h>

namespace kroton::emulator {

/// `ucontext` makes the first step onto the stack; later ones are `_setjmp` and `_longjmp`, which
/// need no system call.
class Fiber {
public:
  using Body = void (*)(void* argument);
  static constexpr std::size_t stack_bytes = 1024 * 1024;

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Runs `body` until it returns or suspends. What the fiber ran before must have finished, or is
  /// given up: nothing on its stack is destroyed.
  void start(Body body, void* argument);
  /// Goes on after `suspend`, until the body returns or suspends again.
  void resume();
  /// Called by the body: returns from the `start` or `resume` that runs it.
  void suspend();

  bool is_finished() const noexcept { return is_finished_; }
  const char* stack() const noexcept { return stack_; }

private:
  static void enter(unsigned high, unsigned low);
  [[noreturn]] void serve();

  char* stack_;
  ucontext_t first_{};
  jmp_buf inside_{}, outside_{};
  Body body_ = nullptr;
  void* argument_ = nullptr;
  bool is_finished_ = true, is_entered_ = false;
};

} // namespace kroton::emulator
