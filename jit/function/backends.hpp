#pragma once
/// Which backend serves a target.
///
///   const auto backend = backend_for({.target = "cuda:0"});
#include <memory>

#include <kroton/options.hpp>

#include "jit/compile/backend.hpp"

namespace kroton::jit {

/// That of `options.target`, or of KROTON_TARGET. Throws UnsupportedError for a target that this
/// machine cannot run, and DeviceError for a CUDA device that is not there.
std::shared_ptr<const Backend> backend_for(const Options& options);

} // namespace kroton::jit
