#ifndef KROTON_EMULATOR_ABI
#define KROTON_EMULATOR_ABI
/// What an emulated kernel and the emulator know of each other. It is read by the compiler of the tests and, as the
/// beginning of every emulated text, by Kroton's own: it includes nothing.
namespace kroton::emulator {

struct Index3 {
  unsigned x, y, z;
};

/// What the threads of a warp do together. `argument` is a lane, a distance or a mask of lanes.
enum class WarpOp : int {
  sync,
  shuffle,
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  ballot,
  any,
  all,
  match_any,
  reduce_add,
  reduce_min,
  reduce_max,
  reduce_min_signed,
  reduce_max_signed,
  reduce_and,
  reduce_or,
  reduce_xor,
};

/// What a barrier of the block gives back.
enum class BarrierOp : int { sync, count, all, any };

enum class Access : int { read, write, atomic };

/// How a kernel reaches the emulator: an object may bind no outside symbol. What is found wrong does not return.
/// `line` is one of the kernel's text.
struct Table {
  /// Called before `nbytes` at `address` are read or written, for everything but the thread's own stack.
  void (*access)(const void* address, unsigned long nbytes, Access kind);
  void (*misaligned)(const void* address, unsigned long alignment, const char* type, int line);
  void (*out_of_bounds)(long index, const char* type, int line);
  /// Called at the declaration of a shared array, by each thread that comes there.
  void (*shared_array)(void* begin, unsigned long nbytes, const char* name);
  void* (*dynamic_shared)(const char* name);
  int (*barrier)(BarrierOp op, int predicate, int line);
  unsigned long (*warp)(WarpOp op, unsigned mask, unsigned long value, int argument, int width, int line);
  void (*fence)();
  void* (*move)(void* to, const void* from, unsigned long nbytes);
  void* (*set)(void* to, int value, unsigned long nbytes);
  float (*fma_f32)(float, float, float);
  double (*fma_f64)(double, double, double);
};

/// Where the running thread stands. Every emulated text has one, named `kroton_emulator_state`.
struct State {
  Table table;
  Index3 thread, block, block_dim, grid_dim;
  unsigned long stack_begin, stack_bytes;
};

} // namespace kroton::emulator

#endif
