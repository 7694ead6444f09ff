// cbrt and hypot. Coefficients from minimax.py, which also prints their errors.

/// m^-1/3 for m in [2/3, √2], relative error 2^-14.1, divided by the cube root of 2^j; j = 0, 1 or 2.
//# inverse_cube_root_f32: types fma_f32 select
template <class F> KROTON_INLINE F inverse_cube_root_f32(F m, F j) {
  F p = 0x1.249778p-3f;
  p = fma_f32(p, m, -0x1.881c9ap-1f);
  p = fma_f32(p, m, 0x1.a9f148p0f);
  p = fma_f32(p, m, -0x1.ef298ep0f);
  p = fma_f32(p, m, 0x1.e4b26cp0f);
  return p * select(j == 0.0f, (F)1.0f, select(j == 1.0f, (F)0x1.965feap-1f, 0x1.428a3p-1f));
}

/// x = m 2^(3k + j): a step of Newton's for the inverse root, and one for the root.
//# cbrt_f32: types select fma_f32 abs_f32 copysign_f32 floor_f32 infinity_f32 split_f32 power_of_two_f32 inverse_cube_root_f32
template <class F> KROTON_INLINE F cbrt_f32(F x) {
  F a = abs_f32(x);
  auto [e, f] = split_f32(a);
  F k = floor_f32(fma_f32(e, 0x1.555556p-2f, 0x1.555556p-3f));
  F j = e - 3.0f * k;
  F m = (f + 1.0f) * select(j == 0.0f, (F)1.0f, select(j == 1.0f, (F)2.0f, 4.0f));
  F r = inverse_cube_root_f32(f + 1.0f, j);
  r = fma_f32(r * 0x1.555556p-2f, fma_f32(-m * r, r * r, 1.0f), r);
  F y = m * (r * r);
  y = fma_f32(fma_f32(-y * y, y, m), r * r * 0x1.555556p-2f, y) * power_of_two_f32(k + 0x1.8p23f);
  return a == 0.0f || !(a < infinity_f32()) ? x : copysign_f32(y, x);
}

//# inverse_cube_root_f64: types fma_f64 select
template <class F> KROTON_INLINE F inverse_cube_root_f64(F m, F j) {
  F p = 0x1.249778p-3;
  p = fma_f64(p, m, -0x1.881c9ap-1);
  p = fma_f64(p, m, 0x1.a9f148p0);
  p = fma_f64(p, m, -0x1.ef298ep0);
  p = fma_f64(p, m, 0x1.e4b26cp0);
  return p * select(j == 0.0, (F)1.0, select(j == 1.0, (F)0x1.965fea53d6e3dp-1, 0x1.428a2f98d728bp-1));
}

/// As cbrt_f32; the step for the inverse root is one of third order.
//# cbrt_f64: types select fma_f64 abs_f64 copysign_f64 floor_f64 infinity_f64 split_f64 power_of_two_f64 inverse_cube_root_f64
template <class F> KROTON_INLINE F cbrt_f64(F x) {
  F a = abs_f64(x);
  auto [e, f] = split_f64(a);
  F k = floor_f64(fma_f64(e, 0x1.5555555555555p-2, 0x1.5555555555555p-3));
  F j = e - 3.0 * k;
  F m = f * select(j == 0.0, (F)1.0, select(j == 1.0, (F)2.0, 4.0));
  F r = inverse_cube_root_f64(f, j);
  F h = fma_f64(-m * r, r * r, 1.0);
  r = fma_f64(r * h, fma_f64(h, 0x1.c71c71c71c71cp-3, 0x1.5555555555555p-2), r);
  F y = m * (r * r);
  y = fma_f64(fma_f64(-y * y, y, m), r * r * 0x1.5555555555555p-2, y) * power_of_two_f64(k + 0x1.8p52);
  return a == 0.0 || !(a < infinity_f64()) ? x : copysign_f64(y, x);
}

/// In f64, where squares of f32 are exact and none overflows.
//# hypot_f32: types select convert abs_f32 sqrt_f64 infinity_f32
template <class A, class B> KROTON_INLINE auto hypot_f32(A a, B b) {
  using F = decltype(a + b);
  F x = a, y = b;
  auto u = convert<f64>(x), v = convert<f64>(y);
  auto infinite = (abs_f32(x) == infinity_f32()) | (abs_f32(y) == infinity_f32());
  return select(infinite, (F)infinity_f32(), convert<f32>(sqrt_f64(u * u + v * v)));
}

/// Scaled by a power of two where squares would leave the range.
//# hypot_f64: types select fma_f64 abs_f64 sqrt_f64 infinity_f64
template <class A, class B> KROTON_INLINE auto hypot_f64(A a, B b) {
  using F = decltype(a + b);
  F x = abs_f64((F)a), y = abs_f64((F)b);
  F large = select(x > y, x, y), small = select(x > y, y, x);
  auto high = large > 0x1p510, low = large < 0x1p-450;
  F scale = select(high, (F)0x1p-600, select(low, (F)0x1p600, 1.0));
  F back = select(high, (F)0x1p600, select(low, (F)0x1p-600, 1.0));
  F u = large * scale, v = small * scale;
  auto infinite = (x == infinity_f64()) | (y == infinity_f64());
  return select(infinite, (F)infinity_f64(), sqrt_f64(fma_f64(u, u, v * v)) * back);
}
