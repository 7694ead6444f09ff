#pragma once
/// Random numbers whose making takes as many tries as chance wants: rejection samplers. Each number
/// has a generator of its own, which starts from a key, so that it depends on nothing else.
///
///   const Expr keys = rng.uniform({n}, DType::f64);
///   const double g = std::exp(log_gamma_variate(key, 2.5));
#include <span>

#include "lib/ir/op.hpp"

namespace kroton::ops {

/// Rows of f64 alone: keys, uniform in [0, 1), and parameters of one shape, which the result has
/// too.
extern const ir::Op log_gamma_variates; ///< keys, concentrations
extern const ir::Op poisson_variates;   ///< keys, rates
extern const ir::Op binomial_variates;  ///< keys, trials, probabilities
/// Keys and trials of one shape, weights of that shape and an axis of categories.
extern const ir::Op multinomial_variates;

/// The logarithm of a number of the gamma distribution with scale 1, NaN unless the concentration
/// is above 0. By Marsaglia and Tsang, "A simple method for generating gamma variables" (2000);
/// below 1 with their power of a uniform number, as a logarithm, which is finite where the number
/// is not above 0 in f64.
double log_gamma_variate(double key, double concentration);
/// A number of the Poisson distribution, NaN for a rate that is negative or above 9e18. By products
/// of uniform numbers below 10; else by Hörmann, "The transformed rejection method for generating
/// Poisson random variables" (1993), algorithm PTRS.
double poisson_variate(double key, double rate);
/// How many of `trials` trials succeed, NaN unless that is a whole number from 0 to 9e15 and the
/// probability in [0, 1]. By inversion where few succeed; else by Hörmann, "The generation of
/// binomial random variates" (1993), algorithm BTRS.
double binomial_variate(double key, double trials, double probability);
/// How many of `trials` fall in each category; weights need not add up to 1. Binomial numbers of
/// what the categories before have left. Gives what is wrong as a position: that of a weight that
/// is negative or not finite, `weights.size()` where the trials are or all weights are 0; else -1.
std::int64_t multinomial_variate(double key, double trials, std::span<const double> weights,
                                 std::span<double> counts);

} // namespace kroton::ops
