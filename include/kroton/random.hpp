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
///
/// Parameters of distributions are numbers or expressions, which broadcast to the shape:
///
///   kt::Expr counts = rng.poisson(kt::exp(x), x.shape());
///   kt::Expr noise = mean + spread * rng.student_t(4, x.shape());   // with gradients of mean,
///   spread
///
/// Those of gamma, beta, Dirichlet, Poisson, binomial and multinomial distributions are checked in
/// a call, which throws NumericError for one that is out of range; they are drawn by rejection,
/// each number from a generator of its own, on CPUs alone. Their last bits follow the machine's C
/// library, whose logarithms they take.
#include <kroton/ops/basic.hpp>
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

  /// Exponential with mean `scale`: positive, f32 or f64.
  Expr exponential(Operand scale, std::vector<Dim> shape, DType dtype = DType::f32);
  /// Density exp(-abs(x)) / 2, as NumPy's with loc 0 and scale 1.
  Expr laplace(std::vector<Dim> shape, DType dtype = DType::f32,
               Location where = Location::current());
  /// Density 1 / (pi (1 + x^2)).
  Expr cauchy(std::vector<Dim> shape, DType dtype = DType::f32,
              Location where = Location::current());
  /// Student's t distribution (Bailey 1994); NaN unless the degrees of freedom are above 0.
  Expr student_t(Operand degrees, std::vector<Dim> shape, DType dtype = DType::f32);
  /// The gamma distribution with scale 1 (Marsaglia and Tsang 2000), for concentrations above 0.
  Expr gamma(Operand concentration, std::vector<Dim> shape, DType dtype = DType::f32);
  /// The beta distribution, from two gamma distributions.
  Expr beta(Operand a, Operand b, std::vector<Dim> shape, DType dtype = DType::f32);
  /// Points of a simplex, dtype[shape…, k], for concentrations [k] or broadcasting to that.
  Expr dirichlet(Operand concentrations, std::vector<Dim> shape, DType dtype = DType::f32);
  /// Points dtype[shape…, k] of a normal distribution with mean [k] and covariance [k,k], positive
  /// definite: a call throws LinAlgError for another. Of the mean and the covariance, gradients.
  Expr multivariate_normal(Operand mean, Operand covariance, std::vector<Dim> shape);

  /// i64 from low to high - 1, as NumPy's Generator.integers; low < high, at most 2^53 of them.
  /// Throws TypeError for ends that are no integers.
  Expr integers(Operand low, Operand high, std::vector<Dim> shape);
  /// i64: the number of trials up to the first success, from 1 on; p in (0, 1].
  Expr geometric(Operand p, std::vector<Dim> shape);
  /// i64: how often what happens `rate` times on average does; 0 <= rate <= 9e18.
  Expr poisson(Operand rate, std::vector<Dim> shape);
  /// i64: the successes among `trials`, each with probability p.
  Expr binomial(Operand trials, Operand p, std::vector<Dim> shape);
  /// i64[shape…, k]: how many of `trials` fall into each of k categories with weights [k], which
  /// need not add up to 1, or broadcasting to [shape…, k].
  Expr multinomial(Operand trials, Operand weights, std::vector<Dim> shape);
  /// i64: categories with weights along the last axis, [k] or broadcasting to [shape…, k], which
  /// are not negative and need not add up to 1.
  Expr categorical(Operand weights, std::vector<Dim> shape);

  /// A stream that has nothing to do with this one, the same for the same seed and key: for parts
  /// of a model that must not change when others draw more or less.
  Random split(std::uint64_t key, Location where = Location::current()) const;

  /// The state, u64[2]: the seed and the number of calls so far. Setting it replays a stream:
  /// `kt::Shared state = rng.state(); state.set(saved);` for a `saved = rng.state().get()` of
  /// before.
  const Shared& state() const noexcept { return state_; }

private:
  Expr draw(std::vector<Dim> shape, DType dtype, Location where, bool is_for_logarithm = false);
  /// f64 in (0, 1), both ends left out.
  Expr inside(std::vector<Dim> shape, Location where);

  std::uint64_t seed_;

  Shared state_;
  std::int64_t draws_ = 0;
};

} // namespace kroton
