#include <kroton/dlpack.hpp>

#include <cstddef>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using test::message_of;

// The layout that every consumer of DLPack 0.8 on a 64-bit machine relies on.
static_assert(sizeof(DLTensor) == 48 && sizeof(DLManagedTensor) == 64);
static_assert(offsetof(DLTensor, ndim) == 16 && offsetof(DLTensor, dtype) == 20);
static_assert(offsetof(DLTensor, shape) == 24 && offsetof(DLTensor, byte_offset) == 40);

namespace {

const std::string here = "\n  at dlpack_test.cpp:LINE";

/// A tensor of another library's: two floats, and a count of calls of its deleter.
struct Foreign {
  float values[2] = {1, 2};
  std::int64_t shape[1] = {2};
  int deleted = 0;
  DLManagedTensor tensor{
      {values, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, shape, nullptr, 0},
      this,
      [](DLManagedTensor* self) { ++static_cast<Foreign*>(self->manager_ctx)->deleted; }};
};

} // namespace

TEST_CASE("to_dlpack shares the memory and keeps it alive", "[data]") {
  Array a = Array::arange<int>(6).reshape({2, 3});
  DLManagedTensor* out = to_dlpack(a.transpose());
  CHECK(out->dl_tensor.ndim == 2);
  CHECK(out->dl_tensor.shape[0] == 3);
  CHECK(out->dl_tensor.strides[0] == 1);
  CHECK(out->dl_tensor.strides[1] == 3);
  CHECK(out->dl_tensor.dtype.code == kDLInt);
  CHECK(out->dl_tensor.dtype.bits == 32);
  CHECK(out->dl_tensor.dtype.lanes == 1);
  CHECK(out->dl_tensor.device.device_type == kDLCPU);
  static_cast<int*>(out->dl_tensor.data)[1] = 50;
  CHECK(a.at<int>({0, 1}) == 50);
  a = Array();
  CHECK(static_cast<int*>(out->dl_tensor.data)[5] == 5);
  out->deleter(out);
}

TEST_CASE("an array of every dtype survives the way out and in", "[data]") {
  for (int i = 0; i < dtype_count; ++i)
    for (const Shape& shape : {Shape{}, Shape{0, 2}, Shape{3, 2}}) {
      const Array a = Array::full(static_cast<DType>(i), shape, 1).transpose();
      const Array back = from_dlpack(to_dlpack(a));
      CHECK(equal(back, a));
      CHECK(back.strides() == a.strides());
      CHECK((back.numel() == 0 || back.overlaps(a)));
    }
}

TEST_CASE("from_dlpack calls the deleter once, after the last handle", "[data]") {
  Foreign foreign;
  {
    Array a = from_dlpack(&foreign.tensor);
    const Array part = a.slice(0, 1);
    a = Array();
    CHECK(part.item<float>() == 2);
    CHECK(foreign.deleted == 0);
  }
  CHECK(foreign.deleted == 1);
  foreign.tensor.dl_tensor.byte_offset = 4;
  foreign.shape[0] = 1;
  foreign.tensor.deleter = nullptr; // allowed: nothing to delete
  CHECK(from_dlpack(&foreign.tensor).item<float>() == 2);
}

TEST_CASE("from_dlpack refuses what it cannot take, and leaves it to the caller", "[data][error]") {
  Foreign foreign;
  DLTensor& t = foreign.tensor.dl_tensor;
  const auto complaint = [&] { return message_of([&] { from_dlpack(&foreign.tensor); }); };
  const std::string convert =
      here + "\n  hint: convert it where it comes from, for instance to float32";
  t.dtype = {kDLBfloat, 16, 1};
  CHECK(complaint() ==
        "from_dlpack: the tensor's elements are bfloat16, for which there is no dtype" + convert);
  t.dtype = {kDLFloat, 32, 4};
  CHECK(complaint() ==
        "from_dlpack: the tensor's elements are float32x4, for which there is no dtype" + convert);
  t.dtype = {kDLFloat, 32, 1};
  t.device = {kDLCUDA, 1};
  CHECK(complaint() == "from_dlpack: the tensor lies on cuda:1; only host memory is taken" + here +
                           "\n  hint: copy it to the host first");
  t.device = {kDLCPU, 0};
  foreign.shape[0] = -2;
  CHECK(complaint() == "array: axis 0 of f32[-2] has a negative dim" + here);
  foreign.shape[0] = 1;
  t.byte_offset = 2;
  CHECK_THAT(complaint(),
             test::contains("view: the elements of f32[1] must be aligned to 4 bytes"));
  t.ndim = -1;
  CHECK(complaint() == "from_dlpack: the tensor has -1 axes and a shape" + here);
  CHECK(foreign.deleted == 0);
  CHECK(message_of<TypeError>([] { from_dlpack(nullptr); }) ==
        "from_dlpack: the tensor is a null pointer" + here);
}

TEST_CASE("to_dlpack does not give read-only memory away", "[data][error]") {
  CHECK(message_of<TypeError>([] { to_dlpack(Array::scalar(1).broadcast_to({3})); }) ==
        "to_dlpack: i32[3] is read-only, and DLPack has no way to say so" + here +
            "\n  hint: give array.copy() away");
}
