#include "jit/cuda/cublaslt.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <string_view>

#include "jit/cuda/memory.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit::cuda {
namespace {

// ---- the C ABI, which is the same in CUDA 12 and 13
// ----------------------------------------------

using Status = int; ///< cublasStatus_t; 0: success
using Handle = struct cublasLtContext*;
using MatmulDesc = struct cublasLtMatmulDescOpaque*;
using Layout = struct cublasLtMatrixLayoutOpaque*;
using Preference = struct cublasLtMatmulPreferenceOpaque*;

struct Algorithm {
  std::uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  std::size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};

constexpr int real_32 = 0, real_64 = 1;                               // cudaDataType
constexpr int compute_32 = 68, compute_32_tf32 = 77, compute_64 = 70; // cublasComputeType_t
constexpr std::int32_t no_transposition = 0, transposed = 1;          // cublasOperation_t
constexpr std::int32_t pointers_on_device = 1;                        // cublasLtPointerMode_t
enum DescAttribute : int {
  desc_pointer_mode = 2,
  desc_op_a = 3,
  desc_op_b = 4,
  desc_epilogue = 7,
  desc_bias_pointer = 8,
};
/// cublasLtEpilogue_t: bits that are added, but for the default.
constexpr std::uint32_t epilogue_default = 1, epilogue_relu = 2, epilogue_bias = 4,
                        epilogue_gelu = 32;
enum LayoutAttribute : int { layout_batches = 5, layout_batch_stride = 6 };
enum PreferenceAttribute : int {
  most_workspace_bytes = 1,
  alignment_a = 5,
  alignment_b = 6,
  alignment_c = 7,
  alignment_d = 8,
};

/// X(symbol, parameters) for each function; all return cublasStatus_t.
#define KROTON_CUBLASLT_FUNCTIONS(X)                                                               \
  X(cublasLtCreate, (Handle * handle))                                                             \
  X(cublasLtMatmulDescCreate, (MatmulDesc * desc, int compute, int scale))                         \
  X(cublasLtMatmulDescDestroy, (MatmulDesc desc))                                                  \
  X(cublasLtMatmulDescSetAttribute,                                                                \
    (MatmulDesc desc, int attribute, const void* value, std::size_t nbytes))                       \
  X(cublasLtMatrixLayoutCreate,                                                                    \
    (Layout * layout, int type, std::uint64_t rows, std::uint64_t columns, std::int64_t stride))   \
  X(cublasLtMatrixLayoutDestroy, (Layout layout))                                                  \
  X(cublasLtMatrixLayoutSetAttribute,                                                              \
    (Layout layout, int attribute, const void* value, std::size_t nbytes))                         \
  X(cublasLtMatmulPreferenceCreate, (Preference * preference))                                     \
  X(cublasLtMatmulPreferenceDestroy, (Preference preference))                                      \
  X(cublasLtMatmulPreferenceSetAttribute,                                                          \
    (Preference preference, int attribute, const void* value, std::size_t nbytes))                 \
  X(cublasLtMatmulAlgoGetHeuristic,                                                                \
    (Handle handle, MatmulDesc desc, Layout a, Layout b, Layout c, Layout d,                       \
     Preference preference, int wanted, Heuristic* results, int* count))                           \
  X(cublasLtMatmul,                                                                                \
    (Handle handle, MatmulDesc desc, const void* alpha, const void* a, Layout a_layout,            \
     const void* b, Layout b_layout, const void* beta, const void* c, Layout c_layout, void* d,    \
     Layout d_layout, const Algorithm* algorithm, void* workspace, std::size_t workspace_bytes,    \
     Stream stream))

struct Functions {
#define KROTON_CUBLASLT_MEMBER(symbol, parameters) Status(*symbol) parameters = nullptr;
  KROTON_CUBLASLT_FUNCTIONS(KROTON_CUBLASLT_MEMBER)
#undef KROTON_CUBLASLT_MEMBER
  std::size_t (*cublasLtGetVersion)() = nullptr;
  Library shared_library;
};

void check_lt(Status status, const char* what) {
  if (status != 0)
    support::fail<DeviceError>("cuda", {.hint = "KROTON_CUBLASLT=off goes on without the library"},
                               "{}: cuBLASLt says status {}", what, status);
}

/// An object of the library's, destroyed with its holder.
template <class T> class Held {
public:
  explicit Held(Status (*destroy)(T)) : destroy_(destroy) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (object_) destroy_(object_);
  }
  T* out() noexcept { return &object_; }
  T get() const noexcept { return object_; }

private:
  T object_ = nullptr;
  Status (*destroy_)(T);
};

// ---- products
// ------------------------------------------------------------------------------------

/// The library knows columns where Kroton has rows, so c's transpose is computed: that of b, which
/// is n × k, times that of a.
struct Operand {
  std::uint64_t rows = 0, columns = 0; ///< as they are, column after column
  std::int64_t stride = 0;             ///< of columns
  std::int32_t op = no_transposition;
  bool is_usable = false;
};

/// `outer` × `inner` elements at these distances; as the left operand.
Operand operand_of(std::int64_t outer, std::int64_t inner, std::int64_t outer_stride,
                   std::int64_t inner_stride) {
  const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
  if (outer_stride == 1 && inner_stride >= outer)
    return {u(outer), u(inner), inner_stride, no_transposition, true};
  if (inner_stride == 1 && outer_stride >= inner)
    return {u(inner), u(outer), outer_stride, transposed, true};
  return {};
}

constexpr std::size_t workspace_limit = std::size_t{32} << 20;

/// What the library is handed as alpha and beta where a product does not accumulate, and as beta
/// where it does.
struct Scalars {
  float one_32 = 1, zero_32 = 0;
  double one_64 = 1, zero_64 = 0;
};

/// The library on one device.
struct OnDevice {
  Handle handle = nullptr;
  std::unique_ptr<Memory> scalars;

  Address scalar(DType dtype, bool is_one) const {
    const Address at = scalars->device_address();
    if (dtype == DType::f32)
      return at + (is_one ? offsetof(Scalars, one_32) : offsetof(Scalars, zero_32));
    return at + (is_one ? offsetof(Scalars, one_64) : offsetof(Scalars, zero_64));
  }
};

class Product : public LtProduct {
public:
  Product(const Functions& lt, const OnDevice& on, const LtShape& shape)
      : lt_(lt), on_(on), shape_(shape), desc_(lt.cublasLtMatmulDescDestroy),
        left_(lt.cublasLtMatrixLayoutDestroy), right_(lt.cublasLtMatrixLayoutDestroy),
        result_(lt.cublasLtMatrixLayoutDestroy) {}

  /// False if the library has no algorithm.
  bool choose();
  std::size_t workspace_bytes() const noexcept override { return chosen_.workspace_bytes; }
  void launch(Gpu& gpu, const LtOperands& o, Address workspace, Stream stream) const override;

private:
  template <class T> void set(int attribute, const T& value) const {
    check_lt(lt_.cublasLtMatmulDescSetAttribute(desc_.get(), attribute, &value, sizeof value),
             "describing a product");
  }
  void set_epilogue();
  void lay_out(Held<Layout>& layout, const Operand& o, std::int64_t batch_stride);

  const Functions& lt_;
  const OnDevice& on_;
  const LtShape shape_;
  mutable std::mutex mutex_; ///< held from naming a bias to the launch with it
  Held<MatmulDesc> desc_;
  Held<Layout> left_, right_, result_;
  Heuristic chosen_{};
};

void Product::lay_out(Held<Layout>& layout, const Operand& o, std::int64_t batch_stride) {
  const int type = shape_.dtype == DType::f32 ? real_32 : real_64;
  check_lt(lt_.cublasLtMatrixLayoutCreate(layout.out(), type, o.rows, o.columns, o.stride),
           "describing a matrix");
  if (shape_.batches == 1) return;
  const auto batches = static_cast<std::int32_t>(shape_.batches);
  check_lt(
      lt_.cublasLtMatrixLayoutSetAttribute(layout.get(), layout_batches, &batches, sizeof batches),
      "describing a matrix");
  check_lt(lt_.cublasLtMatrixLayoutSetAttribute(layout.get(), layout_batch_stride, &batch_stride,
                                                sizeof batch_stride),
           "describing a matrix");
}

/// The library's epilogues run along the rows of what it computes, which are columns of c.
void Product::set_epilogue() {
  std::uint32_t epilogue = shape_.has_bias ? epilogue_bias : 0;
  if (shape_.activation == plan::Activation::relu) epilogue |= epilogue_relu;
  if (shape_.activation == plan::Activation::gelu) epilogue |= epilogue_gelu;
  set(desc_epilogue, epilogue == 0 ? epilogue_default : epilogue);
  // No algorithm reads it while one is chosen, but its alignment tells which of them could.
  if (shape_.has_bias)
    set(desc_bias_pointer, on_.scalars->device_address() + shape_.bias_alignment);
}

bool Product::choose() {
  const LtShape& s = shape_;
  const Operand left = operand_of(s.n, s.k, s.b_col, s.b_row),
                right = operand_of(s.k, s.m, s.a_col, s.a_row),
                result = operand_of(s.n, s.m, 1, s.c_row);
  if (!left.is_usable || !right.is_usable || !result.is_usable || result.op != no_transposition)
    return false;
  const bool is_f32 = s.dtype == DType::f32;
  const int compute = !is_f32 ? compute_64 : s.allows_tf32 ? compute_32_tf32 : compute_32;
  check_lt(lt_.cublasLtMatmulDescCreate(desc_.out(), compute, is_f32 ? real_32 : real_64),
           "describing a product");
  set(desc_pointer_mode, pointers_on_device);
  set(desc_op_a, left.op);
  set(desc_op_b, right.op);
  set_epilogue();
  lay_out(left_, left, s.b_batch);
  lay_out(right_, right, s.a_batch);
  lay_out(result_, result, s.c_batch);

  Held<Preference> preference(lt_.cublasLtMatmulPreferenceDestroy);
  check_lt(lt_.cublasLtMatmulPreferenceCreate(preference.out()), "choosing an algorithm");
  const auto prefer = [&](int attribute, const auto& value) {
    check_lt(
        lt_.cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
        "choosing an algorithm");
  };
  prefer(most_workspace_bytes, workspace_limit);
  prefer(alignment_a, std::uint32_t{s.b_alignment});
  prefer(alignment_b, std::uint32_t{s.a_alignment});
  prefer(alignment_c, std::uint32_t{16});
  prefer(alignment_d, std::uint32_t{16});
  int count = 0;
  const Status status = lt_.cublasLtMatmulAlgoGetHeuristic(
      on_.handle, desc_.get(), left_.get(), right_.get(), result_.get(), result_.get(),
      preference.get(), 1, &chosen_, &count);
  return status == 0 && count > 0 && chosen_.state == 0;
}

void Product::launch(Gpu& gpu, const LtOperands& o, Address workspace, Stream stream) const {
  const auto pointer = [](Address a) { return reinterpret_cast<void*>(a); };
  const Address alpha = shape_.accumulates ? o.alpha : on_.scalar(shape_.dtype, true),
                beta = on_.scalar(shape_.dtype, shape_.accumulates);
  std::unique_lock lock(mutex_, std::defer_lock);
  if (shape_.has_bias) {
    lock.lock();
    set(desc_bias_pointer, o.bias);
  }
  const Status status = lt_.cublasLtMatmul(
      on_.handle, desc_.get(), pointer(alpha), pointer(o.b), left_.get(), pointer(o.a),
      right_.get(), pointer(beta), pointer(o.c), result_.get(), pointer(o.c), result_.get(),
      &chosen_.algorithm, pointer(workspace), workspace_bytes(), stream);
  if (status != 0)
    support::fail<DeviceError>("cuda", {.hint = "KROTON_CUBLASLT=off goes on without the library"},
                               "cuda:{}: a product of {} x {} x {}: cuBLASLt says status {}",
                               gpu.facts().index, shape_.m, shape_.k, shape_.n, status);
}

// ---- the library
// ---------------------------------------------------------------------------------

class OpenedBlasLt : public BlasLt {
public:
  OpenedBlasLt() { problem_ = open(); }

  bool is_there() const noexcept { return problem_.empty(); }
  std::string description() const {
    if (!is_there()) return fmt::format("generated kernels ({})", problem_);
    return fmt::format("{}, cuBLASLt {}", functions_.shared_library.path(), version());
  }
  std::shared_ptr<const LtProduct> plan(Gpu& gpu, const LtShape& shape) const override;

private:
  std::string open();
  std::string version() const {
    const std::size_t v = functions_.cublasLtGetVersion();
    return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
  }
  OnDevice& on(Gpu& gpu) const;

  Functions functions_;
  std::string problem_;
  mutable std::mutex mutex_; ///< of what follows
  mutable std::map<int, OnDevice> devices_;
  mutable std::map<std::pair<int, LtShape>, std::shared_ptr<const LtProduct>> products_;
};

std::string OpenedBlasLt::open() {
  if (support::variable("KROTON_CUBLASLT") == "off") return "KROTON_CUBLASLT=off";
  functions_.shared_library = open_library(
      {.variable = "KROTON_CUBLASLT", .names = suited({"libcublasLt.so.13", "libcublasLt.so.12"})});
  if (!functions_.shared_library) return functions_.shared_library.problem();
  const char* missing = nullptr;
#define KROTON_CUBLASLT_FIND(symbol, parameters)                                                   \
  functions_.symbol = functions_.shared_library.find<Status parameters>(#symbol);                  \
  if (!functions_.symbol && !missing) missing = #symbol;
  KROTON_CUBLASLT_FUNCTIONS(KROTON_CUBLASLT_FIND)
#undef KROTON_CUBLASLT_FIND
  functions_.cublasLtGetVersion =
      functions_.shared_library.find<std::size_t()>("cublasLtGetVersion");
  if (!functions_.cublasLtGetVersion) missing = "cublasLtGetVersion";
  if (missing) return fmt::format("{} has no {}", functions_.shared_library.path(), missing);
  return {};
}

/// Needs the lock.
OnDevice& OpenedBlasLt::on(Gpu& gpu) const {
  OnDevice& device = devices_[gpu.facts().index];
  if (device.handle) return device;
  check_lt(functions_.cublasLtCreate(&device.handle), "starting the library");
  const Scalars values;
  device.scalars = std::make_unique<Memory>(gpu, sizeof values, gpu.pool().owner("cuBLASLt"));
  device.scalars->fill(reinterpret_cast<const std::byte*>(&values), 0, sizeof values);
  return device;
}

std::shared_ptr<const LtProduct> OpenedBlasLt::plan(Gpu& gpu, const LtShape& shape) const {
  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = products_.try_emplace({gpu.facts().index, shape});
  if (!is_new) return it->second;
  try {
    auto product = std::make_shared<Product>(functions_, on(gpu), shape);
    if (product->choose()) it->second = std::move(product);
  } catch (const DeviceError& error) {
    support::log(support::Area::jit)
        ->warn("a product of {} x {} x {} stays with generated kernels: {}", shape.m, shape.k,
               shape.n, error.what());
  }
  return it->second;
}

/// Never destroyed, as the driver may go first.
const OpenedBlasLt& opened() {
  static const auto& instance = *new OpenedBlasLt;
  return instance;
}

} // namespace

bool is_for_library(const LtShape& s) noexcept {
  // In products of elements, and in elements along each axis.
  constexpr double fewest_products = 1 << 21;
  constexpr std::int64_t fewest = 16;
  const double products = static_cast<double>(s.m) * static_cast<double>(s.n) *
                          static_cast<double>(s.k) * static_cast<double>(s.batches);
  return is_float(s.dtype) && products >= fewest_products && std::min({s.m, s.n, s.k}) >= fewest;
}

const BlasLt* blaslt() { return opened().is_there() ? &opened() : nullptr; }

std::string blaslt_description() { return opened().description(); }

} // namespace kroton::jit::cuda
