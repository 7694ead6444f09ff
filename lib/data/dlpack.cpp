#include "lib/data/dlpack.hpp"

#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton {
namespace {

using support::describe;
using support::fail;

DLDataType dl_type(DType dtype) {
  const DTypeRow& row = row_of(dtype);
  return {row.dlpack_code, static_cast<std::uint8_t>(8 * row.size), 1};
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
  for (const DTypeRow& candidate : dtype_rows) {
    const DLDataType known = dl_type(candidate.dtype);
    if (known.code == type.code && known.bits == type.bits && known.lanes == type.lanes)
      return candidate.dtype;
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
  data::DeviceMemory* lent = nullptr; ///< The array's; null if it is on the host.
  Shape shape, strides;               ///< Copies, because DLPack's consumers may write to them.
};

/// The consumer's work may still be running, and may have written.
void take_back(DLManagedTensor* self) {
  const std::unique_ptr<Exported> exported(static_cast<Exported*>(self->manager_ctx));
  if (exported->lent == nullptr) return;
  exported->lent->drop_mirror();
  try {
    exported->lent->synchronize();
  } catch (const Error& e) { // a deleter is C's and cannot throw
    support::log(support::Area::jit)->warn("taking {} back: {}", exported->array.label(), e.what());
  }
  exported->lent->take_back();
}

/// A tensor of another library's, given back when the last array of it is gone.
struct Taken {
  Taken() = default;
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  ~Taken() {
    if (tensor != nullptr && tensor->deleter != nullptr) tensor->deleter(tensor);
  }
  DLManagedTensor* tensor = nullptr; ///< None until all checks have passed.
};

/// As `view`, which has been checked but whose elements are on a device.
Array view_on_device(const Array& view, Device device, const data::Adopt& adopt,
                     const std::shared_ptr<void>& owner, const Location& where) {
  const data::Extent reach = *data::extent(view.shape(), view.strides());
  const auto size = static_cast<std::int64_t>(item_size(view.dtype()));
  const std::int64_t numel = reach.highest - reach.lowest + 1;
  const std::shared_ptr<data::DeviceMemory> memory =
      adopt({.device = device,
             .address = data::address_of(view) + reach.lowest * size,
             .nbytes = static_cast<std::size_t>(numel * size),
             .owner = owner});
  memory->synchronize();
  memory->lend(); // until it goes
  return data::device_array(memory, view.dtype(), {numel}, where)
      .as_strided(view.shape(), view.strides(), -reach.lowest, where);
}

} // namespace

DLManagedTensor* to_dlpack(const Array& array, Location where) {
  if (!array.is_writable())
    fail<TypeError>("to_dlpack", {.place = describe(where), .hint = "give array.copy() away"},
                    "{} is read-only, and DLPack has no way to say so", array.label());
  auto out = std::make_unique<Exported>(array);
  data::DeviceMemory* const memory = data::device_memory(array);
  if (memory != nullptr) memory->synchronize();
  DLTensor& tensor = out->tensor.dl_tensor;
  if (memory != nullptr && memory->lend()) {
    out->lent = memory;
    tensor.data = data::address_of(array);
    tensor.device = {kDLCUDA, memory->device().index};
  } else {
    tensor.data = const_cast<void*>(array.raw());
    tensor.device = {kDLCPU, 0};
  }
  tensor.ndim = array.rank();
  tensor.dtype = dl_type(array.dtype());
  tensor.shape = out->shape.data();
  tensor.strides = out->strides.data();
  tensor.byte_offset = 0;
  out->tensor.manager_ctx = out.get();
  out->tensor.deleter = take_back;
  return &out.release()->tensor;
}

Array data::take_dlpack(DLManagedTensor* tensor, const Adopt& adopt, const Location& where) {
  if (tensor == nullptr)
    fail<TypeError>("from_dlpack", {.place = describe(where)}, "the tensor is a null pointer");
  const DLTensor& t = tensor->dl_tensor;
  // Memory pinned by CUDA is host memory; managed memory is reached through its device.
  const DLDeviceType type = t.device.device_type;
  const bool is_host = type == kDLCPU || type == kDLCUDAHost;
  const bool is_cuda = type == kDLCUDA || type == kDLCUDAManaged;
  if (!is_host && !(is_cuda && adopt))
    fail<UnsupportedError>("from_dlpack",
                           {.place = describe(where), .hint = "copy it to the host first"},
                           "the tensor lies on {}; only {} is taken", device_name(t.device),
                           adopt ? "memory of the host or of CUDA devices" : "host memory");
  const DType dtype = dtype_from(t.dtype, where);
  if (t.ndim < 0 || (t.ndim > 0 && t.shape == nullptr))
    fail<ShapeError>("from_dlpack", {.place = describe(where)}, "the tensor has {} axes and {}",
                     t.ndim, t.shape == nullptr ? "no shape" : "a shape");
  const Shape shape(t.shape, t.shape + t.ndim);
  const Shape strides = t.strides == nullptr ? Shape{} : Shape(t.strides, t.strides + t.ndim);
  const auto owner = std::make_shared<Taken>();
  const Array view = Array::view(dtype, static_cast<std::byte*>(t.data) + t.byte_offset, shape,
                                 strides, is_host ? owner : nullptr, where);
  const Device device{Device::cuda, t.device.device_id};
  const Array taken = is_host ? view : view_on_device(view, device, adopt, owner, where);
  owner->tensor = tensor;
  return taken;
}

} // namespace kroton
