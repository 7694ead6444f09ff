#pragma once
/// What tests of functions for a CUDA device, on the fakes of its libraries, have in common.
#include <string>
#include <utility>

#include <kroton/core.hpp>
#include <kroton/devices.hpp>

#include "test/cuda/fake/control.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {

/// Each test starts with a driver that has nothing to tell, and leaves it so.
struct OnFakes {
  fake::Control& control = fake::control();
  OnFakes() { control.reset(); }
  OnFakes(const OnFakes&) = delete;
  OnFakes& operator=(const OnFakes&) = delete;
  ~OnFakes() { control.reset(); }
};

inline Options on_cuda(std::string name = "f") {
  return {.name = std::move(name), .target = "cuda"};
}
inline Options on_cpu() { return {.name = "f", .target = "host"}; }

inline Array ramp(Shape shape, float from = -1, float step = 0.01F) {
  Array a = Array::empty<float>(std::move(shape));
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<float>()[i] = from + step * static_cast<float>(i);
  return a;
}

/// What is thrown; empty if nothing is.
template <class E, class F> std::string error_of(F&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return {};
}

} // namespace kroton::test
