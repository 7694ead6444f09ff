#include <cstring>
#include <kroton/dlpack.hpp>

#include <cstddef>

#include "lib/data/dlpack.hpp"
#include "test/data/message_of.hpp"
#include "test/data/pretended_device.hpp"
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

/// Another library's memory, which is where no host can read.
struct AdoptedMemory : test::PretendedMemory {
  explicit AdoptedMemory(const data::ForeignMemory& foreign)
      : PretendedMemory(foreign.nbytes, foreign.device, foreign.address), owner(foreign.owner) {}
  std::shared_ptr<void> owner;
};

/// A tensor of another library's on a device, 2 × 3 floats, 0 to 5.
struct ForeignOnDevice : Foreign {
  ForeignOnDevice() {
    DLTensor& t = tensor.dl_tensor;
    t.data = there.address();
    t.device = {kDLCUDA, 1};
    t.ndim = 2;
    t.shape = dims;
  }

  Array take() {
    return data::take_dlpack(
        &tensor,
        [&](const data::ForeignMemory& foreign) {
          const auto adopted = std::make_shared<AdoptedMemory>(foreign);
          const auto offset = static_cast<std::size_t>(foreign.address - there.address());
          for (std::size_t i = 0; i < foreign.nbytes / 4; ++i) {
            const float value = static_cast<float>(offset / 4 + i);
            std::memcpy(adopted->bytes.data() + 4 * i, &value, 4);
          }
          return adopted;
        },
        Location::current());
  }

  test::PretendedMemory there{24};
  std::int64_t dims[2] = {2, 3};
  std::int64_t steps[2] = {3, 1};
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
  const std::string no_driver =
      message_of([&] { data::take_dlpack(&foreign.tensor, {}, Location::current()); });
  CHECK(no_driver == "from_dlpack: the tensor lies on cuda:1; only host memory is taken" + here +
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

TEST_CASE("from_dlpack takes a tensor on a device, of any strides, when the device is idle",
          "[data]") {
  ForeignOnDevice foreign;
  {
    const Array a = foreign.take();
    CHECK(a.device() == Device{Device::cuda, 1});
    CHECK(data::address_of(a) == foreign.there.address());
    CHECK(a.to_vector<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
    const auto& memory = dynamic_cast<const AdoptedMemory&>(*data::device_memory(a));
    CHECK(memory.synchronizations == 1);
    CHECK(foreign.deleted == 0);
  }
  CHECK(foreign.deleted == 1);

  foreign.tensor.dl_tensor.device = {kDLCUDAManaged, 0};
  foreign.tensor.dl_tensor.strides = foreign.steps;
  foreign.tensor.dl_tensor.byte_offset = 20;
  foreign.steps[0] = -3;
  foreign.steps[1] = -1;
  CHECK(foreign.take().to_vector<float>() == std::vector<float>{5, 4, 3, 2, 1, 0});
  foreign.tensor.dl_tensor.byte_offset = 0;
  foreign.steps[0] = 1;
  foreign.steps[1] = 2;
  const Array turned = foreign.take();
  CHECK(turned.to_vector<float>() == std::vector<float>{0, 2, 4, 1, 3, 5});
  CHECK(data::device_memory(turned)->nbytes() == 24);
  foreign.dims[0] = 0;
  CHECK(foreign.take().to_host().shape() == Shape{0, 3});
}

TEST_CASE("a tensor on a device that cannot be used stays the caller's", "[data][error]") {
  ForeignOnDevice foreign;
  const auto no_device = [](const data::ForeignMemory& memory) -> std::shared_ptr<AdoptedMemory> {
    throw DeviceError({"cuda", "there is no " + to_string(memory.device), "", ""});
  };
  CHECK(message_of<DeviceError>([&] {
          data::take_dlpack(&foreign.tensor, no_device, Location::current());
        }) == "cuda: there is no cuda:1");
  foreign.tensor.dl_tensor.device = {kDLVulkan, 0};
  CHECK(message_of<UnsupportedError>([&] { foreign.take(); }) ==
        "from_dlpack: the tensor lies on vulkan:0; only memory of the host or of CUDA devices is "
        "taken" +
            here + "\n  hint: copy it to the host first");
  CHECK(foreign.deleted == 0);
}

TEST_CASE("memory pinned for a device is the host's", "[data]") {
  Foreign foreign;
  foreign.tensor.dl_tensor.device = {kDLCUDAHost, 0};
  const Array a = from_dlpack(&foreign.tensor);
  CHECK(a.device() == Device{});
  CHECK(a.to_vector<float>() == std::vector<float>{1, 2});
}

TEST_CASE("to_dlpack gives arrays on devices away, and waits for the device both ways", "[data]") {
  test::OnDevice there(Array::arange<float>(6).reshape({2, 3}), {Device::cuda, 1});
  DLManagedTensor* out = to_dlpack(there.array.slice(1, 1).transpose());
  CHECK(there.memory->synchronizations == 1);
  CHECK(out->dl_tensor.device.device_type == kDLCUDA);
  CHECK(out->dl_tensor.device.device_id == 1);
  CHECK(out->dl_tensor.data == there.memory->address() + 4);
  CHECK(out->dl_tensor.strides[1] == 3);
  CHECK(there.array.at<const float>({0, 1}) == 1);
  const float eight = 8; // written by the other library
  std::memcpy(there.memory->bytes.data() + 4, &eight, 4);
  out->deleter(out);
  CHECK(there.memory->synchronizations == 2);
  CHECK(there.array.at<const float>({0, 1}) == 8);
}
