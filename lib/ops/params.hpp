#pragma once
/// What the ops are parameterised by (lib/ir/params.hpp). A new op that takes what no other takes
/// declares its struct in a header of its own family.
#include "lib/ir/params.hpp"

namespace kroton::ops {

using ir::field;

/// input: its type, and which input it is.
struct InputParams {
  DType dtype = DType::bool_;
  ir::DimList shape = {};
  ir::InputIdentity leaf = nullptr;

  static constexpr std::string_view params_name = "input";
  static constexpr auto fields =
      std::tuple{field("dtype", &InputParams::dtype), field("shape", &InputParams::shape),
                 field("leaf", &InputParams::leaf)};
};

/// shared: its type, and which variable it is.
struct SharedParams {
  DType dtype = DType::bool_;
  ir::DimList shape = {};
  ir::SharedIdentity state = nullptr;

  static constexpr std::string_view params_name = "shared";
  static constexpr auto fields =
      std::tuple{field("dtype", &SharedParams::dtype), field("shape", &SharedParams::shape),
                 field("state", &SharedParams::state)};
};

/// array: its type, and the array.
struct ArrayParams {
  DType dtype = DType::bool_;
  ir::DimList shape = {};
  ir::ArrayIdentity leaf = nullptr;

  static constexpr std::string_view params_name = "array";
  static constexpr auto fields =
      std::tuple{field("dtype", &ArrayParams::dtype), field("shape", &ArrayParams::shape),
                 field("leaf", &ArrayParams::leaf)};
};

/// constant
struct ConstantParams {
  ir::Scalar value = {};

  static constexpr std::string_view params_name = "constant";
  static constexpr auto fields = std::tuple{field("value", &ConstantParams::value)};
};

/// Of a node whose op is constant.
template <class N> const ir::Scalar& constant_in(const N& constant) {
  return constant.params.template as<ConstantParams>().value;
}

/// size: the dim that it gives; iota: how many elements it has.
struct SizeParams {
  Dim size{0};

  static constexpr std::string_view params_name = "size";
  static constexpr auto fields = std::tuple{field("size", &SizeParams::size)};
};

using ir::axes_of;
using ir::AxesParams;
using ir::reduced_axes;

/// cumsum: the axis that sums run along, and whether they run from its end.
struct RunningParams {
  std::int64_t axis = 0;
  bool is_reversed = false;

  static constexpr std::string_view params_name = "running";
  static constexpr auto fields = std::tuple{field("axis", &RunningParams::axis),
                                            field("reversed", &RunningParams::is_reversed)};
};

/// transpose: the input's axis that each axis of the result is.
struct OrderParams {
  ir::Ints order = {};

  static constexpr std::string_view params_name = "order";
  static constexpr auto fields = std::tuple{field("order", &OrderParams::order)};
};

/// reshape, broadcast-to and index-add: the shape of the result.
struct ShapeParams {
  ir::DimList shape = {};

  static constexpr std::string_view params_name = "shape";
  static constexpr auto fields = std::tuple{field("shape", &ShapeParams::shape)};
};

/// slice: the first position of each axis, the distance to the next, and the shape of the result.
/// unslice: where a slice with these starts and steps puts its input, in an array of that shape.
struct SliceParams {
  ir::DimList starts = {};
  ir::Ints steps = {};
  ir::DimList shape = {};

  static constexpr std::string_view params_name = "slice";
  static constexpr auto fields =
      std::tuple{field("starts", &SliceParams::starts), field("steps", &SliceParams::steps),
                 field("shape", &SliceParams::shape)};
};

/// cast: the dtype of the result.
struct CastParams {
  DType to = DType::bool_;

  static constexpr std::string_view params_name = "cast";
  static constexpr auto fields = std::tuple{field("to", &CastParams::to)};
};

/// uniform: which draw of its stream, and the result's type.
struct UniformParams {
  ir::Draw draw = {};
  ir::DimList shape = {};
  DType dtype = DType::f32;
  bool is_positive = false; ///< f32 numbers that logarithms are taken of: none is 0

  static constexpr std::string_view params_name = "uniform";
  static constexpr auto fields = std::tuple{
      field("draw", &UniformParams::draw), field("shape", &UniformParams::shape),
      field("dtype", &UniformParams::dtype), field("positive", &UniformParams::is_positive)};
};

/// copy: tells several copies of one value apart.
struct CopyParams {
  std::int64_t number = 0;

  static constexpr std::string_view params_name = "copy";
  static constexpr auto fields = std::tuple{field("number", &CopyParams::number)};
};

} // namespace kroton::ops
