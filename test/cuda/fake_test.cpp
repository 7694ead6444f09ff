/// The fakes of libcuda and libnvrtc, called as Kroton calls the real ones.
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include <dlfcn.h>

#include "jit/cuda/driver.hpp"
#include "test/cuda/fake/control.hpp"
#include "fake_path.hpp" // generated
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using namespace jit::cuda;
using fake::Live;

void* fakes() {
  static void* const library = dlopen(fake::fake_path, RTLD_NOW | RTLD_LOCAL);
  return library;
}

const Driver& fake_driver() {
  static const Driver table = [] {
    Driver d;
#define KROTON_FOUND(symbol, parameters)                                                           \
  d.symbol = reinterpret_cast<Result(*) parameters>(dlsym(fakes(), #symbol));
    KROTON_CUDA_DRIVER_FUNCTIONS(KROTON_FOUND)
#undef KROTON_FOUND
    return d;
  }();
  return table;
}

/// A device's context, current while this lives, and the functions to use there.
struct Session {
  fake::Control& control = fake::control();
  const Driver& cu = fake_driver();
  Context context = nullptr;
  const Live before = control.live(); ///< other tests may have left what Kroton keeps

  explicit Session(int device = 0) {
    control.reset();
    cu.cuDevicePrimaryCtxRetain(&context, device);
    cu.cuCtxPushCurrent_v2(context);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    control.reset();
    cu.cuCtxPopCurrent_v2(nullptr);
  }

  Stream stream() const {
    Stream s = nullptr;
    REQUIRE(cu.cuStreamCreate(&s, stream_non_blocking) == Result::success);
    return s;
  }
  Address memory(std::size_t nbytes) const {
    Address a = 0;
    REQUIRE(cu.cuMemAlloc_v2(&a, nbytes) == Result::success);
    return a;
  }
  void give_back(const std::vector<Address>& memory, const std::vector<Stream>& streams) const {
    for (const Address a : memory) CHECK(cu.cuMemFree_v2(a) == Result::success);
    for (const Stream s : streams) CHECK(cu.cuStreamDestroy_v2(s) == Result::success);
    CHECK(control.live() == before);
  }
};

constexpr const char* add_text = R"(
extern "C" __global__ void add(float* x, float by, long n) {
  const long i = blockIdx.x * (long)blockDim.x + threadIdx.x;
  if (i < n) x[i] += by;
})";

/// A function of the fake libnvrtc.
template <class F> F* nvrtc(const char* name) { return reinterpret_cast<F*>(dlsym(fakes(), name)); }

/// What it makes of a text, or says of it.
struct Compiled {
  std::string image, log;
};

Compiled compile(const char* text, std::vector<const char*> options = {}) {
  using Program = void*;
  using Create =
      int(Program*, const char*, const char*, int, const char* const*, const char* const*);
  Program program = nullptr;
  nvrtc<Create>("nvrtcCreateProgram")(&program, text, "t.cu", 0, nullptr, nullptr);
  const int outcome = nvrtc<int(Program, int, const char* const*)>("nvrtcCompileProgram")(
      program, static_cast<int>(options.size()), options.data());
  const auto read = [&](const char* size, const char* get) {
    std::size_t nbytes = 0;
    nvrtc<int(Program, std::size_t*)>(size)(program, &nbytes);
    std::string result(nbytes, '\0');
    nvrtc<int(Program, char*)>(get)(program, result.data());
    return result;
  };
  Compiled result;
  if (outcome == 0)
    result.image = read("nvrtcGetCUBINSize", "nvrtcGetCUBIN");
  else
    result.log = read("nvrtcGetProgramLogSize", "nvrtcGetProgramLog");
  nvrtc<int(Program*)>("nvrtcDestroyProgram")(&program);
  return result;
}

/// `add`, loaded.
struct AddKernel {
  LibraryCode code = nullptr;
  EntryPoint entry = nullptr;

  explicit AddKernel(const Driver& cu) {
    const std::string image = compile(add_text).image;
    Kernel kernel = nullptr;
    REQUIRE(cu.cuLibraryLoadData(&code, image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0) ==
            Result::success);
    REQUIRE(cu.cuLibraryGetKernel(&kernel, code, "add") == Result::success);
    REQUIRE(cu.cuKernelGetFunction(&entry, kernel) == Result::success);
  }

  Result launch(const Driver& cu, Stream stream, Address x, float by, long n) const {
    std::array<void*, 3> arguments{&x, &by, &n};
    return cu.cuLaunchKernel(entry, static_cast<unsigned>((n + 31) / 32), 1, 1, 32, 1, 1, 0, stream,
                             arguments.data(), nullptr);
  }
};

} // namespace

TEST_CASE("copies and kernels on a fake device do what they say", "[fake]") {
  const Session s;
  const Stream stream = s.stream();
  const Address x = s.memory(400);
  const AddKernel add(s.cu);
  std::vector<float> values(100, 1.0f);
  CHECK(s.cu.cuMemcpyHtoDAsync_v2(x, values.data(), 400, stream) == Result::success);
  CHECK(add.launch(s.cu, stream, x, 2.5f, 100) == Result::success);
  CHECK(s.cu.cuMemcpyDtoHAsync_v2(values.data(), x, 400, stream) == Result::success);
  CHECK(s.cu.cuStreamSynchronize(stream) == Result::success);
  CHECK(values == std::vector<float>(100, 3.5f));
  CHECK(s.control.count("cuLaunchKernel") == 1);
  CHECK(s.control.log().back() == "cuStreamSynchronize");
  CHECK(s.cu.cuLibraryUnload(add.code) == Result::success);
  s.give_back({x}, {stream});
}

TEST_CASE("deferred work is done when somebody waits for it", "[fake]") {
  const Session s;
  const Stream a = s.stream(), b = s.stream();
  const Address x = s.memory(4);
  const AddKernel add(s.cu);
  void* pinned = nullptr;
  REQUIRE(s.cu.cuMemAllocHost_v2(&pinned, 4) == Result::success);
  Event event = nullptr;
  REQUIRE(s.cu.cuEventCreate(&event, event_disable_timing) == Result::success);
  const auto value = [&] {
    float v = 0;
    std::memcpy(&v, pinned, 4);
    return v;
  };
  for (const bool waits : {false, true}) {
    s.control.set_deferred(true);
    *static_cast<float*>(pinned) = 1;
    s.cu.cuMemsetD8Async(x, 0, 4, a);
    s.cu.cuStreamSynchronize(a);
    s.cu.cuMemcpyHtoDAsync_v2(x, pinned, 4, a);
    add.launch(s.cu, a, x, 1, 1);
    s.cu.cuEventRecord(event, a);
    if (waits) s.cu.cuStreamWaitEvent(b, event, 0);
    s.cu.cuMemcpyDtoHAsync_v2(pinned, x, 4, b);
    CHECK(value() == 1);
    CHECK(s.cu.cuStreamSynchronize(b) == Result::success);
    CHECK(value() == (waits ? 2 : 0)); // without the wait, b is faster than a
    CHECK(s.cu.cuEventSynchronize(event) == Result::success);
  }
  s.cu.cuEventDestroy_v2(event);
  s.cu.cuMemFreeHost(pinned);
  s.cu.cuLibraryUnload(add.code);
  s.give_back({x}, {a, b});
}

TEST_CASE("a captured graph does nothing until it is launched, and each launch does all of it",
          "[fake]") {
  const Session s;
  const Stream stream = s.stream();
  const Address x = s.memory(4), y = s.memory(4);
  const AddKernel add(s.cu);
  s.cu.cuMemsetD8Async(x, 0, 4, stream);
  s.cu.cuMemsetD8Async(y, 0, 4, stream);
  const auto captured = [&](Address to, int launches) {
    Graph graph = nullptr;
    CHECK(s.cu.cuStreamBeginCapture_v2(stream, capture_mode_relaxed) == Result::success);
    for (int i = 0; i < launches; ++i) CHECK(add.launch(s.cu, stream, to, 1, 1) == Result::success);
    CHECK(s.cu.cuStreamSynchronize(stream) == Result::stream_capture_unsupported);
    CHECK(s.cu.cuStreamEndCapture(stream, &graph) == Result::success);
    return graph;
  };
  const auto value = [&](Address at) {
    float v = -1;
    s.cu.cuMemcpyDtoHAsync_v2(&v, at, 4, stream);
    return v;
  };
  const Graph twice = captured(x, 2), once = captured(y, 1);
  CHECK(value(x) == 0);
  GraphExec exec = nullptr;
  CHECK(s.cu.cuGraphInstantiateWithFlags(&exec, twice, 0) == Result::success);
  CHECK(s.cu.cuGraphLaunch(exec, stream) == Result::success);
  CHECK(s.cu.cuGraphLaunch(exec, stream) == Result::success);
  CHECK(value(x) == 4);
  // As a node of another graph, in which something else takes its place.
  Graph whole = nullptr;
  GraphNode node = nullptr;
  GraphExec nested = nullptr;
  CHECK(s.cu.cuGraphCreate(&whole, 0) == Result::success);
  CHECK(s.cu.cuGraphAddChildGraphNode(&node, whole, nullptr, 0, once) == Result::success);
  CHECK(s.cu.cuGraphInstantiateWithFlags(&nested, whole, 0) == Result::success);
  CHECK(s.cu.cuGraphExecChildGraphNodeSetParams(nested, node, twice) == Result::invalid_value);
  const Graph same = captured(x, 1);
  CHECK(s.cu.cuGraphExecChildGraphNodeSetParams(nested, node, same) == Result::success);
  CHECK(s.cu.cuGraphLaunch(nested, stream) == Result::success);
  CHECK(value(x) == 5);
  CHECK(value(y) == 0);
  for (const Graph g : {twice, once, whole, same}) s.cu.cuGraphDestroy(g);
  CHECK(s.cu.cuGraphExecChildGraphNodeSetParams(nested, node, same) == Result{400});
  for (const GraphExec e : {exec, nested}) s.cu.cuGraphExecDestroy(e);
  s.cu.cuLibraryUnload(add.code);
  s.give_back({x, y}, {stream});
}

TEST_CASE("a graph's nodes run in any order that its edges allow, and a missing edge is a fault",
          "[fake]") {
  const Session s;
  const Stream stream = s.stream();
  const Address x = s.memory(4), y = s.memory(4);
  const auto run = [&](bool has_edge, Address second) {
    Graph graph = nullptr;
    CHECK(s.cu.cuGraphCreate(&graph, 0) == Result::success);
    const SetNode ones{
        .to = x, .pitch = 0, .value = 1, .element_bytes = 1, .width = 4, .height = 1};
    SetNode twos = ones;
    twos.to = second;
    twos.value = 2;
    GraphNode a = nullptr, b = nullptr;
    CHECK(s.cu.cuGraphAddMemsetNode(&a, graph, nullptr, 0, &ones, s.context) == Result::success);
    CHECK(s.cu.cuGraphAddMemsetNode(&b, graph, &a, has_edge ? 1 : 0, &twos, s.context) ==
          Result::success);
    GraphExec exec = nullptr;
    CHECK(s.cu.cuGraphInstantiateWithFlags(&exec, graph, 0) == Result::success);
    s.cu.cuGraphLaunch(exec, stream);
    const Result result = s.cu.cuStreamSynchronize(stream);
    const std::string fault = s.control.fault();
    CHECK(s.control.last_graph().longest_path == (has_edge ? 2 : 1));
    s.control.reset();
    s.cu.cuGraphExecDestroy(exec);
    s.cu.cuGraphDestroy(graph);
    return std::pair{result, fault};
  };
  for (const emulator::Order order :
       {emulator::Order::forward, emulator::Order::reverse, emulator::Order::random}) {
    s.control.set_schedule({.order = order});
    CHECK(run(true, x).first == Result::success);
    s.control.set_schedule({.order = order});
    CHECK(run(false, y).first == Result::success);
    s.control.set_schedule({.order = order});
    const auto [result, fault] = run(false, x);
    CHECK(result == Result::illegal_address);
    CHECK(fault == "nodes 0 (set) and 1 (set) of a graph touch the same memory, and neither waits "
                   "for the other");
  }
  s.give_back({x, y}, {stream});
}

TEST_CASE("a kernel that leaves its arrays loses the device until the fake is reset", "[fake]") {
  const Session s;
  const Stream stream = s.stream();
  const Address x = s.memory(396);
  const AddKernel add(s.cu);
  CHECK(add.launch(s.cu, stream, x, 1, 100) == Result::success);
  CHECK(s.cu.cuStreamSynchronize(stream) == Result::illegal_address);
  CHECK(s.control.fault() ==
        "kernel add, block (3,0,0), thread (3,0,0): writes 4 bytes outside of argument 0: at byte "
        "396, element 99 if all are of that size, of its 396 bytes");
  Address y = 0;
  CHECK(s.cu.cuMemAlloc_v2(&y, 4) == Result::illegal_address);
  s.control.reset();
  CHECK(add.launch(s.cu, stream, x, 1, 99) == Result::success);
  CHECK(s.cu.cuStreamSynchronize(stream) == Result::success);
  s.cu.cuLibraryUnload(add.code);
  s.give_back({x}, {stream});
}

TEST_CASE("calls fail when they are told to, and only then", "[fake]") {
  const Session s;
  Address a = 0, b = 0;
  s.control.fail("cuMemAlloc_v2", 2, fake::out_of_memory);
  CHECK(s.cu.cuMemAlloc_v2(&a, 8) == Result::success);
  CHECK(s.control.failed_call() == "");
  CHECK(s.cu.cuMemAlloc_v2(&b, 8) == Result::out_of_memory);
  CHECK(s.control.failed_call() == "cuMemAlloc_v2");
  CHECK(s.cu.cuMemAlloc_v2(&b, 8) == Result::success);
  s.control.fail_any(1, fake::unknown_error);
  CHECK(s.cu.cuMemFree_v2(a) == Result{fake::unknown_error});
  CHECK(s.control.live().allocations == s.before.allocations + 2);
  s.give_back({a, b}, {});
}

TEST_CASE("a fake device has as much memory as it was given", "[fake]") {
  const Session s;
  std::size_t free = 0, total = 0;
  CHECK(s.cu.cuMemGetInfo_v2(&free, &total) == Result::success);
  const std::size_t used = total - free;
  s.control.set_memory(used + 1000);
  Address a = 0, b = 0;
  CHECK(s.cu.cuMemAlloc_v2(&a, 600) == Result::success);
  CHECK(s.cu.cuMemAlloc_v2(&b, 600) == Result::out_of_memory);
  CHECK(s.cu.cuMemGetInfo_v2(&free, &total) == Result::success);
  CHECK(free == 400);
  CHECK(total == used + 1000);
  s.give_back({a}, {});
}

TEST_CASE("memory and streams of one device are none of another", "[fake]") {
  const Session first(0);
  const Stream stream = first.stream();
  const Address x = first.memory(4);
  {
    const Session second(1);
    const Address y = second.memory(4);
    const Stream own = second.stream();
    CHECK(second.cu.cuMemsetD8Async(y, 0, 4, own) == Result::success);
    const AddKernel add(second.cu);
    CHECK(add.launch(second.cu, stream, x, 1, 1) == Result{400}); // the other device's stream
    CHECK(add.launch(second.cu, own, x, 1, 1) == Result::success);
    CHECK(second.cu.cuStreamSynchronize(own) == Result::illegal_address);
    second.control.reset();
    CHECK(second.cu.cuMemcpyPeerAsync(x, first.context, y, second.context, 4, own) ==
          Result::success);
    CHECK(second.cu.cuStreamDestroy_v2(own) == Result::success);
    CHECK(second.cu.cuMemFree_v2(y) == Result::success);
    CHECK(second.cu.cuLibraryUnload(add.code) == Result::success);
  }
  first.give_back({x}, {stream});
}

TEST_CASE("the fake libnvrtc says what is wrong with a text", "[fake]") {
  fake::control();
  CHECK_THAT(compile("extern \"C\" __global__ void f(float* x) {\n  x[0] = y;\n}\n").log,
             contains("kernel.cu:2:10: error: use of undeclared identifier 'y'"));
  CHECK_THAT(compile(add_text, {"sm_90"}).log, contains("sm_90"));
  CHECK(compile(add_text, {"--gpu-architecture=sm_90"}).log == "");
}

} // namespace kroton::test
