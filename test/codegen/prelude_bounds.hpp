#pragma once
/// The largest errors the prelude may make. docs/numerics.md shows the same numbers; a test
/// compares.
#include <string_view>

namespace kroton::test {

struct PreludeBound {
  std::string_view function;
  double ulp; ///< Units in the last place of the exact result, denormal results included.
};

inline constexpr PreludeBound prelude_bounds[] = {
    {"exp_f32", 1.25},        {"exp_f64", 1.25},        //
    {"expm1_f32", 1.75},      {"expm1_f64", 2.0},       //
    {"log_f32", 1.0},         {"log_f64", 1.0},         //
    {"log1p_f32", 1.75},      {"log1p_f64", 1.75},      //
    {"tanh_f32", 1.75},       {"tanh_f64", 1.75},       //
    {"tanh_slope_f32", 16.0}, {"tanh_slope_f64", 16.0}, //
    {"sigmoid_f32", 2.0},     {"sigmoid_f64", 2.0},     //
    {"softplus_f32", 2.0},    {"softplus_f64", 2.0},    //
    {"pow_f32", 0.75},        {"pow_f64", 1.25},        //
    {"sinpi_f32", 1.75},      {"sinpi_f64", 1.75},      //
    {"cospi_f32", 1.75},      {"cospi_f64", 1.75},      //
    {"sqrt_f32", 0.5},        {"sqrt_f64", 0.5},
};

constexpr double prelude_bound(std::string_view function) {
  for (const PreludeBound& bound : prelude_bounds)
    if (bound.function == function) return bound.ulp;
  return 0.0;
}

} // namespace kroton::test
