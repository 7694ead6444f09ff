#include "bench/limit/limit.hpp"

namespace bench {

void add_f32(long n, const float* x, const float* y, float* z);
void linear_f32(long n, const float* x, const float* y, float* z);
void linear_f64(long n, const double* x, const double* y, double* z);
void square_f32(long n, const float* a, const float* b, float* z);
void square_f64(long n, const double* a, const double* b, double* z);
void weighted_f32(long n, const float* a, const float* b, float* z);
void weighted_f64(long n, const double* a, const double* b, double* z);
void successor_f32(long n, const float* a, const float* b, float* z);
void successor_f64(long n, const double* a, const double* b, double* z);
void tenth_power_f32(long n, const float* a, const float* b, float* z);
void tenth_power_f64(long n, const double* a, const double* b, double* z);
void activations_f32(long n, float a, float b, float c, const float* x, const float* y, float* z);
void softmax_f32(long rows, long columns, const float* x, float* y);
void log_softmax_f32(long rows, long columns, const float* x, float* y);
void logsumexp_f32(long rows, long columns, const float* x, float* y);
void layer_norm_f32(long rows, long columns, float epsilon, const float* gain, const float* shift,
                    const float* x, float* y);
void row_sums_f32(long rows, long columns, const float* x, float* y);
void row_maxima_f32(long rows, long columns, const float* x, float* y);
void row_variances_f32(long rows, long columns, const float* x, float* y);
void row_argmax_f32(long rows, long columns, const float* x, std::int64_t* y);
void column_sums_f32(long rows, long columns, const float* x, float* y);
void mean_f32(long n, const float* x, float* y);
void long_product_f32(long m, long n, long k, const float* a, const float* b, float* c);
void recurrence_gradient_f32(const Recurrence<float>&);
void recurrence_gradient_f64(const Recurrence<double>&);
void subtract_rows_f32(long count, long width, float rate, const std::int32_t* rows,
                       const float* added, float* table);
void subtract_rows_f64(long count, long width, double rate, const std::int32_t* rows,
                       const double* added, double* table);
void sums_at_f32(long count, long rows, const std::int32_t* at, const float* added, float* sums);
void sums_at_f64(long count, long rows, const std::int32_t* at, const double* added, double* sums);
void escape_f32(long rows, long columns, const float* x, const float* y, float* counts);
void escape_f64(long rows, long columns, const double* x, const double* y, double* counts);
void logistic_gradient_f32(long n, const float* x, const float* b, float* sum, float* of_x,
                           float* of_b);
void log_density_f64(long n, const double* q, const double* y, double* lp, double* gradient);
void perceptron_f32(const float* x, const float* w, const float* b, const float* v, const float* c,
                    float* out);
void kalman_f64(const double* p, const double* a, const double* q, const double* x, const double* h,
                double z, double* state, double* covariance);
void forces_f32(long n, const float* points, const float* mass, float* out);
void forces_f64(long n, const double* points, const double* mass, double* out);
void middle_sums_f32(long outer, long n, long inner, const float* x, float* out);
void middle_sums_f64(long outer, long n, long inner, const double* x, double* out);
void logistic_step(const LogisticStep&);
void perceptron_step(const PerceptronStep&);
void network_step(const NetworkStep&);

const Limits* limits() {
  static constexpr Limits table{.add_f32 = add_f32,
                                .linear_f32 = linear_f32,
                                .linear_f64 = linear_f64,
                                .square_f32 = square_f32,
                                .square_f64 = square_f64,
                                .weighted_f32 = weighted_f32,
                                .weighted_f64 = weighted_f64,
                                .successor_f32 = successor_f32,
                                .successor_f64 = successor_f64,
                                .tenth_power_f32 = tenth_power_f32,
                                .tenth_power_f64 = tenth_power_f64,
                                .activations_f32 = activations_f32,
                                .softmax_f32 = softmax_f32,
                                .log_softmax_f32 = log_softmax_f32,
                                .logsumexp_f32 = logsumexp_f32,
                                .layer_norm_f32 = layer_norm_f32,
                                .row_sums_f32 = row_sums_f32,
                                .row_maxima_f32 = row_maxima_f32,
                                .row_variances_f32 = row_variances_f32,
                                .row_argmax_f32 = row_argmax_f32,
                                .column_sums_f32 = column_sums_f32,
                                .mean_f32 = mean_f32,
                                .long_product_f32 = long_product_f32,
                                .recurrence_gradient_f32 = recurrence_gradient_f32,
                                .recurrence_gradient_f64 = recurrence_gradient_f64,
                                .subtract_rows_f32 = subtract_rows_f32,
                                .subtract_rows_f64 = subtract_rows_f64,
                                .sums_at_f32 = sums_at_f32,
                                .sums_at_f64 = sums_at_f64,
                                .escape_f32 = escape_f32,
                                .escape_f64 = escape_f64,
                                .logistic_gradient_f32 = logistic_gradient_f32,
                                .log_density_f64 = log_density_f64,
                                .perceptron_f32 = perceptron_f32,
                                .kalman_f64 = kalman_f64,
                                .forces_f32 = forces_f32,
                                .forces_f64 = forces_f64,
                                .middle_sums_f32 = middle_sums_f32,
                                .middle_sums_f64 = middle_sums_f64,
                                .logistic_step = logistic_step,
                                .perceptron_step = perceptron_step,
                                .network_step = network_step};
  return &table;
}

} // namespace bench
