#pragma once
/// Arrays to and from other libraries (NumPy, PyTorch, JAX, CuPy…) without copying, by DLPack.
///
///   DLManagedTensor* out = kt::to_dlpack(array);   // whoever takes it calls out->deleter(out)
///   kt::Array back = kt::from_dlpack(out);         // takes it; shares the memory
///
/// Tensors may be in host memory, pinned or not, and on CUDA devices, managed memory included. The
/// C interface has no place for a stream, so tensors on devices change hands when the device has
/// nothing to do: both functions wait for that, and so does the deleter of a tensor given away.
/// Whoever gives pinned host memory has waited for copies to it. What another library writes to
/// memory that is shared is seen by `Array::to_host()`, and by other reads once the tensor came
/// back.
///
/// The structs are the C interface of DLPack 0.8 (https://dmlc.github.io/dlpack), whose layout is
/// fixed. A program that also uses the official header includes that one first.
#include <cstdint>

#include <kroton/array.hpp>

#ifndef DLPACK_DLPACK_H_
extern "C" {

enum DLDeviceType : std::int32_t { // NOLINT
  kDLCPU = 1,
  kDLCUDA = 2,
  kDLCUDAHost = 3,
  kDLOpenCL = 4,
  kDLVulkan = 7,
  kDLMetal = 8,
  kDLVPI = 9,
  kDLROCM = 10,
  kDLROCMHost = 11,
  kDLExtDev = 12,
  kDLCUDAManaged = 13,
  kDLOneAPI = 14,
  kDLWebGPU = 15,
  kDLHexagon = 16,
};

enum DLDataTypeCode : std::uint32_t {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLOpaqueHandle = 3,
  kDLBfloat = 4,
  kDLComplex = 5,
  kDLBool = 6,
};

struct DLDevice {
  DLDeviceType device_type;
  std::int32_t device_id;
};

struct DLDataType {
  std::uint8_t code; ///< A DLDataTypeCode.
  std::uint8_t bits;
  std::uint16_t lanes; ///< 1, unless elements are short vectors.
};

struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides; ///< In elements; null means dense row-major.
  std::uint64_t byte_offset;
};

struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);
};

} // extern "C"
#endif

namespace kroton {

/// A description of `array` that shares its memory and keeps it alive until `deleter` is called:
/// `auto* t = kt::to_dlpack(a); …; t->deleter(t);`. Throws TypeError for a read-only array, which
/// DLPack 0.8 cannot say, and DeviceError if waiting for a device fails.
DLManagedTensor* to_dlpack(const Array& array, Location where = Location::current());

/// An array that shares the tensor's memory and calls its deleter when the last handle is gone:
/// `kt::Array a = kt::from_dlpack(t)`. Throws UnsupportedError for another kind of device,
/// TypeError for another element type, ShapeError for a shape or alignment that cannot be,
/// DeviceError if the device cannot be used; the tensor then still belongs to the caller.
Array from_dlpack(DLManagedTensor* tensor, Location where = Location::current());

} // namespace kroton
