// The checked longjmp takes a switch to another stack for a jump into a frame that is gone.
#undef _FORTIFY_SOURCE
#include "test/cuda/emulator/fiber.hpp"

#include <cstdint>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

namespace kroton::emulator {

namespace {

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

} // namespace

/// The lowest page is no memory: a stack that is too small faults.
Fiber::Fiber() {
  void* memory = mmap(nullptr, stack_bytes + page_bytes(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page_bytes(), PROT_NONE);
  stack_ = static_cast<char*>(memory) + page_bytes();
}

Fiber::~Fiber() { munmap(stack_ - page_bytes(), stack_bytes + page_bytes()); }

void Fiber::start(Body body, void* argument) {
  body_ = body;
  argument_ = argument;
  if (!is_finished_) is_entered_ = false; // whatever stands on the stack is given up
  is_finished_ = false;
  if (is_entered_) return resume();
  is_entered_ = true;
  getcontext(&first_);
  first_.uc_stack = {.ss_sp = stack_, .ss_flags = 0, .ss_size = stack_bytes};
  first_.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&first_, reinterpret_cast<void (*)()>(enter), 2, static_cast<unsigned>(self >> 32),
              static_cast<unsigned>(self));
  if (_setjmp(outside_) == 0) setcontext(&first_);
}

void Fiber::resume() {
  if (_setjmp(outside_) == 0) _longjmp(inside_, 1);
}

void Fiber::suspend() {
  if (_setjmp(inside_) == 0) _longjmp(outside_, 1);
}

void Fiber::enter(unsigned high, unsigned low) {
  reinterpret_cast<Fiber*>(static_cast<std::uintptr_t>(high) << 32 | low)->serve();
}

void Fiber::serve() {
  for (;;) {
    body_(argument_);
    is_finished_ = true;
    suspend();
  }
}

} // namespace kroton::emulator
