/// Small functions as one writes them by hand: plain loops over arrays of known sizes.
#include "bench/limit/limit.hpp"

#include <cmath>

namespace bench {

void log_density_f64(long n, const double* __restrict q, const double* __restrict y,
                     double* __restrict lp, double* __restrict gradient) {
  double mean = 0, residuals = 0, squares = 0, scatter = 0;
  for (long i = 0; i < n; ++i) mean += q[i];
  mean /= static_cast<double>(n);
  for (long i = 0; i < n; ++i) {
    residuals += (y[i] - q[i]) * (y[i] - q[i]);
    squares += q[i] * q[i];
    scatter += (q[i] - mean) * (q[i] - mean);
  }
  *lp = -0.5 * residuals - 0.5 * std::log1p(scatter) - 0.125 * squares;
  for (long i = 0; i < n; ++i)
    gradient[i] = y[i] - q[i] - (q[i] - mean) / (1 + scatter) - 0.25 * q[i];
}

void perceptron_f32(const float* __restrict x, const float* __restrict w, const float* __restrict b,
                    const float* __restrict v, const float* __restrict c, float* __restrict out) {
  float hidden[16];
  for (int j = 0; j < 16; ++j) hidden[j] = b[j];
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) hidden[j] += x[i] * w[i * 16 + j];
  for (int j = 0; j < 4; ++j) out[j] = c[j];
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 4; ++j) out[j] += (hidden[i] > 0 ? hidden[i] : 0) * v[i * 4 + j];
}

void kalman_f64(const double* __restrict p, const double* __restrict a, const double* __restrict q,
                const double* __restrict x, const double* __restrict h, double z,
                double* __restrict state, double* __restrict covariance) {
  double at[3], ap[3][3], pp[3][3], ph[3], s = 4, off = z;
  for (int i = 0; i < 3; ++i) {
    at[i] = 0;
    for (int k = 0; k < 3; ++k) at[i] += a[i * 3 + k] * x[k];
    for (int j = 0; j < 3; ++j) {
      ap[i][j] = 0;
      for (int k = 0; k < 3; ++k) ap[i][j] += a[i * 3 + k] * p[k * 3 + j];
    }
  }
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      pp[i][j] = q[i * 3 + j];
      for (int k = 0; k < 3; ++k) pp[i][j] += ap[i][k] * a[j * 3 + k];
    }
  for (int i = 0; i < 3; ++i) {
    ph[i] = 0;
    for (int k = 0; k < 3; ++k) ph[i] += pp[i][k] * h[k];
    s += h[i] * ph[i];
    off -= h[i] * at[i];
  }
  for (int i = 0; i < 3; ++i) {
    state[i] = at[i] + ph[i] / s * off;
    for (int j = 0; j < 3; ++j) covariance[i * 3 + j] = pp[i][j] - ph[i] / s * ph[j];
  }
}

} // namespace bench
