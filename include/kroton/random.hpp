#pragma once
/// Random numbers from a counter-based generator (Philox4x32-10, Salmon et al. 2011).
///
///   kt::Random rng(42);
///   auto mask = rng.bernoulli(0.9, x.shape(), kt::DType::f32);
///   kt::Function f = kt::function({x}, {x * mask});   // every call draws anew
///
/// Element i of draw d in call s is a pure function of (seed, i, d, s): the stream is the same
/// whatever the number of threads. The state is a shared variable that every function using the
/// stream advances by itself after each call. No gradient flows into random numbers.
#include <kroton/shared.hpp>

namespace kroton {

class Random {
public:
  explicit Random(std::uint64_t seed, Location where = Location::current());

  /// Uniform in [low, high), or `low` where they are equal: `rng.uniform({kt::dim("n"), 3})` is an
  /// f32[n,3]. Throws TypeError for a dtype other than f32 and f64, as `normal` does, and if
  /// low > high, or low or high - low is not finite in the dtype.
  Expr uniform(std::vector<Dim> shape, DType dtype = DType::f32, double low = 0, double high = 1,
               Location where = Location::current());
  /// Normal with the given mean and standard deviation (Box and Muller 1958), out to 6.6 standard
  /// deviations in f32 and 8.5 in f64. Throws TypeError if `stddev` is negative, or one of the two
  /// is not finite in the dtype.
  Expr normal(std::vector<Dim> shape, DType dtype = DType::f32, double mean = 0, double stddev = 1,
              Location where = Location::current());
  /// 1 with probability p, else 0, in `dtype`. Throws TypeError for a p outside [0, 1].
  Expr bernoulli(double p, std::vector<Dim> shape, DType dtype = DType::bool_,
                 Location where = Location::current());

  /// The state, u64[2]: the seed and the number of calls so far. Setting it replays a stream:
  /// `kt::Shared state = rng.state(); state.set(saved);` for a `saved = rng.state().get()` of
  /// before.
  const Shared& state() const noexcept { return state_; }

private:
  Expr draw(std::vector<Dim> shape, DType dtype, Location where, bool is_for_logarithm = false);

  Shared state_;
  std::int64_t draws_ = 0;
};

} // namespace kroton
