#include "bench/limit/limit.hpp"

namespace bench {

void add_f32(long n, const float* x, const float* y, float* z);
void linear_f32(long n, const float* x, const float* y, float* z);
void linear_f64(long n, const double* x, const double* y, double* z);
void activations_f32(long n, float a, float b, float c, const float* x, const float* y, float* z);
void softmax_f32(long rows, long columns, const float* x, float* y);
void logistic_step(const LogisticStep& s);
void network_step(const NetworkStep& s);

const Limits* limits() {
  static constexpr Limits table{.add_f32 = add_f32,
                                .linear_f32 = linear_f32,
                                .linear_f64 = linear_f64,
                                .activations_f32 = activations_f32,
                                .softmax_f32 = softmax_f32,
                                .logistic_step = logistic_step,
                                .network_step = network_step};
  return &table;
}

} // namespace bench
