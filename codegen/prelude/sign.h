// What depends on the sign of a number alone.

/// max(x, +0): a NaN stays, -0 becomes +0.
//# relu_f32: types
template <class F> KROTON_INLINE F relu_f32(F x) { return x <= 0.0f ? 0.0f : x; }

//# relu_f64: types
template <class F> KROTON_INLINE F relu_f64(F x) { return x <= 0.0 ? 0.0 : x; }

/// -1 or 1; zeros (with their sign) and NaN are returned as they are.
//# sign_f32: types
template <class F> KROTON_INLINE F sign_f32(F x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

//# sign_f64: types
template <class F> KROTON_INLINE F sign_f64(F x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }
