#pragma once
/// The hand-written side of each case: what a careful person writes for exactly that case and this
/// machine, built by the Clang that compiles kernels. One thread; all arrays dense and aligned to
/// 64 bytes.
///
///   if (const bench::Limits* limits = bench::limits()) limits->linear_f32(n, x, y, z);
#include <cstdint>

namespace bench {

/// One step of stochastic gradient descent for softmax regression: 784 features → 10 classes.
struct LogisticStep {
  long rows;
  const float* x;             ///< rows × 784
  const std::int32_t* labels; ///< rows, each in [0, 10)
  float rate;
  float *w, *b;            ///< 784 × 10 and 10: read and updated
  std::int64_t* predicted; ///< rows: the most likely class before the update
  float* loss;             ///< 1: the mean of -log p[label] before the update
};

/// One step of stochastic gradient descent for the perceptron 784-500-10 (tanh, softmax,
/// cross-entropy) on a batch of 60.
constexpr int perceptron_rows = 60;
struct PerceptronStep {
  const float* x;             ///< 60 × 784
  const std::int32_t* labels; ///< 60, each in [0, 10)
  float rate;
  float *w1, *b1, *w2, *b2; ///< 784 × 500, 500, 500 × 10 and 10: read and updated
  float* loss;              ///< 1: the mean before the update
};

/// What the network 16-30-30-10 learns, its rows padded with zeros to whole vectors.
struct NetworkWeights {
  alignas(64) float w1[16][32], b1[32], w2[30][32], b2[32], w3[30][16], b3[16];
};

/// One step of RMSProp for that network: tanh and dropout after both hidden layers, softmax,
/// cross-entropy.
struct NetworkStep {
  long rows;
  const float* x;             ///< rows × 16
  const std::int32_t* labels; ///< rows, each in [0, 10)
  float drop[2];              ///< the share of each hidden layer's outputs that is dropped
  float rate, decay, epsilon;
  NetworkWeights *weights, *squares; ///< read and updated
  std::uint64_t* steps;              ///< the number of this step, which dropout depends on
  float* loss;                       ///< 1: the mean before the update
};

/// The gradient, with respect to w, of the sum of all h after the last step of h becoming
/// tanh(h + x w), from h = 0 on. Features are neighbours.
template <class T> struct Recurrence {
  long batch, steps, features, batch_stride, step_stride;
  const T *x, *w;
  T* kept;     ///< to work in: (steps + 1) × features
  T* gradient; ///< a number for each feature
};

struct Limits {
  void (*add_f32)(long n, const float* x, const float* y, float* z);
  void (*linear_f32)(long n, const float* x, const float* y, float* z);
  void (*linear_f64)(long n, const double* x, const double* y, double* z);
  void (*square_f32)(long n, const float* a, const float* b, float* z); ///< a² + b² + 2ab
  void (*square_f64)(long n, const double* a, const double* b, double* z);
  void (*weighted_f32)(long n, const float* a, const float* b, float* z); ///< 2a + 3b
  void (*weighted_f64)(long n, const double* a, const double* b, double* z);
  void (*successor_f32)(long n, const float* a, const float* b, float* z); ///< a + 1
  void (*successor_f64)(long n, const double* a, const double* b, double* z);
  void (*tenth_power_f32)(long n, const float* a, const float* b, float* z); ///< 2a + b^10
  void (*tenth_power_f64)(long n, const double* a, const double* b, double* z);
  void (*activations_f32)(long n, float a, float b, float c, const float* x, const float* y,
                          float* z);
  // One result a row, or a row of results, unless it is said otherwise.
  void (*softmax_f32)(long rows, long columns, const float* x, float* y);
  void (*log_softmax_f32)(long rows, long columns, const float* x, float* y);
  void (*logsumexp_f32)(long rows, long columns, const float* x, float* y);
  void (*layer_norm_f32)(long rows, long columns, float epsilon, const float* gain,
                         const float* shift, const float* x, float* y);
  void (*row_sums_f32)(long rows, long columns, const float* x, float* y);
  void (*row_maxima_f32)(long rows, long columns, const float* x, float* y);
  void (*row_variances_f32)(long rows, long columns, const float* x, float* y);
  void (*row_argmax_f32)(long rows, long columns, const float* x, std::int64_t* y);
  void (*column_sums_f32)(long rows, long columns, const float* x, float* y); ///< a result a column
  void (*mean_f32)(long n, const float* x, float* y);                         ///< one result
  /// c = a·b. Of one column, b is k long and a 1 × k or 4 × k; of four columns, b is k × 4 and a
  /// is as k × 1 or k × 4.
  void (*long_product_f32)(long m, long n, long k, const float* a, const float* b, float* c);
  void (*recurrence_gradient_f32)(const Recurrence<float>&);
  void (*recurrence_gradient_f64)(const Recurrence<double>&);
  /// table[rows[i]] -= rate * added[i], rows of `width`.
  void (*subtract_rows_f32)(long count, long width, float rate, const std::int32_t* rows,
                            const float* added, float* table);
  void (*subtract_rows_f64)(long count, long width, double rate, const std::int32_t* rows,
                            const double* added, double* table);
  /// What is added at each of `rows` positions, of f32 in f64 at up to 1024.
  void (*sums_at_f32)(long count, long rows, const std::int32_t* at, const float* added,
                      float* sums);
  void (*sums_at_f64)(long count, long rows, const std::int32_t* at, const double* added,
                      double* sums);
  /// After how many of 20 steps of z² + c, from z = c = x + iy on, |z| is 2 or more: for x along
  /// columns and y along rows, or along columns too if there is one row.
  void (*escape_f32)(long rows, long columns, const float* x, const float* y, float* counts);
  void (*escape_f64)(long rows, long columns, const double* x, const double* y, double* counts);
  /// The sum of x after 40 steps of x becoming b x (1 - x), and its gradients.
  void (*logistic_gradient_f32)(long n, const float* x, const float* b, float* sum, float* of_x,
                                float* of_b);
  /// A normal log density of n numbers q with prior spread and level, and its gradient in q.
  void (*log_density_f64)(long n, const double* q, const double* y, double* lp, double* gradient);
  /// max(0, x w + b) v + c for one row x of 16, with 16 hidden units and 4 results.
  void (*perceptron_f32)(const float* x, const float* w, const float* b, const float* v,
                         const float* c, float* out);
  /// Predicts three states x with covariance p by x' = a x and noise q, then corrects both by a
  /// measurement z = h x' with variance 4.
  void (*kalman_f64)(const double* p, const double* a, const double* q, const double* x,
                     const double* h, double z, double* state, double* covariance);
  /// For each of n points, the sum over all of mass / distance³ times the way there, distances
  /// being no shorter than 1/32. Points and results are [3, n].
  void (*forces_f32)(long n, const float* points, const float* mass, float* out);
  void (*forces_f64)(long n, const double* points, const double* mass, double* out);
  /// Sums over the middle axis of [outer, n, inner], with at most 1,024 inner elements.
  void (*middle_sums_f32)(long outer, long n, long inner, const float* x, float* out);
  void (*middle_sums_f64)(long outer, long n, long inner, const double* x, double* out);
  void (*logistic_step)(const LogisticStep&);
  void (*perceptron_step)(const PerceptronStep&);
  void (*network_step)(const NetworkStep&);
};

/// Null when Clang's driver was not there to build them.
const Limits* limits();

} // namespace bench
