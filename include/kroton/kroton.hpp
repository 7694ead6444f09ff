#pragma once
/// All of Kroton.
///
///   #include <kroton/kroton.hpp>
///   namespace kt = kroton;
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
#include <kroton/ops.hpp>
#include <kroton/options.hpp>
#include <kroton/random.hpp>
#include <kroton/shared.hpp>
