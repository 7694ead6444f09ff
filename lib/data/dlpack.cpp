#include <kroton/dlpack.hpp>

#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"

namespace kroton {
namespace {

using support::describe;
using support::fail;

DLDataType dl_type(DType dtype) {
  const auto bits = static_cast<std::uint8_t>(8 * item_size(dtype));
  const auto code = is_bool(dtype)         ? kDLBool
                    : is_float(dtype)      ? kDLFloat
                    : is_signed_int(dtype) ? kDLInt
                                           : kDLUInt;
  return {static_cast<std::uint8_t>(code), bits, 1};
}

std::string type_name(DLDataType type) {
  constexpr std::string_view names[] = {"int",    "uint",    "float", "handle",
                                        "bfloat", "complex", "bool"};
  const std::string name = type.code < std::size(names)
                               ? std::string(names[type.code])
                               : fmt::format("type code {} with bits ", type.code);
  return fmt::format("{}{}{}", name, type.bits,
                     type.lanes == 1 ? "" : fmt::format("x{}", type.lanes));
}

std::string device_name(DLDevice device) {
  struct Row {
    DLDeviceType type;
    std::string_view name;
  };
  constexpr Row rows[] = {
      {kDLCUDA, "cuda"},
      {kDLCUDAHost, "cuda_host"},
      {kDLOpenCL, "opencl"},
      {kDLVulkan, "vulkan"},
      {kDLMetal, "metal"},
      {kDLROCM, "rocm"},
      {kDLROCMHost, "rocm_host"},
      {kDLOneAPI, "oneapi"},
      {kDLWebGPU, "webgpu"},
      {kDLHexagon, "hexagon"},
      {kDLCUDAManaged, "cuda_managed"},
  };
  for (const Row& row : rows)
    if (row.type == device.device_type) return fmt::format("{}:{}", row.name, device.device_id);
  return fmt::format("device type {}:{}", static_cast<std::int32_t>(device.device_type),
                     device.device_id);
}

DType dtype_from(DLDataType type, const Location& where) {
  for (int i = 0; i < dtype_count; ++i) {
    const auto candidate = static_cast<DType>(i);
    const DLDataType known = dl_type(candidate);
    if (known.code == type.code && known.bits == type.bits && known.lanes == type.lanes)
      return candidate;
  }
  fail<TypeError>(
      "from_dlpack",
      {.place = describe(where), .hint = "convert it where it comes from, for instance to float32"},
      "the tensor's elements are {}, for which there is no dtype", type_name(type));
}

/// What a tensor given away needs to live.
struct Exported {
  explicit Exported(const Array& a) : array(a), shape(a.shape()), strides(a.strides()) {}
  DLManagedTensor tensor{};
  Array array;
  Shape shape, strides; ///< Copies, because DLPack's consumers may write to them.
};

} // namespace

DLManagedTensor* to_dlpack(const Array& array, Location where) {
  if (!array.is_writable())
    fail<TypeError>("to_dlpack", {.place = describe(where), .hint = "give array.copy() away"},
                    "{} is read-only, and DLPack has no way to say so", array.label());
  auto out = std::make_unique<Exported>(array);
  DLTensor& tensor = out->tensor.dl_tensor;
  tensor.data = out->array.raw();
  tensor.device = {kDLCPU, 0};
  tensor.ndim = array.rank();
  tensor.dtype = dl_type(array.dtype());
  tensor.shape = out->shape.data();
  tensor.strides = out->strides.data();
  tensor.byte_offset = 0;
  out->tensor.manager_ctx = out.get();
  out->tensor.deleter = [](DLManagedTensor* self) {
    delete static_cast<Exported*>(self->manager_ctx);
  };
  return &out.release()->tensor;
}

Array from_dlpack(DLManagedTensor* tensor, Location where) {
  if (tensor == nullptr)
    fail<TypeError>("from_dlpack", {.place = describe(where)}, "the tensor is a null pointer");
  const DLTensor& t = tensor->dl_tensor;
  // Memory pinned by CUDA is host memory.
  if (t.device.device_type != kDLCPU && t.device.device_type != kDLCUDAHost)
    fail<UnsupportedError>(
        "from_dlpack", {.place = describe(where), .hint = "copy it to the host first"},
        "the tensor lies on {}; only host memory is taken", device_name(t.device));
  const DType dtype = dtype_from(t.dtype, where);
  if (t.ndim < 0 || (t.ndim > 0 && t.shape == nullptr))
    fail<ShapeError>("from_dlpack", {.place = describe(where)}, "the tensor has {} axes and {}",
                     t.ndim, t.shape == nullptr ? "no shape" : "a shape");
  const Shape shape(t.shape, t.shape + t.ndim);
  const Shape strides = t.strides == nullptr ? Shape{} : Shape(t.strides, t.strides + t.ndim);
  void* data = static_cast<std::byte*>(t.data) + t.byte_offset;
  // The checks come first, on a view that owns nothing: until they pass the tensor is the caller's.
  Array::view(dtype, data, shape, strides, nullptr, where);
  const std::shared_ptr<void> owner(tensor, [](void* taken) {
    auto* given = static_cast<DLManagedTensor*>(taken);
    if (given->deleter != nullptr) given->deleter(given);
  });
  return Array::view(dtype, data, shape, strides, owner, where);
}

} // namespace kroton
