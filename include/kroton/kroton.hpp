#pragma once
/// All of Kroton.
///
///   #include <kroton/kroton.hpp>
///   namespace kt = kroton;
#include <kroton/core.hpp>
#include <kroton/eager_check.hpp>
#include <kroton/custom.hpp>
#include <kroton/jacobian.hpp>
#include <kroton/ops.hpp>
#include <kroton/safetensors.hpp>
#include <kroton/sparse_jacobian.hpp>
#include <kroton/substitute.hpp>
