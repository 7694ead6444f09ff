/// Kernels that are right, in every order of their threads.
#include <array>
#include <cmath>
#include <numeric>

#include "test/cuda/emulator_support.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using emulator::Module;
using emulator::Schedule;

template <class T> Buffer<T> counting(std::size_t n) {
  Buffer<T> b(n);
  std::iota(b.values.begin(), b.values.end(), T(0));
  return b;
}

} // namespace

TEST_CASE("threads know where they stand in three dimensions", "[emulator]") {
  const Module m(R"(
extern "C" __global__ void place(int* out) {
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = thread + 1000 * block;
})");
  for (const Schedule& s : schedules) {
    Buffer<int> out(2 * 3 * 4 * (4 * 3 * 2));
    run(m, "place", {.blocks = {2, 3, 4}, .threads = {4, 3, 2}}, s, out);
    for (int i = 0; i < static_cast<int>(out.values.size()); ++i)
      REQUIRE(out.values[static_cast<std::size_t>(i)] == i % 24 + 1000 * (i / 24));
  }
}

TEST_CASE("a grid-stride loop covers every element", "[emulator]") {
  const Module m(R"(
template <class T> using global = T* __restrict__;
extern "C" __global__ void __launch_bounds__(64) axpy(global<const float> x, global<float> y, float a, long long n) {
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < n; i += (long long)gridDim.x * blockDim.x)
    y[i] = __fmaf_rn(a, x[i], y[i]);
})");
  for (const Schedule& s : schedules) {
    auto x = counting<float>(1001);
    Buffer<float> y(1001, 1.0f);
    run(m, "axpy", {.blocks = {3}, .threads = {64}}, s, x, y, 2.0f, 1001LL);
    for (std::size_t i = 0; i < 1001; ++i) REQUIRE(y.values[i] == 2 * static_cast<float>(i) + 1);
  }
}

TEST_CASE("a block sums through shared memory and barriers", "[emulator]") {
  const Module m(R"(
#define KROTON_SHARED(type, name, count) __shared__ type name[count]
extern "C" __global__ void sum(const float* x, float* out) {
  KROTON_SHARED(float, part, 128);
  part[threadIdx.x] = x[blockIdx.x * 128 + threadIdx.x];
  __syncthreads();
  for (int step = 64; step > 0; step /= 2) {
    if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = part[0];
})");
  for (const Schedule& s : schedules) {
    auto x = counting<float>(256);
    Buffer<float> out(2);
    run(m, "sum", {.blocks = {2}, .threads = {128}}, s, x, out);
    CHECK(out.values == std::vector<float>{8128, 24512});
  }
}

TEST_CASE("tiles of two dimensions and dynamic shared memory are arrays", "[emulator]") {
  const Module m(R"(
extern "C" __global__ void turn(const int* x, int* out) {
  __shared__ int tile[16][17];
  __shared__ int last, other[3];
  extern __shared__ __align__(16) int extra[];
  tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 16 + threadIdx.x];
  extra[threadIdx.y * 16 + threadIdx.x] = 1;
  if (threadIdx.x == 0 && threadIdx.y == 0) last = 2, other[2] = 3;
  __syncthreads();
  out[threadIdx.y * 16 + threadIdx.x] = tile[threadIdx.x][threadIdx.y] + extra[255 - threadIdx.y] + last + other[2];
})");
  for (const Schedule& s : schedules) {
    auto x = counting<int>(256);
    Buffer<int> out(256);
    run(m, "turn", {.threads = {16, 16}, .shared_bytes = 1024}, s, x, out);
    for (int i = 0; i < 256; ++i)
      REQUIRE(out.values[static_cast<std::size_t>(i)] == i % 16 * 16 + i / 16 + 6);
  }
}

TEST_CASE("shuffles read the lanes that the programming guide says", "[emulator]") {
  const Module m(R"(
extern "C" __global__ void shuffle(int* out, double* sums) {
  const int lane = threadIdx.x;
  out[lane] = __shfl_sync(0xffffffffu, lane, 5);
  out[32 + lane] = __shfl_sync(0xffffffffu, lane, 9, 8);
  out[64 + lane] = __shfl_up_sync(0xffffffffu, lane, 3);
  out[96 + lane] = __shfl_up_sync(0xffffffffu, lane, 3, 8);
  out[128 + lane] = __shfl_down_sync(0xffffffffu, lane, 3);
  out[160 + lane] = __shfl_down_sync(0xffffffffu, lane, 3, 8);
  out[192 + lane] = __shfl_xor_sync(0xffffffffu, lane, 5);
  out[224 + lane] = __shfl_xor_sync(0xffffffffu, lane, 9, 8);
  double sum = lane;
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  sums[lane] = sum;
})");
  for (const Schedule& s : schedules) {
    Buffer<int> out(256);
    Buffer<double> sums(32);
    run(m, "shuffle", {.threads = {32}}, s, out, sums);
    for (int lane = 0; lane < 32; ++lane) {
      const auto at = [&](int which) {
        return out.values[static_cast<std::size_t>(32 * which + lane)];
      };
      const int begin = lane / 8 * 8;
      INFO("lane " << lane);
      CHECK(at(0) == 5);
      CHECK(at(1) == begin + 1);
      CHECK(at(2) == (lane >= 3 ? lane - 3 : lane));
      CHECK(at(3) == (lane - 3 >= begin ? lane - 3 : lane));
      CHECK(at(4) == (lane + 3 < 32 ? lane + 3 : lane));
      CHECK(at(5) == (lane + 3 < begin + 8 ? lane + 3 : lane));
      CHECK(at(6) == (lane ^ 5));
      // Lanes of later segments are out of reach, those of earlier ones are not.
      CHECK(at(7) == ((lane ^ 9) < begin + 8 ? lane ^ 9 : lane));
      CHECK(sums.values[static_cast<std::size_t>(lane)] == 496);
    }
  }
}

TEST_CASE("votes and folds see the lanes of their mask", "[emulator]") {
  const Module m(R"(
extern "C" __global__ void vote(unsigned* out) {
  const int lane = threadIdx.x;
  if (lane < 8) {
    const unsigned mask = 0xff;
    const unsigned odd = __ballot_sync(mask, lane & 1);
    const int any = __any_sync(mask, lane == 3), all = __all_sync(mask, lane < 7);
    const unsigned total = __reduce_add_sync(mask, (unsigned)lane), same = __match_any_sync(mask, lane / 3);
    const int least = __reduce_min_sync(mask, lane - 4), most = __reduce_max_sync(mask, lane - 4);
    __syncwarp(mask);
    if (lane == 4) {
      out[0] = odd; out[1] = any; out[2] = all; out[3] = total; out[4] = same; out[5] = least; out[6] = most;
    }
  }
  const int third = __syncthreads_count(lane < 40);
  if (lane == 0) { out[7] = third; }
  const int some = __syncthreads_or(lane == 63), every = __syncthreads_and(lane != 63);
  if (lane == 1) { out[8] = some; out[9] = every; }
})");
  for (const Schedule& s : schedules) {
    Buffer<unsigned> out(10);
    run(m, "vote", {.threads = {64}}, s, out);
    CHECK(out.values ==
          std::vector<unsigned>{0xaa, 1, 0, 28, 0x38, static_cast<unsigned>(-4), 3, 40, 1, 0});
  }
}

TEST_CASE("atomics of all threads and blocks add up", "[emulator]") {
  const Module m(R"(
extern "C" __global__ void count(int* i, unsigned long long* u, float* f, double* d, unsigned* most, int* claimed) {
  atomicAdd(i, 1);
  atomicAdd(u, 1ull << 40);
  atomicAdd(f, 0.5f);
  atomicAdd(d, 0.25);
  atomicMax(most, blockIdx.x * blockDim.x + threadIdx.x);
  if (atomicCAS(claimed, 0, 7) == 0) atomicExch(claimed + 1, (int)threadIdx.x + 1);
})");
  for (const Schedule& s : schedules) {
    Buffer<int> i(1), claimed(2);
    Buffer<unsigned long long> u(1);
    Buffer<float> f(1);
    Buffer<double> d(1);
    Buffer<unsigned> most(1);
    run(m, "count", {.blocks = {3}, .threads = {100}}, s, i, u, f, d, most, claimed);
    CHECK(i.values[0] == 300);
    CHECK(u.values[0] == 300ull << 40);
    CHECK(f.values[0] == 150);
    CHECK(d.values[0] == 75);
    CHECK(most.values[0] == 299);
    CHECK(claimed.values[0] == 7);
    CHECK(claimed.values[1] > 0);
  }
}

TEST_CASE("the last block to finish may add up what the others wrote before a fence",
          "[emulator]") {
  const Module m(R"(
extern "C" __global__ void total(float* part, unsigned* done, float* out) {
  __shared__ bool is_last;
  if (threadIdx.x == 0) {
    part[blockIdx.x] = blockIdx.x;
    __threadfence();
    is_last = atomicAdd(done, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (is_last && threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i < gridDim.x; ++i) sum += part[i];
    *out = sum;
  }
})");
  for (const Schedule& s : schedules) {
    Buffer<float> part(10), out(1);
    Buffer<unsigned> done(1);
    run(m, "total", {.blocks = {10}, .threads = {32}}, s, part, done, out);
    CHECK(out.values[0] == 45);
  }
}

TEST_CASE("sixteen bytes are read and written at once", "[emulator]") {
  const Module m(R"(
template <class T, int N> struct alignas(N * sizeof(T)) pack { T of[N]; };
extern "C" __global__ void quads(const float* x, float* y, const unsigned char* b, unsigned char* c) {
  const float4 v = reinterpret_cast<const float4*>(x)[threadIdx.x];
  *reinterpret_cast<float4*>(y + 4 * threadIdx.x) = make_float4(v.w, v.z, v.y, v.x);
  pack<unsigned char, 16> p = ((const pack<unsigned char, 16>*)b)[threadIdx.x];
  for (int k = 0; k < 16; ++k) p.of[k] += k;
  ((pack<unsigned char, 16>*)c)[threadIdx.x] = p;
})");
  for (const Schedule& s : schedules) {
    auto x = counting<float>(256);
    auto b = counting<unsigned char>(1024);
    Buffer<float> y(256);
    Buffer<unsigned char> c(1024);
    run(m, "quads", {.threads = {64}}, s, x, y, b, c);
    for (std::size_t i = 0; i < 256; ++i) REQUIRE(y.values[i] == x.values[i / 4 * 4 + 3 - i % 4]);
    for (std::size_t i = 0; i < 1024; ++i)
      REQUIRE(c.values[i] == static_cast<unsigned char>(b.values[i] + i % 16));
  }
}

TEST_CASE("numbers are rounded and taken apart as CUDA's functions do", "[emulator]") {
  const Module m(R"(
extern "C" __global__ void numbers(float* f, double* d, unsigned long long* u) {
  f[0] = __fmaf_rn(0x1.000002p0f, 0x1.000002p0f, -1.0f);
  f[1] = rintf(2.5f); f[2] = floorf(-0.5f); f[3] = copysignf(3.0f, -0.0f); f[4] = fmaxf(__uint_as_float(0x7fc00000u), 2.0f);
  f[5] = __int_as_float(__float_as_int(1.5f)); f[6] = sqrtf(2.0f); f[7] = fabsf(-2.0f);
  d[0] = fma(0x1.0000000000001p0, 0x1.0000000000001p0, -1.0); d[1] = rint(-1.5); d[2] = trunc(-1.5); d[3] = __longlong_as_double(__double_as_longlong(1.25));
  u[0] = __umulhi(0xffffffffu, 0xffffffffu); u[1] = __umul64hi(~0ull, ~0ull); u[2] = __clz(1); u[3] = __popcll(~0ull); u[4] = __ffs(8); u[5] = __brev(1u);
})");
  Buffer<float> f(8);
  Buffer<double> d(4);
  Buffer<unsigned long long> u(6);
  run(m, "numbers", {}, {}, f, d, u);
  CHECK(f.values == std::vector<float>{std::fma(0x1.000002p0f, 0x1.000002p0f, -1.0f), 2, -1, -3, 2,
                                       1.5f, std::sqrt(2.0f), 2});
  CHECK(d.values == std::vector<double>{std::fma(0x1.0000000000001p0, 0x1.0000000000001p0, -1.0),
                                        -2, -1, 1.25});
  CHECK(u.values == std::vector<unsigned long long>{0xfffffffe, ~0ull - 1, 31, 64, 4, 0x80000000u});
}

TEST_CASE("products and sums are joined only where the build says so", "[emulator]") {
  const std::string text = R"(
extern "C" __global__ void product(float* x) { x[0] = x[0] * x[0] - 1.0f; })";
  for (const bool has_fma : {false, true}) {
    Buffer<float> x(1, 0x1.000002p0f);
    run(Module(text, {.has_fma_contraction = has_fma}), "product", {}, {}, x);
    const float a = 0x1.000002p0f, square = a * a;
    CHECK(x.values[0] == (has_fma ? std::fma(a, a, -1.0f) : square - 1.0f));
  }
}

TEST_CASE("the kernels of a text are found by their names", "[emulator]") {
  CHECK(emulator::kernel_names("extern \"C\" __global__ void a(int x) {}\n"
                               "extern \"C\" __global__ void __launch_bounds__(256) b(int x) {}\n"
                               "extern \"C\" __launch_bounds__(32, 4) __global__ void c() {}\n"
                               "__global__ __launch_bounds__(32)\nvoid d() {}\n") ==
        std::vector<std::string>{"a", "b", "c", "d"});
}

} // namespace kroton::test
