/// Arrays on the device: there and back, read in place, exchanged with other libraries.
#include "test/conformance/arrays.hpp"
#include "test/gpu/support.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;
using kt::Shape;
using kt::test::gpu;
using kt::test::on_gpu;

namespace {

Array there(const Array& a) { return kt::to_device(a, gpu()); }

} // namespace

TEST_CASE("arrays of every dtype and layout go to the device and back", "[gpu]") {
  kt::test::Rng rng(1);
  for (const kt::DType dtype : kt::test::all_dtypes)
    for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{5}, Shape{21, 23}})
      for (const Array& a : kt::test::laid_out(kt::test::tricky(dtype, shape, rng))) {
        const Array b = there(a);
        CHECK(b.device() == gpu());
        CHECK(equal(b, a));
        CHECK(equal(b.to_host(), a));
        CHECK(b.to_host().device() == kt::Device{});
      }
}

TEST_CASE("an array that is on the device stays where it is", "[gpu]") {
  const Array a = there(Array::arange<float>(6));
  CHECK(there(a).overlaps(a));
  CHECK(equal(kt::to_device(a, {}), Array::arange<float>(6)));
}

TEST_CASE("the host writes arrays on the device through copy_elements", "[gpu]") {
  const Array a = there(Array::zeros<float>({4, 5}));
  copy_elements(a.slice(1, 1, 3), Array::full<float>({4, 2}, 7));
  CHECK(a.at<float>({3, 2}) == 7);
  CHECK(a.at<float>({3, 3}) == 0);
  copy_elements(a, Array::full<float>({4, 5}, 2));
  CHECK(a.at<float>({3, 2}) == 2);
}

TEST_CASE("results stay on the device and may be arguments again", "[gpu]") {
  const Expr x = kt::vector<float>("x");
  const kt::Function f = on_gpu({x}, {2 * x + 1});
  Array a = there(Array::arange<float>(1000));
  for (int i = 0; i < 5; ++i) {
    a = f({a})[0];
    CHECK(a.device() == gpu());
  }
  CHECK(a.at<const float>({10}) == 10 * 32 + 31);
}

TEST_CASE("results are written by the host, and are arguments again with what was written",
          "[gpu]") {
  const Expr x = kt::vector<float>("x");
  const kt::Function f = on_gpu({x}, {2 * x + 1});
  Array a = f({Array::arange<float>(1000)})[0];
  const Array view = a.slice(0, 0, 10);
  float& tenth = a.at<float>({9}); // kept while functions use the array
  CHECK(tenth == 19);
  for (int i = 0; i < 5; ++i) {
    tenth = static_cast<float>(i);
    CHECK(f({a})[0].at<float>({9}) == static_cast<float>(2 * i + 1));
    CHECK(f({view})[0].at<float>({9}) == static_cast<float>(2 * i + 1));
  }
  CHECK(f({a})[0].at<float>({999}) == 2 * 1999 + 1);
  f.call_into({a}, {a});
  CHECK(tenth == 9);
  f.call_into({there(view)}, {view});
  CHECK(tenth == 19);
  CHECK(a.at<float>({10}) == 2 * 21 + 1);
  const Array back = there(a);
  CHECK(back.device() == gpu());
  tenth = 0;
  CHECK(back.at<float>({9}) == 19);
}

TEST_CASE("what the host wrote reaches shared variables, the CPU's functions and other libraries",
          "[gpu][cpu]") {
  const Expr x = kt::vector<float>("x");
  Array a = on_gpu({x}, {x + 1.0f})({Array::arange<float>(5)})[0];
  a.data<float>()[4] = 50;
  const kt::Function f = kt::function({x}, {x * 3.0f}, {.target = "host"});
  CHECK(f({a})[0].at<float>({4}) == 150);
  f.call_into({a}, {a});
  CHECK(a.at<float>({4}) == 150);
  const kt::Shared w = kt::shared(Array::zeros<float>({5}), "w");
  const kt::Function add = on_gpu({}, {w + 1.0f}, {.updates = {{w, 2 * w}}});
  add(std::vector<Array>{});
  kt::Shared(w).set(a);
  CHECK(add(std::vector<Array>{})[0].at<float>({4}) == 151);
  CHECK(w.get().at<float>({4}) == 300);
  const Array shared = kt::from_dlpack(to_dlpack(a));
  CHECK(shared.device() == kt::Device{});
  a.at<float>({0}) = 8;
  CHECK(shared.at<float>({0}) == 8);
}

TEST_CASE("arguments may be views of arrays on the device", "[gpu]") {
  const Expr x = kt::matrix<float>("x");
  const kt::Function f = on_gpu({x}, {x + 1.0f});
  const Array host = Array::arange<float>(6 * 7).reshape({6, 7}), a = there(host);
  for (const auto& view : {+[](const Array& v) { return v.transpose(); },
                           +[](const Array& v) { return v.slice(0, 2, 5); },
                           +[](const Array& v) { return v.slice(1, {}, {}, -2); },
                           +[](const Array& v) { return v.slice(1, 3, 4); },
                           +[](const Array& v) {
                             return v.slice(0, 1, 2).broadcast_to({3, 7});
                           }})
    CHECK(equal(f({view(a)})[0], f({view(host)})[0]));
}

TEST_CASE("a function for the CPU takes arrays on the device", "[gpu][cpu]") {
  const Expr x = kt::vector<float>("x");
  const kt::Function f = kt::function({x}, {x * 3.0f}, {.target = "host"});
  const Array y = f({there(Array::arange<float>(5))})[0];
  CHECK(y.device() == kt::Device{});
  CHECK(y.at<const float>({4}) == 12);
}

TEST_CASE("results are written into arrays that are given, on the device or not", "[gpu]") {
  const Expr x = kt::vector<float>("x");
  const kt::Function f = on_gpu({x}, {x * x});
  const Array a = Array::arange<float>(9);
  Array here = Array::zeros<float>({9}), wide = Array::zeros<float>({9, 2});
  const Array far = there(Array::zeros<float>({9}));
  CHECK(far.at<float>({8}) == 0);
  f.call_into({a}, {here});
  f.call_into({a}, {wide.slice(1, 1, 2).reshape({9})});
  f.call_into({a}, {far});
  CHECK(here.at<float>({8}) == 64);
  CHECK(wide.at<float>({8, 1}) == 64);
  CHECK(far.at<float>({8}) == 64);
}

TEST_CASE("memory on the device goes to other libraries and comes back", "[gpu]") {
  const Array a = there(Array::arange<float>(12).reshape({3, 4}));
  DLManagedTensor* out = to_dlpack(a.transpose());
  CHECK(out->dl_tensor.device.device_type == kDLCUDA);
  CHECK(out->dl_tensor.device.device_id == gpu().index);
  const Array back = kt::from_dlpack(out);
  CHECK(back.device() == gpu());
  CHECK(back.overlaps(a));
  CHECK(equal(back, a.transpose()));
  const Expr x = kt::matrix<float>("x");
  CHECK(equal(on_gpu({x}, {x + 0.5f})({back})[0], on_gpu({x}, {x + 0.5f})({a.transpose()})[0]));
}

TEST_CASE("arrays go from one device to another", "[gpu]") {
  if (kt::device_count() < 2) return;
  const kt::Device other{kt::Device::cuda, gpu().index == 0 ? 1 : 0};
  const Array a = there(Array::arange<float>(1000));
  const Array b = kt::to_device(a, other);
  CHECK(b.device() == other);
  CHECK(equal(b, a));
  const Expr x = kt::vector<float>("x");
  const kt::Function f = kt::function({x}, {x + 1.0f}, {.target = kt::to_string(other)});
  CHECK(f({a})[0].device() == other);
  CHECK(f({a})[0].at<const float>({999}) == 1000);
}
