/// Copies on a device and between two, on the fake driver: which of its calls they are, and that
/// the host does not wait for them.

#include "test/cuda/on_fakes.hpp"

namespace kroton::test {
namespace {

const Device first = parse_device("cuda"), second = parse_device("cuda:1");

bool has_used_host(const OnFakes& fakes) {
  return fakes.control.count("cuMemcpyDtoHAsync_v2") + fakes.control.count("cuMemcpyHtoDAsync_v2") >
         0;
}

Array numbered(const Shape& shape) {
  std::int64_t n = 1;
  for (const std::int64_t d : shape) n *= d;
  return Array::arange<float>(static_cast<float>(n)).reshape(shape);
}

} // namespace

TEST_CASE("elements of one device are copied on it, in rows where they are not dense", "[cuda]") {
  OnFakes fakes;
  const Array host = numbered({40, 6, 10}), a = to_device(host, first),
              b = to_device(Array::zeros<float>({40, 6, 10}), first);
  struct Case {
    const char* call;
    int times;
    Array (*view)(const Array&);
  };
  for (const Case& c : std::initializer_list<Case>{
           {"cuMemcpyDtoDAsync_v2", 1, [](const Array& v) { return v; }},
           {"cuMemcpyDtoDAsync_v2", 1, [](const Array& v) { return v.slice(0, 3, 9); }},
           {"cuMemcpy2DAsync_v2", 1, [](const Array& v) { return v.slice(2, 1, 4); }},
           {"cuMemcpy2DAsync_v2", 1, [](const Array& v) { return v.slice(0, {}, {}, 2); }},
           {"cuMemcpy2DAsync_v2", 1,
            [](const Array& v) { return v.slice(2, 5, 6).slice(1, 0, 1); }},
           {"cuMemcpy2DAsync_v2", 40,
            [](const Array& v) { return v.slice(1, 1, 3).slice(2, 0, 4); }},
       }) {
    copy_elements(b, to_device(Array::zeros<float>({40, 6, 10}), first));
    fakes.control.reset();
    copy_elements(c.view(b), c.view(a));
    CHECK(!has_used_host(fakes));
    CHECK(fakes.control.count(c.call) == c.times);
    Array want = Array::zeros<float>({40, 6, 10});
    copy_elements(c.view(want), c.view(host));
    CHECK(equal(b, want));
  }
}

TEST_CASE("what would take too many copies, or overlaps, goes through the host", "[cuda]") {
  OnFakes fakes;
  const Array host = numbered({70, 90});
  const Array a = to_device(host, first), b = to_device(Array::zeros<float>({90, 70}), first);
  copy_elements(b, a.transpose());
  CHECK(has_used_host(fakes));
  CHECK(equal(b, host.transpose()));
  copy_elements(a.slice(0, 1), a.slice(0, 0, -1));
  CHECK(equal(a.slice(0, 1), host.slice(0, 0, -1)));
  copy_elements(a.slice(1, {}, {}, -1), to_device(host, first));
  CHECK(equal(a, host.slice(1, {}, {}, -1)));
}

TEST_CASE("elements go from one device to another without the host", "[cuda]") {
  OnFakes fakes;
  const Array host = numbered({30, 8}), a = to_device(host, first);
  fakes.control.reset();
  const Array dense = to_device(a, second), columns = to_device(a.slice(1, 2, 5), second);
  CHECK(!has_used_host(fakes));
  CHECK(fakes.control.count("cuMemcpyPeerAsync") == 31);
  CHECK(dense.device() == second);
  CHECK(equal(dense, host));
  CHECK(equal(columns, host.slice(1, 2, 5)));
}

TEST_CASE("nobody waits for a copy on devices but who reads its result", "[cuda]") {
  OnFakes fakes;
  const Expr x = matrix<float>("x");
  const Function f = function({x}, {x + 1.0f}, {.target = "cuda"}),
                 g = function({x}, {x * 2.0f}, {.target = "cuda:1"});
  const Array host = numbered({30, 8}), a = to_device(host, first);
  f({a});
  g({a});
  fakes.control.reset();
  fakes.control.set_deferred(true);
  const Array moved = to_device(f({a})[0], second);
  const Array picked = to_device(moved.slice(1, 1, 3), second);
  copy_elements(moved, to_device(a, second)); // after what reads `moved`
  const Array result = g({picked})[0];
  CHECK(!has_used_host(fakes));
  CHECK(fakes.control.count("cuStreamSynchronize") == 0);
  Array want = Array::empty<float>({30, 2});
  for (int i = 0; i < 60; ++i) want.data<float>()[i] = 2 * (host.at<float>({i / 2, 1 + i % 2}) + 1);
  CHECK(equal(result, want));
  CHECK(equal(moved, host));
}

TEST_CASE("arguments that kernels cannot take where they lie are made dense on the device",
          "[cuda]") {
  OnFakes fakes;
  const Expr x = matrix<float>("x");
  const Function f = function({x}, {x + 1.0f}, {.target = "cuda"});
  const Array host = numbered({12, 10}), a = to_device(host, first);
  for (const auto& view :
       {+[](const Array& v) { return v.transpose(); },
        +[](const Array& v) { return v.slice(1, 3, 5); },
        +[](const Array& v) {
          return v.slice(0, 1).reshape({11 * 10}).slice(0, 1, 101).reshape({10, 10});
        }}) {
    fakes.control.reset();
    const Array got = f({view(a)})[0];
    CHECK(!has_used_host(fakes));
    CHECK(equal(got, function({x}, {x + 1.0f}, {.target = "host"})({view(host)})[0]));
  }
}

TEST_CASE("a shared variable moves from device to device", "[cuda]") {
  OnFakes fakes;
  const Shared total = shared(Array::zeros<float>({4}), "total");
  const auto adding = [&](const std::string& target) {
    return function({}, {total + 0.0f}, {.updates = {{total, total + 1.0f}}, .target = target});
  };
  const Function here = adding("cuda"), there = adding("cuda:1");
  const std::vector<Array> none;
  here(none);
  there(none);
  fakes.control.reset();
  for (int i = 0; i < 3; ++i) {
    here(none);
    there(none);
  }
  CHECK(!has_used_host(fakes));
  CHECK(fakes.control.count("cuMemcpyPeerAsync") == 6);
  CHECK(equal(total.get(), Array::full<float>({4}, 8)));
}

} // namespace kroton::test
