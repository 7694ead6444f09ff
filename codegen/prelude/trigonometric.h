// sin(πx) and cos(πx). The argument is reduced exactly, by whole turns to [-1, 1] and then by n quarter
// turns, n = -2 … 2, to r in [-1/4, 1/4]. n stays a float, so that inf and NaN need no care.
// Coefficients from minimax.py, which also prints their errors.

/// sin(πr) and cos(πr) for |r| <= 1/4; relative errors 2^-27.9 and 2^-31.2 before rounding.
//# sinpi_quarter_f32: types fma_f32
template <class F> KROTON_INLINE F sinpi_quarter_f32(F r) {
  F z = r * r;
  F p = -0x1.2ddc34p-1f;
  p = fma_f32(p, z, 0x1.46607cp+1f);
  p = fma_f32(p, z, -0x1.4abbcp+2f);
  return fma_f32(r, 0x1.921fb6p+1f, r * fma_f32(p, z, -0x1.777a5cp-24f));
}

//# cospi_quarter_f32: types fma_f32
template <class F> KROTON_INLINE F cospi_quarter_f32(F r) {
  F z = r * r;
  F p = 0x1.d46d9ap-3f;
  p = fma_f32(p, z, -0x1.55b132p+0f);
  p = fma_f32(p, z, 0x1.03c1aep+2f);
  p = fma_f32(p, z, -0x1.3bd3ccp+2f);
  return fma_f32(p, z, 1.0f);
}

//# sinpi_f32: types rint_f32 copysign_f32 sinpi_quarter_f32 cospi_quarter_f32
template <class F> KROTON_INLINE F sinpi_f32(F x) {
  F turn = x - 2.0f * rint_f32(0.5f * x);
  F n = rint_f32(2.0f * turn);
  F r = turn - 0.5f * n;
  F y = n == 1.0f || n == -1.0f ? cospi_quarter_f32(r) : sinpi_quarter_f32(r);
  y = n == -1.0f || n == 2.0f || n == -2.0f ? -y : y;
  return y == 0.0f ? copysign_f32(0.0f, x) : y;
}

//# cospi_f32: types rint_f32 sinpi_quarter_f32 cospi_quarter_f32
template <class F> KROTON_INLINE F cospi_f32(F x) {
  F turn = x - 2.0f * rint_f32(0.5f * x);
  F n = rint_f32(2.0f * turn);
  F r = turn - 0.5f * n;
  F y = n == 1.0f || n == -1.0f ? sinpi_quarter_f32(r) : cospi_quarter_f32(r);
  y = n == 1.0f || n == 2.0f || n == -2.0f ? -y : y;
  return y == 0.0f ? 0.0f : y;
}

/// sin(πr) and cos(πr) for |r| <= 1/4; relative errors 2^-63.5 and 2^-61.5 before rounding.
//# sinpi_quarter_f64: types fma_f64
template <class F> KROTON_INLINE F sinpi_quarter_f64(F r) {
  F z = r * r;
  F p = -0x1.7401644b089aap-16;
  p = fma_f64(p, z, 0x1.e909628b34d8ep-12);
  p = fma_f64(p, z, -0x1.e3076f6cfea3dp-8);
  p = fma_f64(p, z, 0x1.5078349df80d1p-4);
  p = fma_f64(p, z, -0x1.32d2cce63b251p-1);
  p = fma_f64(p, z, 0x1.466bc6775ab7dp+1);
  p = fma_f64(p, z, -0x1.4abbce625be53p+2);
  return fma_f64(r, 0x1.921fb54442d18p+1, r * fma_f64(p, z, 0x1.1a62633145c07p-53));
}

//# cospi_quarter_f64: types fma_f64
template <class F> KROTON_INLINE F cospi_quarter_f64(F r) {
  F z = r * r;
  F p = -0x1.b005ad3bb0e3fp-14;
  p = fma_f64(p, z, 0x1.f9c41bf70ef41p-10);
  p = fma_f64(p, z, -0x1.a6d1e18d4a658p-6);
  p = fma_f64(p, z, 0x1.e1f50674f6af5p-3);
  p = fma_f64(p, z, -0x1.55d3c7e3bf88dp+0);
  p = fma_f64(p, z, 0x1.03c1f081b5a50p+2);
  p = fma_f64(p, z, -0x1.3bd3cc9be45dep+2);
  return fma_f64(p, z, 1.0);
}

//# sinpi_f64: types rint_f64 copysign_f64 sinpi_quarter_f64 cospi_quarter_f64
template <class F> KROTON_INLINE F sinpi_f64(F x) {
  F turn = x - 2.0 * rint_f64(0.5 * x);
  F n = rint_f64(2.0 * turn);
  F r = turn - 0.5 * n;
  F y = n == 1.0 || n == -1.0 ? cospi_quarter_f64(r) : sinpi_quarter_f64(r);
  y = n == -1.0 || n == 2.0 || n == -2.0 ? -y : y;
  return y == 0.0 ? copysign_f64(0.0, x) : y;
}

//# cospi_f64: types rint_f64 sinpi_quarter_f64 cospi_quarter_f64
template <class F> KROTON_INLINE F cospi_f64(F x) {
  F turn = x - 2.0 * rint_f64(0.5 * x);
  F n = rint_f64(2.0 * turn);
  F r = turn - 0.5 * n;
  F y = n == 1.0 || n == -1.0 ? sinpi_quarter_f64(r) : cospi_quarter_f64(r);
  y = n == 1.0 || n == 2.0 || n == -2.0 ? -y : y;
  return y == 0.0 ? 0.0 : y;
}
