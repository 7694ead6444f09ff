#pragma once
/// All of Kroton but the ops beyond the basic ones: for files that choose which families of
/// `kroton/ops/` they include, and so are compiled again for new ops of these alone.
///
///   #include <kroton/core.hpp>
///   #include <kroton/ops/indexing.hpp>
#if __cplusplus < 202002L
#error "Kroton needs C++20: compile with -std=c++20 or later"
#endif
#include <kroton/array.hpp>
#include <kroton/cache.hpp>
#include <kroton/device.hpp>
#include <kroton/devices.hpp>
#include <kroton/dim.hpp>
#include <kroton/dlpack.hpp>
#include <kroton/dtype.hpp>
#include <kroton/error.hpp>
#include <kroton/expr.hpp>
#include <kroton/function.hpp>
#include <kroton/grad.hpp>
#include <kroton/npy.hpp>
#include <kroton/ops/basic.hpp>
#include <kroton/options.hpp>
#include <kroton/random.hpp>
#include <kroton/shared.hpp>
#include <kroton/vmap.hpp>
