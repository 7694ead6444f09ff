#pragma once
/// All operations on expressions, by family. What holds of all of them is said in ops/basic.hpp.
///
///   auto p = kt::softmax(kt::dot(x, w) + b);
#include <kroton/ops/activation.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/basic.hpp>
#include <kroton/ops/bits.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/creation.hpp>
#include <kroton/ops/cumulative.hpp>
#include <kroton/ops/fourier.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/joining.hpp>
#include <kroton/ops/linear_algebra.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/ops/parts.hpp>
#include <kroton/ops/put.hpp>
#include <kroton/ops/powers.hpp>
#include <kroton/ops/reduction.hpp>
#include <kroton/ops/rounding.hpp>
#include <kroton/ops/scatter.hpp>
#include <kroton/ops/sorting.hpp>
#include <kroton/ops/special.hpp>
#include <kroton/ops/statistics.hpp>
#include <kroton/ops/transcendental.hpp>
#include <kroton/ops/trigonometric.hpp>
