#include <cstring>
#include <kroton/array.hpp>
#include <kroton/device.hpp>
#include <kroton/dlpack.hpp>
#include <kroton/npy.hpp>

#include <sstream>
#include <thread>

#include "test/data/message_of.hpp"
#include "test/data/pretended_device.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

using namespace kroton;
using test::message_of;
using test::OnDevice;

namespace {

const std::string here = "\n  at device_array_test.cpp:LINE";

/// 0 to 5 as f32[2,3].
Array six() { return Array::arange<float>(6).reshape({2, 3}); }

/// The error of writing `label` through `op` while another library has the memory.
std::string no_writing(const std::string& op, const std::string& label) {
  return op + ": " + label +
         " lies on cuda:0 in memory that another library has too: it cannot be moved to the host" +
         here +
         "\n  hint: data<const T>() or a const Array reads it; to_host() makes one that can be "
         "written, and copy_elements() brings that back";
}

} // namespace

TEST_CASE("devices have names, which are read back", "[data]") {
  CHECK(to_string(Device{}) == "cpu");
  CHECK(to_string(Device{Device::cuda, 1}) == "cuda:1");
  CHECK(parse_device("cpu") == Device{});
  CHECK(parse_device("cuda") == Device{Device::cuda, 0});
  CHECK(parse_device("cuda:12") == Device{Device::cuda, 12});
  for (const std::string name : {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda1", "cpu:0"})
    CHECK(message_of<UnsupportedError>([&] { parse_device(name); }) ==
          "parse_device: \"" + name + "\" is not a device" + here +
              "\n  hint: \"cpu\", \"cuda\" or \"cuda:1\"");
}

TEST_CASE("an array says where it lies", "[data]") {
  CHECK(Array().device() == Device{});
  const OnDevice there(six(), {Device::cuda, 1});
  CHECK(there.array.device() == Device{Device::cuda, 1});
  CHECK(there.array.label() == "f32[2,3]");
  CHECK(data::device_memory(there.array) == there.memory.get());
  CHECK(data::device_memory(Array()) == nullptr);
}

TEST_CASE("views of an array on a device are made without reading it", "[data]") {
  const OnDevice there(six());
  const Array& a = there.array;
  const auto distance = [&](const Array& view) {
    return (data::address_of(view) - there.memory->address()) / 4;
  };
  const Array column = a.slice(1, 1, 2), turned = a.transpose(), flat = a.reshape({-1}),
              repeated = a.broadcast_to({4, 2, 3}), backwards = a.as_strided({6}, {-1}, 5);
  CHECK(distance(column) == 1);
  CHECK(distance(backwards) == 5);
  for (const Array& view : {column, turned, flat, repeated, backwards})
    CHECK(view.device() == a.device());
  CHECK(there.memory->fetches == 0);
  CHECK(equal(column, six().slice(1, 1, 2)));
  CHECK(equal(turned, six().transpose()));
  CHECK(equal(flat, six().reshape({-1})));
  CHECK(equal(repeated, six().broadcast_to({4, 2, 3})));
  CHECK(equal(backwards, six().as_strided({6}, {-1}, 5)));
}

TEST_CASE("a view keeps the memory on the device alive", "[data]") {
  std::weak_ptr<data::DeviceMemory> memory;
  {
    Array row;
    {
      OnDevice there(six());
      memory = there.memory;
      row = there.array.slice(0, 1);
    }
    CHECK(row.to_vector<float>() == std::vector<float>{3, 4, 5});
  }
  CHECK(memory.expired());
}

TEST_CASE("all ways of reading give the elements, and fetch them once", "[data]") {
  const OnDevice there(six());
  const Array& a = there.array;
  Array same = a;
  const Array one = a.slice(0, 1).slice(1, 2);
  CHECK(a.at<float>({1, -1}) == 5);
  CHECK(same.at<const float>({1, 0}) == 3);
  const std::int64_t index[] = {0, 2};
  CHECK(a.at<float>(std::span(index)) == 2);
  CHECK(one.item<float>() == 5);
  CHECK(a.data<float>()[4] == 4);
  CHECK(same.data<const float>()[4] == 4);
  CHECK(static_cast<const float*>(a.raw())[1] == 1);
  CHECK(a.to_vector<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(a.to_string() == "[[0, 1, 2],\n [3, 4, 5]]");
  std::ostringstream text;
  text << one;
  CHECK(text.str() == "f32[1,1] [[5]]");
  CHECK(equal(a, six()));
  CHECK(there.memory->fetches == 1);
  CHECK(there.memory->fetched_nbytes == 24);
}

TEST_CASE("copies of an array on a device lie in host memory", "[data]") {
  const OnDevice there(six());
  const Array& a = there.array;
  const test::TempDir folder;
  save_npy(folder.path() / "a.npy", a.transpose());
  const Array turned = a.transpose();
  for (const Array& copy :
       {turned.to_host(), turned.copy(), turned.contiguous(), load_npy(folder.path() / "a.npy"),
        turned.astype(DType::f64).astype(DType::f32), turned.reshape({6}).reshape({3, 2})}) {
    CHECK(copy.device() == Device{});
    CHECK(copy.is_writable());
    CHECK(equal(copy, six().transpose()));
  }
  CHECK(all_close(a, six()));
  CHECK(a.contiguous().device() == a.device());
  CHECK(equal(Array::full(DType::i32, {2}, a.slice(0, 1).slice(1, 0, 1)), Array::from({3, 3})));
  const Array mine = six();
  CHECK(data::address_of(mine.to_host()) == data::address_of(mine));
}

TEST_CASE("to_host sees what the device has written since, and fetches no more than the view spans",
          "[data]") {
  const OnDevice there(Array::zeros<float>({100}));
  CHECK(there.array.at<float>({7}) == 0);
  const float seven = 7;
  std::memcpy(there.memory->bytes.data() + 28, &seven, 4);
  CHECK(there.array.at<float>({7}) == 0);
  there.memory->fetched_nbytes = 0;
  CHECK(there.array.slice(0, 5, 9, 2).to_host().to_vector<float>() == std::vector<float>{0, 7});
  CHECK(there.memory->fetched_nbytes == 12);
}

TEST_CASE("what the mirror holds is fetched again, to the same place, once it is dropped",
          "[data]") {
  const OnDevice there(six());
  const float* const p = there.array.data<const float>();
  const float nine = 9;
  std::memcpy(there.memory->bytes.data(), &nine, 4);
  there.memory->drop_mirror();
  CHECK(there.array.at<float>({0, 0}) == 9);
  CHECK(p[0] == 9);
  CHECK(there.memory->fetches == 2);
}

TEST_CASE("many threads that read fetch once", "[data]") {
  const OnDevice there(six());
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { right += there.array.at<float>({1, 2}) == 5; });
  for (std::thread& t : threads) t.join();
  CHECK(right == 4);
  CHECK(there.memory->fetches == 1);
}

TEST_CASE("copy_elements takes elements from a device and brings them there", "[data]") {
  const OnDevice there(six());
  Array here_now = Array::zeros<float>({2, 3}), wide = Array::zeros<float>({2, 6});
  copy_elements(here_now, there.array);
  CHECK(equal(here_now, six()));
  there.array.copy_to(wide.slice(1, {}, {}, 2));
  CHECK(equal(wide.slice(1, {}, {}, 2), six()));
  CHECK(wide.at<float>({1, 1}) == 0);

  CHECK(there.array.at<float>({0, 0}) == 0);
  copy_elements(there.array, Array::full<float>({2, 3}, 8));
  CHECK(equal(there.array, Array::full<float>({2, 3}, 8)));
  copy_elements(there.array.slice(1, 0, 1), Array::from({1.0f, 2.0f}, {2, 1}));
  CHECK(there.array.to_vector<float>() == std::vector<float>{1, 8, 8, 2, 8, 8});
  CHECK(there.memory->fills == 2);

  const OnDevice other(six(), {Device::cuda, 1});
  copy_elements(other.array.transpose(), there.array.reshape({3, 2}));
  CHECK(equal(other.array.transpose(), Array::from({1.f, 8.f, 8.f, 2.f, 8.f, 8.f}, {3, 2})));
}

TEST_CASE("elements of one memory on a device are copied as if they had been copied first",
          "[data]") {
  const OnDevice there(Array::arange<float>(5));
  copy_elements(there.array.slice(0, 1), there.array.slice(0, 0, -1));
  CHECK(there.array.to_vector<float>() == std::vector<float>{0, 0, 1, 2, 3});
  const int fills = there.memory->fills;
  copy_elements(there.array, there.array);
  CHECK(there.memory->fills == fills);
}

TEST_CASE("memory of two devices overlaps nowhere, whatever its addresses", "[data]") {
  Array mine = six();
  const auto memory = std::make_shared<test::PretendedMemory>(24, Device{Device::cuda, 0},
                                                              static_cast<std::byte*>(mine.raw()));
  const Array there = data::device_array(memory, DType::f32, {2, 3});
  CHECK(!there.overlaps(mine));
  CHECK(!mine.overlaps(there));
  CHECK(there.overlaps(there.transpose()));
  CHECK(!there.slice(0, 0, 1).overlaps(there.slice(0, 1)));
}

TEST_CASE("arrays without elements lie on devices too", "[data]") {
  const OnDevice there(Array::zeros<float>({0, 3}));
  CHECK(there.array.to_vector<float>().empty());
  CHECK(there.array.to_host().shape() == Shape{0, 3});
  CHECK(there.array.to_string() == "[]");
  copy_elements(there.array, Array::zeros<float>({0, 3}));
  CHECK(there.memory->fills == 0);
}

TEST_CASE("elements of a device are moved to the host by whoever may write them", "[data]") {
  OnDevice there(six());
  const Array turned = there.array.transpose();
  float& last = there.array.at<float>({1, 2});
  CHECK(there.memory->fetches == 1);
  last = 9;
  there.array.data<float>()[0] = 7;
  static_cast<float*>(there.array.raw())[1] = 8;
  CHECK(there.array.device() == Device{});
  CHECK(turned.device() == Device{});
  CHECK(turned.to_vector<float>() == std::vector<float>{7, 3, 8, 4, 2, 9});
  CHECK(data::device_memory(there.array) == nullptr);
  CHECK(there.array.to_host().overlaps(turned));
  there.memory->drop_mirror(); // somebody's earlier work on the device
  CHECK(turned.at<float>({2, 1}) == 9);
  last = 10;
  CHECK(turned.at<float>({2, 1}) == 10);
  CHECK(there.memory->fetches == 1);
  CHECK(there.memory->fills == 0);
}

TEST_CASE("an array that was moved is copied, and overlaps, as any array of the host's", "[data]") {
  OnDevice there(six()), other(six());
  float* const p = there.array.data<float>();
  const Array mine = Array::view(p, {6});
  CHECK(mine.overlaps(there.array));
  CHECK(!mine.overlaps(other.array));
  CHECK(!there.array.overlaps(other.array));
  copy_elements(there.array, Array::full<float>({2, 3}, 4));
  copy_elements(there.array.slice(0, 0, 1), other.array.slice(0, 1));
  CHECK(mine.to_vector<float>() == std::vector<float>{3, 4, 5, 4, 4, 4});
  copy_elements(other.array, there.array);
  CHECK(other.array.device() == Device{Device::cuda, 0});
  CHECK(equal(other.array, there.array));
  CHECK(other.memory->fills == 1);
  CHECK(there.memory->fills == 0);
}

TEST_CASE("threads that may write move the elements once, beside others that read", "[data]") {
  const OnDevice there(Array::zeros<float>({8}));
  std::vector<std::thread> threads;
  std::atomic<int> read = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back(
        [handle = there.array, i]() mutable { handle.at<float>({i}) = static_cast<float>(i); });
    threads.emplace_back([&] { read += there.array.at<float>({7}) == 0; });
  }
  for (std::thread& t : threads) t.join();
  CHECK(read == 4);
  CHECK(there.array.to_vector<float>() == std::vector<float>{0, 1, 2, 3, 0, 0, 0, 0});
  CHECK(there.memory->fetches == 1);
}

TEST_CASE("memory that another library has is not moved to the host", "[data][error]") {
  OnDevice there(six());
  DLManagedTensor* const tensor = to_dlpack(there.array);
  CHECK(message_of<TypeError>([&] { there.array.data<float>(); }) ==
        no_writing("data", "f32[2,3]"));
  CHECK(message_of<TypeError>([&] { there.array.raw(); }) == no_writing("raw", "f32[2,3]"));
  CHECK(message_of<TypeError>([&] {
          there.array.at<float>({0, 1}) = 3;
        }) == no_writing("at", "f32[2,3]"));
  CHECK(there.memory->fetches == 0);
  tensor->deleter(tensor);
  there.array.at<float>({0, 1}) = 3;
  CHECK(there.array.device() == Device{});

  DLManagedTensor* const moved = to_dlpack(there.array);
  CHECK(moved->dl_tensor.device.device_type == kDLCPU);
  CHECK(moved->dl_tensor.data == there.array.raw());
  moved->deleter(moved);
  there.array.at<float>({0, 1}) = 4;
}

TEST_CASE("arrays on a device are checked as others are", "[data][error]") {
  const OnDevice there(six());
  CHECK(message_of<IndexError>([&] {
          there.array.at<float>({2, 0});
        }) == "at: index 2 is outside axis 0 of f32[2,3], which has 2" + here);
  CHECK(message_of<ShapeError>([&] { there.array.as_strided({7}); }).starts_with("view: f32[7]"));
  CHECK(message_of<TypeError>([&] {
          copy_elements(there.array.broadcast_to({2, 2, 3}), Array::zeros<float>({2, 2, 3}));
        }) == "copy: f32[2,2,3] is read-only: it views const memory or repeats its elements" +
                  here +
                  "\n  hint: a const Array or data<const T>() reads it; copy() makes one that can "
                  "be written");
  CHECK(message_of<InternalError>([&] {
          data::device_array(there.memory, DType::f32, {7});
        }).find("f32[7] does not fit into 24 bytes") != std::string::npos);
}

TEST_CASE("a device that fails says so, and the next read tries again", "[data][error]") {
  const OnDevice there(six());
  there.memory->is_failing = true;
  CHECK(message_of<DeviceError>([&] {
          there.array.at<float>({0, 0});
        }) == "fetch: the device is gone");
  CHECK(message_of<DeviceError>([&] { copy_elements(there.array, six()); }) ==
        "fill: the device is gone");
  Array handle = there.array;
  CHECK(message_of<DeviceError>([&] {
          handle.at<float>({0, 0}) = 1;
        }) == "fetch: the device is gone");
  there.memory->is_failing = false;
  CHECK(there.array.at<float>({0, 1}) == 1);
  handle.at<float>({0, 1}) = 2;
  CHECK(there.array.at<float>({0, 1}) == 2);
}
