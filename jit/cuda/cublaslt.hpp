#pragma once
/// NVIDIA's library of matrix products, where there is one.
///
///   const BlasLt* lt = is_for_library(shape) ? blaslt() : nullptr; // null without one
///   auto product = lt ? lt->plan(gpu, shape) : nullptr;   // null if it does not take the shape
///   if (product) product->launch(gpu, operands, workspace, stream);
///
/// KROTON_CUBLASLT names the library's file; otherwise libcublasLt.so.13 or .12 is looked for. With
/// KROTON_CUBLASLT=off there is none. Products that are too small to be worth it stay with
/// generated kernels.
#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include <kroton/dtype.hpp>

#include "jit/cuda/gpu.hpp"
#include "lib/plan/known_epilogue.hpp"

namespace kroton::jit::cuda {

/// c = activation(a·b + bias) or c += alpha · (a·b), `batches` times; strides in elements.
struct LtShape {
  DType dtype = DType::f32;
  bool accumulates = false;
  bool allows_tf32 = false; ///< f32 operands may be rounded to 10 bits of fraction
  plan::Activation activation = plan::Activation::none;
  bool has_bias = false; ///< an element for each column of c, side by side
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t a_row = 0, a_col = 0, b_row = 0, b_col = 0, c_row = 0;
  std::int64_t batches = 1, a_batch = 0, b_batch = 0, c_batch = 0;
  unsigned a_alignment = 16, b_alignment = 16, bias_alignment = 16; ///< in bytes

  bool has_epilogue() const { return has_bias || activation != plan::Activation::none; }

  auto operator<=>(const LtShape&) const = default;
};

struct LtOperands {
  Address a = 0, b = 0, c = 0;
  Address alpha = 0; ///< one element on the device, if the product accumulates
  Address bias = 0;
};

/// A product with the algorithm that the library chose for it.
class LtProduct {
public:
  LtProduct() = default;
  LtProduct(const LtProduct&) = delete;
  LtProduct& operator=(const LtProduct&) = delete;
  virtual ~LtProduct() = default;
  /// Bytes of device memory that it works in, aligned to 256.
  virtual std::size_t workspace_bytes() const noexcept = 0;
  virtual void launch(Gpu& gpu, const LtOperands& operands, Address workspace,
                      Stream stream) const = 0;
};

/// Whether a product is so large that a launch of the library costs less than it saves. Asked
/// before the library is opened, which takes longer than anything else that a function needs.
bool is_for_library(const LtShape& shape) noexcept;

class BlasLt {
public:
  BlasLt() = default;
  BlasLt(const BlasLt&) = delete;
  BlasLt& operator=(const BlasLt&) = delete;
  virtual ~BlasLt() = default;
  /// The product for a shape, kept for the next who asks; null if the library does not take it.
  /// The device's context must be the thread's.
  virtual std::shared_ptr<const LtProduct> plan(Gpu& gpu, const LtShape& shape) const = 0;
};

/// The library, opened by the first call; null if there is none.
const BlasLt* blaslt();

/// What computes large matrix products on devices, and why, in a line.
std::string blaslt_description();

} // namespace kroton::jit::cuda
