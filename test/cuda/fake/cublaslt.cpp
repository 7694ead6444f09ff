/// The fake libcublasLt: products of f32 and f64, one element after the other, with the epilogues
/// that Kroton asks for. A bias must be at 16 bytes, and there is no gelu of f64.
#include <cmath>
#include <cstring>
#include <memory>

#include "test/cuda/fake/state.hpp"

using namespace kroton::test::fake;

namespace {

/// cublasStatus_t
constexpr int success = 0, invalid_value = 7, not_supported = 15;
/// cudaDataType, cublasOperation_t, and the attributes' numbers.
constexpr int real_32 = 0, transposed = 1, pointers_on_device = 1;
constexpr int desc_pointer_mode = 2, desc_op_a = 3, desc_op_b = 4, desc_epilogue = 7,
              desc_bias_pointer = 8;
/// cublasLtEpilogue_t
constexpr std::uint32_t epilogue_default = 1, epilogue_relu = 2, epilogue_bias = 4,
                        epilogue_gelu = 32;
constexpr int layout_batches = 5, layout_batch_stride = 6;

struct Description {
  int scale_type = 0, pointer_mode = 0, op_a = 0, op_b = 0;
  std::uint32_t epilogue = epilogue_default;
  const void* bias = nullptr;

  bool has_bias() const { return (epilogue & epilogue_bias) != 0; }
  std::uint32_t activation() const { return epilogue & ~epilogue_bias; }
};

/// A matrix as it is, column after column.
struct Layout {
  int type = 0;
  std::uint64_t rows = 0, columns = 0;
  std::int64_t stride = 0;
  std::int32_t batches = 1;
  std::int64_t batch_stride = 0;

  std::size_t element_bytes() const { return type == real_32 ? sizeof(float) : sizeof(double); }
  std::size_t nbytes() const {
    const auto last =
        (batches - 1) * batch_stride + static_cast<std::int64_t>(columns - 1) * stride;
    return (static_cast<std::size_t>(last) + rows) * element_bytes();
  }
};

struct Algorithm {
  std::uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  std::size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};

/// d = epilogue(alpha * op(a) * op(b) + beta * c). With beta 0, c is not read. A bias has an
/// element for each row of d.
struct Product {
  Description desc;
  Layout a, b, c, d;
  const void *a_at, *b_at, *c_at, *alpha, *beta;
  void* d_at;
};

template <class T> T scalar_at(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T> T activated(T x, std::uint32_t activation) {
  if (activation == epilogue_relu) return x > 0 ? x : 0;
  if (activation == epilogue_gelu) {
    const T u = T(0.7978845608028654) * (x + T(0.044715) * x * x * x);
    return x / 2 * (1 + std::tanh(u));
  }
  return x;
}

template <class T> void compute(const Product& p) {
  const T alpha = scalar_at<T>(p.alpha), beta = scalar_at<T>(p.beta);
  const auto element = [](const void* at, const Layout& l, std::int32_t batch, std::uint64_t row,
                          std::uint64_t column) {
    return static_cast<const T*>(at) + batch * l.batch_stride +
           static_cast<std::int64_t>(column) * l.stride + static_cast<std::int64_t>(row);
  };
  const bool turns_a = p.desc.op_a == transposed, turns_b = p.desc.op_b == transposed;
  const std::uint64_t inner = turns_a ? p.a.rows : p.a.columns;
  for (std::int32_t batch = 0; batch < p.d.batches; ++batch)
    for (std::uint64_t j = 0; j < p.d.columns; ++j)
      for (std::uint64_t i = 0; i < p.d.rows; ++i) {
        T sum = 0;
        for (std::uint64_t k = 0; k < inner; ++k)
          sum += *element(p.a_at, p.a, batch, turns_a ? k : i, turns_a ? i : k) *
                 *element(p.b_at, p.b, batch, turns_b ? j : k, turns_b ? k : j);
        T value = alpha * sum;
        if (beta != 0) value += beta * *element(p.c_at, p.c, batch, i, j);
        if (p.desc.has_bias()) value += static_cast<const T*>(p.desc.bias)[i];
        *const_cast<T*>(element(p.d_at, p.d, batch, i, j)) = activated(value, p.desc.activation());
      }
}

bool is_on_device(const void* at, std::size_t nbytes) {
  return state().block_at(reinterpret_cast<Address>(at), nbytes) != nullptr;
}

Result run(const Product& p) {
  const bool is_f32 = p.desc.scale_type == real_32;
  if (!is_on_device(p.a_at, p.a.nbytes()) || !is_on_device(p.b_at, p.b.nbytes()) ||
      !is_on_device(p.c_at, p.c.nbytes()) || !is_on_device(p.d_at, p.d.nbytes()) ||
      !is_on_device(p.alpha, 4) || !is_on_device(p.beta, 4) ||
      (p.desc.has_bias() && !is_on_device(p.desc.bias, p.d.rows * p.d.element_bytes())))
    return Result::illegal_address;
  const auto touch = [](const void* at, std::size_t nbytes, bool is_write) {
    state().touch(reinterpret_cast<Address>(at), nbytes, is_write);
  };
  touch(p.a_at, p.a.nbytes(), false);
  touch(p.b_at, p.b.nbytes(), false);
  touch(p.c_at, p.c.nbytes(), false);
  touch(p.d_at, p.d.nbytes(), true);
  if (is_f32)
    compute<float>(p);
  else
    compute<double>(p);
  return Result::success;
}

bool fits(const Description& desc, const Layout& a, const Layout& b, const Layout& d) {
  const bool turns_a = desc.op_a == transposed, turns_b = desc.op_b == transposed;
  return (turns_a ? a.columns : a.rows) == d.rows && (turns_b ? b.rows : b.columns) == d.columns &&
         (turns_a ? a.rows : a.columns) == (turns_b ? b.columns : b.rows) &&
         a.batches == d.batches && b.batches == d.batches && a.type == desc.scale_type &&
         b.type == a.type && d.type == a.type;
}

bool has_epilogue(const Description& desc) {
  const std::uint32_t activation = desc.activation();
  if (desc.has_bias() && (!desc.bias || reinterpret_cast<std::uintptr_t>(desc.bias) % 16 != 0))
    return false;
  if (activation == epilogue_gelu) return desc.scale_type == real_32;
  return activation == 0 || activation == epilogue_relu || desc.epilogue == epilogue_default;
}

template <class T> int stored(T& to, const void* value, std::size_t nbytes) {
  if (nbytes != sizeof to) return invalid_value;
  std::memcpy(&to, value, nbytes);
  return success;
}

} // namespace

#define KROTON_CUBLASLT extern "C" __attribute__((visibility("default"))) int

extern "C" __attribute__((visibility("default"))) std::size_t cublasLtGetVersion() {
  return 130000;
}

KROTON_CUBLASLT cublasLtCreate(int** handle) {
  static int only = 0;
  *handle = &only;
  return success;
}

KROTON_CUBLASLT cublasLtMatmulDescCreate(Description** desc, int, int scale_type) {
  *desc = new Description{.scale_type = scale_type};
  return success;
}

KROTON_CUBLASLT cublasLtMatmulDescDestroy(Description* desc) {
  delete desc;
  return success;
}

KROTON_CUBLASLT cublasLtMatmulDescSetAttribute(Description* desc, int attribute, const void* value,
                                               std::size_t nbytes) {
  switch (attribute) {
  case desc_pointer_mode:
    return stored(desc->pointer_mode, value, nbytes);
  case desc_op_a:
    return stored(desc->op_a, value, nbytes);
  case desc_op_b:
    return stored(desc->op_b, value, nbytes);
  case desc_epilogue:
    return stored(desc->epilogue, value, nbytes);
  case desc_bias_pointer:
    return stored(desc->bias, value, nbytes);
  default:
    return not_supported;
  }
}

KROTON_CUBLASLT cublasLtMatrixLayoutCreate(Layout** layout, int type, std::uint64_t rows,
                                           std::uint64_t columns, std::int64_t stride) {
  if (stride < static_cast<std::int64_t>(rows)) return invalid_value;
  *layout = new Layout{.type = type, .rows = rows, .columns = columns, .stride = stride};
  return success;
}

KROTON_CUBLASLT cublasLtMatrixLayoutDestroy(Layout* layout) {
  delete layout;
  return success;
}

KROTON_CUBLASLT cublasLtMatrixLayoutSetAttribute(Layout* layout, int attribute, const void* value,
                                                 std::size_t nbytes) {
  switch (attribute) {
  case layout_batches:
    return stored(layout->batches, value, nbytes);
  case layout_batch_stride:
    return stored(layout->batch_stride, value, nbytes);
  default:
    return not_supported;
  }
}

KROTON_CUBLASLT cublasLtMatmulPreferenceCreate(int** preference) {
  *preference = new int(0);
  return success;
}

KROTON_CUBLASLT cublasLtMatmulPreferenceDestroy(int* preference) {
  delete preference;
  return success;
}

KROTON_CUBLASLT cublasLtMatmulPreferenceSetAttribute(int*, int, const void*, std::size_t) {
  return success;
}

KROTON_CUBLASLT cublasLtMatmulAlgoGetHeuristic(int*, const Description* desc, const Layout* a,
                                               const Layout* b, const Layout*, const Layout* d,
                                               int*, int wanted, Heuristic* results, int* count) {
  *count = 0;
  if (wanted < 1 || !fits(*desc, *a, *b, *d) || !has_epilogue(*desc)) return not_supported;
  results[0] = {
      .algorithm = {}, .workspace_bytes = 256, .state = success, .waves = 1, .reserved = {}};
  *count = 1;
  return success;
}

KROTON_CUBLASLT cublasLtMatmul(int*, const Description* desc, const void* alpha, const void* a,
                               const Layout* a_layout, const void* b, const Layout* b_layout,
                               const void* beta, const void* c, const Layout* c_layout, void* d,
                               const Layout* d_layout, const Algorithm*, void* workspace,
                               std::size_t workspace_bytes, kroton::jit::cuda::Stream stream) {
  if (desc->pointer_mode != pointers_on_device || !has_epilogue(*desc) ||
      !fits(*desc, *a_layout, *b_layout, *d_layout))
    return not_supported;
  if (workspace_bytes > 0 && !is_on_device(workspace, workspace_bytes)) return invalid_value;
  const Product product{.desc = *desc,
                        .a = *a_layout,
                        .b = *b_layout,
                        .c = *c_layout,
                        .d = *d_layout,
                        .a_at = a,
                        .b_at = b,
                        .c_at = c,
                        .alpha = alpha,
                        .beta = beta,
                        .d_at = d};
  constexpr int execution_failed = 13;
  const Result result = state().call("cublasLtMatmul", [&] {
    return state().enqueue(stream, {"product", [product] { return run(product); }});
  });
  return result == Result::success ? success : execution_failed;
}
