/// What follows from folds over rows: folds what the blocks have, in an order that depends on their
/// number alone, and continues from there. That is a second launch, which has many blocks for
/// arrays of results; scalars are the work of one block, the last of the first launch where its
/// entry allows that.
#include <algorithm>

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr int threads = 256;
/// Results with axes: a block has so many of them at a time, and for each so many threads that walk
/// the blocks. Eight f64 are two whole sectors of memory.
constexpr int results = 8, walkers = threads / results;

class Finishing {
public:
  explicit Finishing(CudaKernel& k) : k_(k) {
    for (const Finish& f : k.kernel().finish)
      if (f.axes.empty())
        scalars_ = &f;
      else
        arrays_.push_back(&f);
  }

  /// Ends an entry of the first launch.
  void end_entry(const std::string& fold) {
    blocks_ = "gridDim.x";
    fold_ = fold;
    k_.line(1, "if (is_last_block(counter)) {");
    emit_scalars(2);
    k_.line(1, "}");
  }

  void run() {
    switch (k_.finish()) {
    case CudaFinish::none:
    case CudaFinish::last_block:
      return;
    case CudaFinish::scalars:
      return write_scalars("finish", 1);
    case CudaFinish::arrays:
      return write_arrays(scalars_ != nullptr);
    case CudaFinish::arrays_and_scalars:
      write_arrays(false);
      return write_scalars("finish_scalars", 2);
    }
  }

private:
  void open(const std::string& entry) {
    k_.open_entry(entry, threads);
    k_.emit_scratch("*blocks", false, 1);
    k_.emit_values(k_.kernel().prologue, 1);
  }

  std::vector<int> reductions_of(const Finish& f) const {
    std::vector<int> found;
    for (int id : f.block.values)
      if (k_.value(id).kind == ValueKind::result) found.push_back(k_.value(id).reduction);
    return found;
  }

  /// Folds what the blocks have from `first` on, every `step` of them.
  void emit_walk(int r, const std::string& first, int step, int indent) {
    const Reduction& x = k_.reduction(r);
    k_.emit_start(r, "", indent);
    k_.line(indent, fmt::format("for (i64 b = {}; b < {}; b += {}) {{", first, blocks_, step));
    const std::string name = CudaKernel::result_name(r), part = k_.partial(x.array, "b");
    if (k_.is_position(r)) {
      const std::string t = CudaKernel::type_name(x.dtype);
      k_.line(indent + 1,
              fmt::format("const auto best = {}(ranked<{}>{{{}, {}}}, ranked<{}>{{{}, {}}});",
                          k_.combiner(r), t, k_.best_name(r), name, t, k_.partial(x.best, "b"),
                          part));
      k_.line(indent + 1, fmt::format("{} = best.value;", k_.best_name(r)));
      k_.line(indent + 1, fmt::format("{} = best.at;", name));
    } else {
      k_.line(indent + 1,
              fmt::format("{} = {};", name, k_.joined(r, atom(name), atom(part)).whole()));
    }
    k_.line(indent, "}");
  }

  void emit_scalar_results(int indent) {
    for (int r : reductions_of(*scalars_)) {
      emit_walk(r, "threadIdx.x", threads, indent);
      k_.emit_combined(r, fold_, CudaKernel::result_name(r), k_.best_name(r), indent);
    }
  }

  void emit_scalars(int indent) {
    emit_scalar_results(indent);
    // A block stores what other threads may still want to read.
    if (k_.may_overwrite(scalars_->block, scalars_->block) ||
        k_.may_overwrite(scalars_->block, k_.kernel().prologue))
      k_.line(indent, "__syncthreads();");
    k_.line(indent, "if (threadIdx.x == 0) {");
    k_.emit_values(scalars_->block, indent + 1);
    k_.emit_stores(scalars_->block, indent + 1);
    k_.line(indent, "}");
  }

  void write_scalars(const std::string& entry, int stage) {
    open(entry);
    emit_scalars(1);
    k_.line(0, "}");
    k_.launches.push_back({.entry = entry, .threads = threads, .always = true, .stage = stage});
  }

  void write_arrays(bool stores_scalars) {
    open("finish");
    if (scalars_) {
      emit_scalar_results(1);
      k_.emit_values(scalars_->block, 1);
    }
    if (stores_scalars && !scalars_->block.stores.empty()) {
      k_.line(1, "if (blockIdx.x == 0 && threadIdx.x == 0) {");
      k_.emit_stores(scalars_->block, 2);
      k_.line(1, "}");
    }
    Dim most(1);
    for (const Finish* f : arrays_) {
      emit_array(*f);
      most = dims::max(most, k_.count(f->axes));
    }
    k_.line(0, "}");
    k_.launches.push_back({.entry = "finish",
                           .threads = threads,
                           .units = most,
                           .units_per_block = results,
                           .always = true,
                           .stage = 1});
  }

  void emit_array(const Finish& f) {
    const std::string n = k_.count_text(f.axes);
    k_.line(1, fmt::format(
                   "for (i64 from = blockIdx.x * {0}l; from < {1}; from += gridDim.x * {0}l) {{",
                   results, n));
    k_.line(2, fmt::format("const i64 at = from + threadIdx.x % {};", results));
    k_.line(2, fmt::format("const bool m = threadIdx.x < {} && at < {};", results, n));
    const std::string j = f.axes.size() == 1 ? CudaKernel::axis_name(f.axes[0]) : "j";
    k_.line(2, fmt::format("const i64 {0} = at < {1} ? at : {1} - 1;", j, n));
    k_.emit_positions(f.axes, j, 2);
    for (int r : reductions_of(f)) {
      emit_walk(r, fmt::format("threadIdx.x / {}", results), walkers, 2);
      k_.emit_combined(r, fmt::format("team<{}>::across", results), CudaKernel::result_name(r),
                       k_.best_name(r), 2);
    }
    k_.line(2, "if (m) {");
    k_.emit_values(f.block, 3);
    k_.emit_stores(f.block, 3);
    k_.line(2, "}");
    k_.line(1, "}");
  }

  CudaKernel& k_;
  const Finish* scalars_ = nullptr;
  std::vector<const Finish*> arrays_;
  std::string blocks_ = "*blocks";                            ///< how many there are
  std::string fold_ = fmt::format("team<{}>::fold", threads); ///< of the threads of a block
};

} // namespace

void write_finish(CudaKernel& k) { Finishing(k).run(); }

void write_last_block(CudaKernel& k, const std::string& fold) { Finishing(k).end_entry(fold); }

} // namespace kroton::codegen
