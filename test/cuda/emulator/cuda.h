// The CUDA C++ that generated kernels use, for a CPU. This stands before the text of a kernel, after abi.h.
//
// The text itself is compiled as it is, with the thread, alignment and array-bounds sanitizers, whose calls are
// answered here: so every access to memory is seen, whatever its spelling. Only declarations of shared arrays and PTX
// are spelled anew (module.cpp).

extern "C" {
kroton::emulator::State kroton_emulator_state;
}

namespace kroton::emulator {

#define KROTON_EMULATED_MEMBER __attribute__((always_inline))
#define KROTON_EMULATED KROTON_EMULATED_MEMBER static inline
/// Accesses in such a function are not seen. It must not be inlined into one whose accesses are.
#define KROTON_UNSEEN __attribute__((no_sanitize("thread", "alignment"), noinline))

KROTON_EMULATED const Table& table() { return kroton_emulator_state.table; }

KROTON_UNSEEN inline void seen(const void* address, unsigned long nbytes, Access kind) {
  const State& s = kroton_emulator_state;
  if ((unsigned long)address - s.stack_begin < s.stack_bytes) return;
  if ((unsigned long)address - (unsigned long)&s < sizeof s) return;
  s.table.access(address, nbytes, kind);
}

/// A shared array between zones that belong to nothing.
template <class T> struct Guarded {
  alignas(128) char before[128];
  alignas(128) T array;
  alignas(128) char after[128];
  KROTON_EMULATED T& declared(Guarded& g, const char* name) {
    table().shared_array(&g.array, sizeof(T), name);
    return g.array;
  }
};

} // namespace kroton::emulator

#define KROTON_EMULATED_SHARED(dims, name, ...)                                                                        \
  static kroton::emulator::Guarded<__VA_ARGS__ dims> name##_memory;                                                    \
  auto& name = kroton::emulator::Guarded<__VA_ARGS__ dims>::declared(name##_memory, #name)
#define KROTON_EMULATED_DYNAMIC_SHARED(name, ...)                                                                      \
  auto* const name = (__VA_ARGS__*)kroton::emulator::table().dynamic_shared(#name)

// What the sanitizers call.

#define KROTON_HOOK(kind, nbytes)                                                                  \
  extern "C" KROTON_UNSEEN void __tsan_##kind##nbytes(void* p) {                                   \
    kroton::emulator::seen(p, nbytes, kroton::emulator::Access::kind);                             \
  }
#define KROTON_UNALIGNED_HOOK(kind, nbytes)                                                        \
  KROTON_HOOK(kind, nbytes)                                                                        \
  extern "C" void __tsan_unaligned_##kind##nbytes(void*)                                           \
      __attribute__((alias("__tsan_" #kind #nbytes)));
KROTON_HOOK(read, 1)
KROTON_UNALIGNED_HOOK(read, 2)
KROTON_UNALIGNED_HOOK(read, 4)
KROTON_UNALIGNED_HOOK(read, 8)
KROTON_UNALIGNED_HOOK(read, 16)
KROTON_HOOK(write, 1)
KROTON_UNALIGNED_HOOK(write, 2)
KROTON_UNALIGNED_HOOK(write, 4)
KROTON_UNALIGNED_HOOK(write, 8)
KROTON_UNALIGNED_HOOK(write, 16)
#undef KROTON_UNALIGNED_HOOK
#undef KROTON_HOOK

extern "C" KROTON_UNSEEN void __tsan_func_entry(void*) {}
extern "C" KROTON_UNSEEN void __tsan_func_exit() {}

extern "C" KROTON_UNSEEN void* __tsan_memmove(void* to, const void* from, unsigned long n) {
  kroton::emulator::seen(from, n, kroton::emulator::Access::read);
  kroton::emulator::seen(to, n, kroton::emulator::Access::write);
  return kroton::emulator::table().move(to, from, n);
}
extern "C" KROTON_UNSEEN void* __tsan_memcpy(void* to, const void* from, unsigned long n) {
  return __tsan_memmove(to, from, n);
}
extern "C" KROTON_UNSEEN void* __tsan_memset(void* to, int value, unsigned long n) {
  kroton::emulator::seen(to, n, kroton::emulator::Access::write);
  return kroton::emulator::table().set(to, value, n);
}

namespace kroton::emulator {

/// What the undefined behaviour sanitizer hands over, as Clang lays it out.
struct SourcePlace {
  const char* file;
  unsigned line, column;
};
struct TypeText {
  unsigned short kind, info;
  char name[1];
};
struct MisalignedData {
  SourcePlace place;
  const TypeText* type;
  unsigned char log_alignment, kind;
};
struct OutOfBoundsData {
  SourcePlace place;
  const TypeText *array, *index;
};

} // namespace kroton::emulator

extern "C" KROTON_UNSEEN void __ubsan_handle_type_mismatch_v1(kroton::emulator::MisalignedData* data, void* p) {
  kroton::emulator::table().misaligned(p, 1ul << data->log_alignment, data->type->name, (int)data->place.line);
}
extern "C" KROTON_UNSEEN void __ubsan_handle_out_of_bounds(kroton::emulator::OutOfBoundsData* data,
                                                           unsigned long index) {
  kroton::emulator::table().out_of_bounds((long)index, data->array->name, (int)data->place.line);
}

// Qualifiers. What is promised by `restrict` is tested, not relied upon.

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__
#define __restrict

// Where a thread stands.

using uint3 = kroton::emulator::Index3;
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
#define threadIdx (kroton_emulator_state.thread)
#define blockIdx (kroton_emulator_state.block)
#define blockDim (kroton_emulator_state.block_dim)
#define gridDim (kroton_emulator_state.grid_dim)
#define warpSize 32

// Short vectors, which are at multiples of their size.

namespace kroton::emulator {

/// A member that makes copies of a struct be calls, whose alignment the sanitizer looks at. Plain copies it does not see.
struct Copied {
  constexpr Copied() = default;
  KROTON_EMULATED_MEMBER constexpr Copied(const Copied&) {}
  KROTON_EMULATED_MEMBER constexpr Copied& operator=(const Copied&) { return *this; }
};

template <class T> struct alignas(2 * sizeof(T)) Pair {
  T x, y;
  [[no_unique_address]] Copied copied{};
};
template <class T> struct Triple {
  T x, y, z;
};
template <class T, int alignment> struct alignas(alignment) Quad {
  T x, y, z, w;
  [[no_unique_address]] Copied copied{};
};

} // namespace kroton::emulator

#define KROTON_VECTORS(name, T)                                                                                        \
  using name##2 = kroton::emulator::Pair<T>;                                                                                     \
  using name##4 = kroton::emulator::Quad<T, 4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16>;                                              \
  KROTON_EMULATED name##2 make_##name##2(T x, T y) { return {x, y}; }                                                  \
  KROTON_EMULATED name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
KROTON_VECTORS(char, signed char)
KROTON_VECTORS(uchar, unsigned char)
KROTON_VECTORS(short, short)
KROTON_VECTORS(ushort, unsigned short)
KROTON_VECTORS(int, int)
KROTON_VECTORS(uint, unsigned)
KROTON_VECTORS(longlong, long long)
KROTON_VECTORS(ulonglong, unsigned long long)
KROTON_VECTORS(float, float)
KROTON_VECTORS(double, double)
#undef KROTON_VECTORS
using float3 = kroton::emulator::Triple<float>;
using int3 = kroton::emulator::Triple<int>;

// Barriers and fences.

#define __syncthreads()                                                                                                \
  ((void)kroton::emulator::table().barrier(kroton::emulator::BarrierOp::sync, 0, __LINE__))
#define __syncthreads_count(p) kroton::emulator::table().barrier(kroton::emulator::BarrierOp::count, (p) != 0, __LINE__)
#define __syncthreads_and(p) kroton::emulator::table().barrier(kroton::emulator::BarrierOp::all, (p) != 0, __LINE__)
#define __syncthreads_or(p) kroton::emulator::table().barrier(kroton::emulator::BarrierOp::any, (p) != 0, __LINE__)
#define __threadfence() kroton::emulator::table().fence()
#define __threadfence_block() ((void)0)
#define __threadfence_system() kroton::emulator::table().fence()

// What the threads of a warp do together.

namespace kroton::emulator {

template <int nbytes> struct BitsOf {
  using type = unsigned long;
};
template <> struct BitsOf<4> {
  using type = unsigned;
};
template <> struct BitsOf<2> {
  using type = unsigned short;
};
template <> struct BitsOf<1> {
  using type = unsigned char;
};

template <class T>
KROTON_EMULATED T shuffled(WarpOp op, int line, unsigned mask, T value, int argument, int width = 32) {
  using Bits = typename BitsOf<sizeof(T)>::type;
  const unsigned long bits = __builtin_bit_cast(Bits, value);
  return __builtin_bit_cast(T, (Bits)table().warp(op, mask, bits, argument, width, line));
}

KROTON_EMULATED unsigned together(WarpOp op, int line, unsigned mask, unsigned long value = 0) {
  return (unsigned)table().warp(op, mask, value, 0, 32, line);
}

/// The sum and the bits of numbers do not depend on their sign, extremes do.
template <class T>
KROTON_EMULATED T folded(WarpOp op, WarpOp op_if_signed, int line, unsigned mask, T value) {
  return (T)together(T(-1) < T(0) ? op_if_signed : op, line, mask, (unsigned)value);
}

} // namespace kroton::emulator

#define __shfl_sync(mask, ...) kroton::emulator::shuffled(kroton::emulator::WarpOp::shuffle, __LINE__, mask, __VA_ARGS__)
#define __shfl_up_sync(mask, ...)                                                                                      \
  kroton::emulator::shuffled(kroton::emulator::WarpOp::shuffle_up, __LINE__, mask, __VA_ARGS__)
#define __shfl_down_sync(mask, ...)                                                                                    \
  kroton::emulator::shuffled(kroton::emulator::WarpOp::shuffle_down, __LINE__, mask, __VA_ARGS__)
#define __shfl_xor_sync(mask, ...)                                                                                     \
  kroton::emulator::shuffled(kroton::emulator::WarpOp::shuffle_xor, __LINE__, mask, __VA_ARGS__)
#define __ballot_sync(mask, p) kroton::emulator::together(kroton::emulator::WarpOp::ballot, __LINE__, mask, (p) ? 1 : 0)
#define __any_sync(mask, p)                                                                                            \
  ((int)kroton::emulator::together(kroton::emulator::WarpOp::any, __LINE__, mask, (p) ? 1 : 0))
#define __all_sync(mask, p)                                                                                            \
  ((int)kroton::emulator::together(kroton::emulator::WarpOp::all, __LINE__, mask, (p) ? 1 : 0))
#define __match_any_sync(mask, v)                                                                                      \
  kroton::emulator::together(kroton::emulator::WarpOp::match_any, __LINE__, mask, (unsigned long)(v))
#define KROTON_FOLDED(op, op_if_signed, mask, v)                                                                       \
  kroton::emulator::folded(kroton::emulator::WarpOp::op, kroton::emulator::WarpOp::op_if_signed, __LINE__, mask, v)
#define __reduce_add_sync(mask, v) KROTON_FOLDED(reduce_add, reduce_add, mask, v)
#define __reduce_min_sync(mask, v) KROTON_FOLDED(reduce_min, reduce_min_signed, mask, v)
#define __reduce_max_sync(mask, v) KROTON_FOLDED(reduce_max, reduce_max_signed, mask, v)
#define __reduce_and_sync(mask, v) KROTON_FOLDED(reduce_and, reduce_and, mask, v)
#define __reduce_or_sync(mask, v) KROTON_FOLDED(reduce_or, reduce_or, mask, v)
#define __reduce_xor_sync(mask, v) KROTON_FOLDED(reduce_xor, reduce_xor, mask, v)

/// `__syncwarp()` is for all lanes.
#define __syncwarp(...)                                                                                                \
  ((void)kroton::emulator::together(kroton::emulator::WarpOp::sync, __LINE__, kroton::emulator::lanes(__VA_ARGS__)))
namespace kroton::emulator {
KROTON_EMULATED unsigned lanes(unsigned mask = 0xffffffffu) { return mask; }
} // namespace kroton::emulator

// Atomics: threads are switched at barriers and warp operations alone, so that nothing comes between.

namespace kroton::emulator {

template <class T, class F> KROTON_UNSEEN T updated(T* address, F next) {
  if ((unsigned long)address % sizeof(T) != 0) table().misaligned(address, sizeof(T), "of an atomic", 0);
  seen(address, sizeof(T), Access::atomic);
  const T old = *address;
  *address = next(old);
  return old;
}
template <class T> struct SameType {
  using type = T;
};
/// Of several arguments of type T, the first alone decides what T is.
template <class T> using same = typename SameType<T>::type;

} // namespace kroton::emulator

#define KROTON_ATOMIC(name, result)                                                                                    \
  template <class T> KROTON_EMULATED T name(T* address, kroton::emulator::same<T> v) {                                 \
    return kroton::emulator::updated(address, [=](T old) -> T { return result; });                                     \
  }
KROTON_ATOMIC(atomicAdd, old + v)
KROTON_ATOMIC(atomicSub, old - v)
KROTON_ATOMIC(atomicExch, v)
KROTON_ATOMIC(atomicMin, v < old ? v : old)
KROTON_ATOMIC(atomicMax, v > old ? v : old)
KROTON_ATOMIC(atomicAnd, old & v)
KROTON_ATOMIC(atomicOr, old | v)
KROTON_ATOMIC(atomicXor, old ^ v)
KROTON_ATOMIC(atomicInc, old >= v ? T(0) : T(old + 1))
KROTON_ATOMIC(atomicDec, old == 0 || old > v ? v : T(old - 1))
#undef KROTON_ATOMIC
template <class T>
KROTON_EMULATED T atomicCAS(T* address, kroton::emulator::same<T> expected, kroton::emulator::same<T> v) {
  return kroton::emulator::updated(address, [=](T old) -> T { return old == expected ? v : old; });
}

// Loads and stores with advice to the caches.

#define KROTON_LOAD(name)                                                                                              \
  template <class T> KROTON_EMULATED T name(const T* p) { return *p; }
#define KROTON_STORE(name)                                                                                             \
  template <class T> KROTON_EMULATED void name(T* p, kroton::emulator::same<T> v) { *p = v; }
KROTON_LOAD(__ldg)
KROTON_LOAD(__ldca)
KROTON_LOAD(__ldcg)
KROTON_LOAD(__ldcs)
KROTON_LOAD(__ldcv)
KROTON_LOAD(__ldlu)
KROTON_STORE(__stwb)
KROTON_STORE(__stcg)
KROTON_STORE(__stcs)
KROTON_STORE(__stwt)
#undef KROTON_LOAD
#undef KROTON_STORE

// Bits and numbers.

#define KROTON_FUNCTION(result, name, parameters, value)                                                               \
  KROTON_EMULATED result name parameters { return value; }
KROTON_FUNCTION(unsigned, __float_as_uint, (float x), __builtin_bit_cast(unsigned, x))
KROTON_FUNCTION(int, __float_as_int, (float x), __builtin_bit_cast(int, x))
KROTON_FUNCTION(float, __uint_as_float, (unsigned x), __builtin_bit_cast(float, x))
KROTON_FUNCTION(float, __int_as_float, (int x), __builtin_bit_cast(float, x))
KROTON_FUNCTION(long long, __double_as_longlong, (double x), __builtin_bit_cast(long long, x))
KROTON_FUNCTION(double, __longlong_as_double, (long long x), __builtin_bit_cast(double, x))
KROTON_FUNCTION(int, __double2hiint, (double x), (int)(__builtin_bit_cast(unsigned long, x) >> 32))
KROTON_FUNCTION(int, __double2loint, (double x), (int)__builtin_bit_cast(unsigned long, x))
KROTON_FUNCTION(double, __hiloint2double, (int hi, int lo),
                __builtin_bit_cast(double, (unsigned long)(unsigned)hi << 32 | (unsigned)lo))

#ifdef __FMA__
KROTON_FUNCTION(float, fmaf, (float a, float b, float c), __builtin_elementwise_fma(a, b, c))
KROTON_FUNCTION(double, fma, (double a, double b, double c), __builtin_elementwise_fma(a, b, c))
#else
KROTON_FUNCTION(float, fmaf, (float a, float b, float c), kroton::emulator::table().fma_f32(a, b, c))
KROTON_FUNCTION(double, fma, (double a, double b, double c), kroton::emulator::table().fma_f64(a, b, c))
#endif
KROTON_FUNCTION(float, __fmaf_rn, (float a, float b, float c), fmaf(a, b, c))
KROTON_FUNCTION(double, __fma_rn, (double a, double b, double c), fma(a, b, c))
KROTON_FUNCTION(float, __fadd_rn, (float a, float b), a + b)
KROTON_FUNCTION(float, __fsub_rn, (float a, float b), a - b)
KROTON_FUNCTION(float, __fmul_rn, (float a, float b), a * b)
KROTON_FUNCTION(float, __fdiv_rn, (float a, float b), a / b)
KROTON_FUNCTION(double, __dadd_rn, (double a, double b), a + b)
KROTON_FUNCTION(double, __dsub_rn, (double a, double b), a - b)
KROTON_FUNCTION(double, __dmul_rn, (double a, double b), a * b)
KROTON_FUNCTION(double, __ddiv_rn, (double a, double b), a / b)

#define KROTON_ROUNDED(name, builtin)                                                                                  \
  KROTON_FUNCTION(float, name##f, (float x), builtin(x))                                                               \
  KROTON_FUNCTION(float, name, (float x), builtin(x))                                                                  \
  KROTON_FUNCTION(double, name, (double x), builtin(x))
KROTON_ROUNDED(fabs, __builtin_elementwise_abs)
KROTON_ROUNDED(floor, __builtin_elementwise_floor)
KROTON_ROUNDED(ceil, __builtin_elementwise_ceil)
KROTON_ROUNDED(trunc, __builtin_elementwise_trunc)
KROTON_ROUNDED(rint, __builtin_elementwise_rint)
KROTON_ROUNDED(nearbyint, __builtin_elementwise_rint)
KROTON_ROUNDED(sqrt, __builtin_elementwise_sqrt)
#undef KROTON_ROUNDED
KROTON_FUNCTION(float, __fsqrt_rn, (float x), sqrt(x))
KROTON_FUNCTION(double, __dsqrt_rn, (double x), sqrt(x))
namespace kroton::emulator {

/// 1 / x with errors of up to one ulp in both directions: no more is promised of rcp.approx.
KROTON_EMULATED float rcp_approx_ftz_f32(float x) {
  const float y = 1.0f / x;
  if (!__builtin_isnormal(y)) return y;
  return __uint_as_float(__float_as_uint(y) - 1 + __float_as_uint(x) % 3);
}

} // namespace kroton::emulator

KROTON_FUNCTION(float, copysignf, (float x, float sign), __builtin_copysignf(x, sign))
KROTON_FUNCTION(float, copysign, (float x, float sign), __builtin_copysignf(x, sign))
KROTON_FUNCTION(double, copysign, (double x, double sign), __builtin_copysign(x, sign))
/// A NaN loses against a number, and -0 < +0.
KROTON_FUNCTION(float, fmaxf, (float a, float b), a > b || b != b || (a == b && !__builtin_signbit(a)) ? a : b)
KROTON_FUNCTION(float, fminf, (float a, float b), a < b || b != b || (a == b && __builtin_signbit(a)) ? a : b)
KROTON_FUNCTION(double, fmax, (double a, double b), a > b || b != b ? a : b)
KROTON_FUNCTION(double, fmin, (double a, double b), a < b || b != b ? a : b)
template <class T> KROTON_FUNCTION(bool, isnan, (T x), x != x)
template <class T> KROTON_FUNCTION(bool, isinf, (T x), __builtin_isinf(x))
template <class T> KROTON_FUNCTION(bool, isfinite, (T x), __builtin_isfinite(x))
template <class T> KROTON_FUNCTION(bool, signbit, (T x), __builtin_signbit(x))
template <class T> KROTON_FUNCTION(T, max, (T a, T b), a > b ? a : b)
template <class T> KROTON_FUNCTION(T, min, (T a, T b), a < b ? a : b)
template <class T> KROTON_FUNCTION(T, abs, (T x), x < 0 ? -x : x)

KROTON_FUNCTION(unsigned, __umulhi, (unsigned a, unsigned b), (unsigned)((unsigned long)a * b >> 32))
KROTON_FUNCTION(int, __mulhi, (int a, int b), (int)((long)a * b >> 32))
KROTON_FUNCTION(unsigned long long, __umul64hi, (unsigned long long a, unsigned long long b),
                (unsigned long long)((unsigned __int128)a * b >> 64))
KROTON_FUNCTION(long long, __mul64hi, (long long a, long long b), (long long)((__int128)a * b >> 64))
KROTON_FUNCTION(int, __clz, (int x), x == 0 ? 32 : __builtin_clz((unsigned)x))
KROTON_FUNCTION(int, __clzll, (long long x), x == 0 ? 64 : __builtin_clzll((unsigned long long)x))
KROTON_FUNCTION(int, __ffs, (int x), __builtin_ffs(x))
KROTON_FUNCTION(int, __ffsll, (long long x), __builtin_ffsll(x))
KROTON_FUNCTION(int, __popc, (unsigned x), __builtin_popcount(x))
KROTON_FUNCTION(int, __popcll, (unsigned long long x), __builtin_popcountll(x))
KROTON_FUNCTION(unsigned, __brev, (unsigned x), __builtin_bitreverse32(x))
KROTON_FUNCTION(unsigned long long, __brevll, (unsigned long long x), __builtin_bitreverse64(x))
KROTON_FUNCTION(unsigned, __funnelshift_l, (unsigned lo, unsigned hi, unsigned by),
                (unsigned)(((unsigned long)hi << 32 | lo) << (by & 31) >> 32))
KROTON_FUNCTION(unsigned, __funnelshift_r, (unsigned lo, unsigned hi, unsigned by),
                (unsigned)(((unsigned long)hi << 32 | lo) >> (by & 31)))
#undef KROTON_FUNCTION

// How the emulator calls a kernel: with its arguments behind pointers, as cuLaunchKernel has them.

namespace kroton::emulator {

template <int... i> struct Numbers {};
template <class T, T... i> using numbers_of = Numbers<i...>;

template <class... A, int... i>
KROTON_UNSEEN void call(void (*kernel)(A...), void** arguments, Numbers<i...>) {
  kernel(*(A*)arguments[i]...);
}
template <class... A> KROTON_EMULATED void call(void (*kernel)(A...), void** arguments) {
  call(kernel, arguments, __make_integer_seq<numbers_of, int, sizeof...(A)>{});
}

/// Writes the size of each parameter, in bytes, up to `most` of them; returns how many there are.
template <class... A> KROTON_UNSEEN int parameters(void (*)(A...), int* sizes, int most) {
  int i = 0;
  ((i < most ? void(sizes[i] = (int)sizeof(A)) : void(), ++i), ...);
  return sizeof...(A);
}

} // namespace kroton::emulator
