/// Kernels that are wrong: what the emulator says of them.
#include "test/cuda/emulator_support.hpp"
#include "test/support/catch.hpp"

#include <kroton/error.hpp>

namespace kroton::test {
namespace {

using emulator::Fault;
using emulator::Grid;
using emulator::Module;
using emulator::Schedule;

/// What is said of a kernel named `wrong` whose arguments are these; empty if nothing.
template <class... Arguments>
std::string fault_of(const Module& m, const Grid& grid, const Schedule& schedule,
                     Arguments&&... arguments) {
  try {
    run(m, "wrong", grid, schedule, arguments...);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return {};
}

Module wrong(std::string_view parameters, std::string_view body) {
  return Module("extern \"C\" __global__ void wrong(" + std::string(parameters) + ") {\n" +
                std::string(body) + "\n}\n");
}

} // namespace

TEST_CASE("an access past the end of an argument is reported with kernel, block, thread and index",
          "[emulator]") {
  const Module m = wrong("const float* x, float* y",
                         "const int i = blockIdx.x * 32 + threadIdx.x; y[i] = x[i];");
  Buffer<float> x(64), y(40);
  CHECK(fault_of(m, {.blocks = {2}, .threads = {32}}, {}, x, y) ==
        "kernel wrong, block (1,0,0), thread (8,0,0): writes 4 bytes outside of argument 1: "
        "at byte 160, element 40 if all are of that size, of its 160 bytes");
  Buffer<float> short_x(32), long_y(64);
  CHECK_THAT(fault_of(m, {.blocks = {2}, .threads = {32}}, {}, short_x, long_y),
             contains("block (1,0,0), thread (0,0,0): reads 4 bytes outside of argument 0"));
}

TEST_CASE("an access before the beginning of an argument is reported", "[emulator]") {
  const Module m = wrong("float* x", "x[(int)threadIdx.x - 1] = 0;");
  Buffer<float> x(32);
  CHECK_THAT(
      fault_of(m, {.threads = {32}}, {}, x),
      contains("thread (0,0,0): writes 4 bytes outside of argument 0: at byte -4, element -1"));
}

TEST_CASE("an access through a null pointer is reported", "[emulator]") {
  const Module m = wrong("float* x", "x[threadIdx.x] = 1;");
  float* nothing = nullptr;
  CHECK_THAT(fault_of(m, {.threads = {32}}, {}, nothing),
             contains("writes 4 bytes at 0x0, where nothing is"));
}

TEST_CASE("a vector that sticks out of its array is reported", "[emulator]") {
  const Module m =
      wrong("const float4* x, float* y",
            "const float4 v = x[threadIdx.x]; y[threadIdx.x] = v.x + v.y + v.z + v.w;");
  Buffer<float> y(32);
  struct alignas(16) Four {
    float of[4];
  };
  Buffer<Four> x(31);
  CHECK_THAT(fault_of(m, {.threads = {32}}, {}, x, y), contains("outside of argument 0"));
  Buffer<Four> enough(32);
  CHECK(fault_of(m, {.threads = {32}}, {}, enough, y) == "");
}

TEST_CASE("a misaligned vector is reported with its line", "[emulator]") {
  struct alignas(16) Four {
    float of[4];
  };
  Buffer<Four> x(9);
  for (const char* type : {"float4", "pack"}) {
    const Module m("struct alignas(16) pack { float x, y, z, w; };\n"
                   "extern \"C\" __global__ void wrong(const float* x, float* y) {\n"
                   "  const auto v = *(const " +
                   std::string(type) + "*)(x + 1);\n  *y = v.x + v.w;\n}\n");
    Buffer<float> y(1);
    INFO(type);
    CHECK_THAT(fault_of(m, {}, {}, x, y), contains("line 3"));
    CHECK_THAT(fault_of(m, {}, {}, x, y),
               contains("at argument 0 + 4 bytes is misaligned: not at a multiple of 16 bytes"));
  }
}

TEST_CASE("an index outside of a shared array is reported with the array", "[emulator]") {
  const Module m =
      wrong("float* y, int n",
            "__shared__ float tile[64];\nfloat* p = tile;\n"
            "p[threadIdx.x + n] = 0; __syncthreads(); y[threadIdx.x] = p[threadIdx.x];");
  Buffer<float> y(64);
  CHECK(fault_of(m, {.threads = {64}}, {}, y, 0) == "");
  CHECK(
      fault_of(m, {.threads = {64}}, {}, y, 1) ==
      "kernel wrong, block (0,0,0), thread (63,0,0): writes 4 bytes outside of shared array tile: "
      "at byte 256, element 64 if all are of that size, of its 256 bytes");
  const Module direct =
      wrong("float* y, int n",
            "__shared__ float tile[64];\n"
            "tile[threadIdx.x + n] = 0; __syncthreads(); y[threadIdx.x] = tile[threadIdx.x];");
  CHECK(fault_of(direct, {.threads = {64}}, {}, y, 0) == "");
  CHECK_THAT(fault_of(direct, {.threads = {64}}, {}, y, 1),
             contains("line 3: index 64 is outside of 'float[64]'"));
}

TEST_CASE("an index outside of dynamic shared memory is reported", "[emulator]") {
  const Module m = wrong("float* y", "extern __shared__ float extra[];\nextra[threadIdx.x] = 0; "
                                     "y[threadIdx.x] = extra[threadIdx.x];");
  Buffer<float> y(32);
  CHECK(fault_of(m, {.threads = {32}, .shared_bytes = 128}, {}, y) == "");
  CHECK_THAT(fault_of(m, {.threads = {32}, .shared_bytes = 64}, {}, y),
             contains("thread (16,0,0): writes 4 bytes outside of shared array extra"));
}

TEST_CASE("a missing barrier is reported in every order", "[emulator]") {
  const std::string store = "__shared__ int part[64];\npart[threadIdx.x] = threadIdx.x;\n",
                    load = "y[threadIdx.x] = part[63 - threadIdx.x];";
  const Module right = wrong("int* y", store + "__syncthreads();\n" + load),
               racing = wrong("int* y", store + load);
  for (const Schedule& s : schedules) {
    Buffer<int> y(64);
    CHECK(fault_of(right, {.threads = {64}}, s, y) == "");
    const std::string fault = fault_of(racing, {.threads = {64}}, s, y);
    CHECK_THAT(fault, contains("shared array part"));
  }
}

TEST_CASE("a barrier that is missing before memory is written again is reported", "[emulator]") {
  const auto body = [](std::string barrier) {
    return "__shared__ int part[64];\nfor (int turn = 0; turn < 2; ++turn) {\npart[threadIdx.x] = "
           "threadIdx.x + turn;\n"
           "__syncthreads();\ny[threadIdx.x] += part[63 - threadIdx.x];\n" +
           barrier + "}";
  };
  const Module right = wrong("int* y", body("__syncthreads();\n")),
               racing = wrong("int* y", body(""));
  for (const Schedule& s : schedules) {
    Buffer<int> y(64);
    CHECK(fault_of(right, {.threads = {64}}, s, y) == "");
    CHECK_THAT(fault_of(racing, {.threads = {64}}, s, y), contains("with no barrier between"));
  }
}

TEST_CASE("a warp's barrier orders its own threads and no others", "[emulator]") {
  const Module m = wrong("int* y, int distance",
                         "__shared__ int part[64];\npart[threadIdx.x] = threadIdx.x;\n"
                         "__syncwarp();\ny[threadIdx.x] = part[threadIdx.x ^ distance];\n"
                         "__syncwarp();\npart[threadIdx.x] = 0;");
  for (const Schedule& s : schedules) {
    Buffer<int> y(64);
    CHECK(fault_of(m, {.threads = {64}}, s, y, 1) == "");
    CHECK_THAT(fault_of(m, {.threads = {64}}, s, y, 32), contains("shared array part"));
  }
}

TEST_CASE("shared memory that nothing was written to is reported", "[emulator]") {
  const Module m = wrong(
      "int* y",
      "__shared__ int part[64];\nif (threadIdx.x < 63) part[threadIdx.x] = 1;\n__syncthreads();\n"
      "y[threadIdx.x] = part[threadIdx.x];");
  Buffer<int> y(64);
  CHECK_THAT(fault_of(m, {.threads = {64}}, {}, y),
             contains("thread (63,0,0): reads 4 bytes of shared array part at byte 252 (element "
                      "63), which nothing "
                      "has been written to"));
}

TEST_CASE("blocks that write the same element are reported", "[emulator]") {
  const Module m = wrong("int* y", "y[threadIdx.x] = blockIdx.x;"),
               atomic = wrong("int* y", "atomicAdd(y, 1);"),
               mixed = wrong("int* y", "atomicAdd(y, 1); if (blockIdx.x == 1) y[0] = 0;");
  for (const Schedule& s : schedules) {
    Buffer<int> y(32);
    CHECK_THAT(fault_of(m, {.blocks = {2}, .threads = {32}}, s, y),
               contains("of another block has written"));
    CHECK(fault_of(atomic, {.blocks = {2}, .threads = {32}}, s, y) == "");
    CHECK(fault_of(mixed, {.blocks = {2}, .threads = {32}}, s, y) != "");
  }
}

TEST_CASE("neighbouring bytes belong to their own threads", "[emulator]") {
  const Module m = wrong("unsigned char* y", "y[threadIdx.x] = y[threadIdx.x] + 1;");
  for (const Schedule& s : schedules) {
    Buffer<unsigned char> y(64);
    CHECK(fault_of(m, {.threads = {64}}, s, y) == "");
  }
}

TEST_CASE("a barrier that some threads never reach is reported", "[emulator]") {
  Buffer<int> y(64);
  for (const Schedule& s : schedules) {
    CHECK_THAT(
        fault_of(wrong("int* y", "if (threadIdx.x == 5) return;\n__syncthreads();\ny[0] = 1;"),
                 {.threads = {64}}, s, y),
        contains("thread (0,0,0): waits at __syncthreads (line 3), and never goes on: thread "
                 "(5,0,0) has finished"));
    CHECK_THAT(
        fault_of(
            wrong("int* y",
                  "if (threadIdx.x == 5)\n__syncthreads();\nelse\n__syncthreads();\ny[0] = 1;"),
            {.threads = {64}}, s, y),
        contains("waits at __syncthreads (line 5), and never goes on: thread (5,0,0) waits at "
                 "__syncthreads (line 3)"));
  }
}

TEST_CASE("a warp operation that not all of its mask take part in is reported", "[emulator]") {
  Buffer<int> y(64);
  const auto fault = [&](const char* body) {
    return fault_of(wrong("int* y", body), {.threads = {32}}, {}, y);
  };
  CHECK_THAT(fault("if (threadIdx.x < 16) y[threadIdx.x] = __shfl_xor_sync(~0u, 1, 1);\nelse "
                   "__syncthreads();"),
             contains("waits at __shfl_xor_sync (line 2, mask 0xffffffff), and never goes on: "
                      "thread (16,0,0) waits at "
                      "__syncthreads (line 3)"));
  CHECK_THAT(fault("y[threadIdx.x] = __ballot_sync(threadIdx.x < 16 ? ~0u : 0xffff0000u, "
                   "1);\n__syncthreads();"),
             contains("waits at __ballot_sync (line 2, mask 0xffffffff)"));
  CHECK_THAT(fault("y[threadIdx.x] = __ballot_sync(0xffffu, 1);"),
             contains("thread (16,0,0): __ballot_sync (line 2, mask 0x0000ffff) leaves out lane "
                      "16, which calls it"));
  CHECK_THAT(fault("if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0xffffu, 1, 20);"),
             contains("reads lane 20, which the mask does not name"));
  CHECK_THAT(fault("if (threadIdx.x == 20) return;\ny[threadIdx.x] = __shfl_sync(~0u, 1, 20);"),
             contains("reads lane 20, which takes no part"));
  CHECK_THAT(fault("y[threadIdx.x] = __shfl_down_sync(~0u, 1, 1, 12);"), contains("has width 12"));
}

TEST_CASE("a launch after one that failed is as good as the first", "[emulator]") {
  const Module m =
      wrong("int* y, int n", "__shared__ int part[64];\npart[threadIdx.x] = 1;\n__syncthreads();\n"
                             "y[threadIdx.x + n] = part[63 - threadIdx.x];");
  Buffer<int> y(64);
  for (int turn = 0; turn < 3; ++turn) {
    CHECK(fault_of(m, {.threads = {64}}, {}, y, 1) != "");
    CHECK(fault_of(m, {.threads = {64}}, {}, y, 0) == "");
  }
}

TEST_CASE("a text that does not compile is refused with the compiler's words and its own lines",
          "[emulator]") {
  CHECK_THROWS_WITH(Module("extern \"C\" __global__ void f(float* x) {\n  x[0] = y;\n}\n"),
                    contains("kernel.cu:2:10: error: use of undeclared identifier 'y'"));
}

} // namespace kroton::test
