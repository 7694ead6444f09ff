/// Four short polynomials of a and b: bound by memory, the last one, with its tenth power, by
/// arithmetic where the first cache holds everything.
#include "bench/limit/elementwise.hpp"
#include "bench/limit/limit.hpp"

namespace bench {
namespace {

template <class T> void square(long n, const T* a, const T* b, T* z) {
  elementwise(n, a, b, z, [](auto p, auto q) { return (p + q) * (p + q); });
}
template <class T> void weighted(long n, const T* a, const T* b, T* z) {
  elementwise(n, a, b, z, [](auto p, auto q) { return T(2) * p + T(3) * q; });
}
template <class T> void successor(long n, const T* a, const T*, T* z) {
  elementwise(n, a, a, z, [](auto p, auto) { return p + T(1); });
}
template <class T> void tenth_power(long n, const T* a, const T* b, T* z) {
  elementwise(n, a, b, z, [](auto p, auto q) {
    const auto q2 = q * q, q4 = q2 * q2;
    return T(2) * p + q4 * q4 * q2;
  });
}

} // namespace

void square_f32(long n, const float* a, const float* b, float* z) { square(n, a, b, z); }
void square_f64(long n, const double* a, const double* b, double* z) { square(n, a, b, z); }
void weighted_f32(long n, const float* a, const float* b, float* z) { weighted(n, a, b, z); }
void weighted_f64(long n, const double* a, const double* b, double* z) { weighted(n, a, b, z); }
void successor_f32(long n, const float* a, const float* b, float* z) { successor(n, a, b, z); }
void successor_f64(long n, const double* a, const double* b, double* z) { successor(n, a, b, z); }
void tenth_power_f32(long n, const float* a, const float* b, float* z) { tenth_power(n, a, b, z); }
void tenth_power_f64(long n, const double* a, const double* b, double* z) {
  tenth_power(n, a, b, z);
}

} // namespace bench
