#include "codegen/schedule/pieces.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include <kroton/dim.hpp>

#include "lib/ops/basic.hpp"
#include "lib/plan/constants.hpp"
#include "lib/support/error.hpp"

namespace kroton::codegen {

using namespace plan;

namespace {

/// Loops of fewer values that are computed for each element, and of less work, are walked as a
/// whole.
constexpr std::size_t fewest_values = 96;
constexpr std::int64_t least_work = 600;

constexpr int none = -1;

std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// What a piece costs, in instructions, of which a machine begins two a cycle.
struct Costs {
  static constexpr std::int64_t most_work = 400; ///< of one piece, for the compiler's sake
  static constexpr double of_call = 12;          ///< of a function and its loop
  static constexpr double of_transfer = 1;       ///< storing or loading a vector of a temporary
  static constexpr double of_mask = 4;           ///< the same of truth values, which are bytes
  /// Operations that wait for others are at most so many at a time. Each waits four cycles for the
  /// one before.
  static constexpr double most_waiting = 160, latency = 4, a_cycle = 2;

  /// Operations of a dozen scalar ones are functions that take about twice as many instructions.
  static std::int64_t work(const ir::Op& op) { return op.cost >= 8 ? 2 * op.cost : op.cost; }
  /// `work` instructions for each vector, of which the last waits for `depth` others.
  static double time(std::int64_t work, std::int64_t depth) {
    const double instructions = static_cast<double>(work);
    const double chain = latency * a_cycle * static_cast<double>(depth);
    return std::max(instructions, chain * std::min(1.0, instructions / most_waiting));
  }
  /// Whether a longer piece is not worth looking at.
  static bool are_enough(std::int64_t work, std::int64_t depth) {
    return work > most_work || time(work, depth) > 3 * static_cast<double>(work);
  }
};

class Cutter {
public:
  Cutter(const Kernel& kernel, const Stage& stage, const Lanes& lanes)
      : k_(kernel), stage_(stage), lanes_(lanes), axis_(static_cast<int>(kernel.axes.size()) - 1) {}

  Pieces run(int first_function) {
    Pieces result;
    if (!can_be_cut() || !find_steps()) return result;
    const std::vector<int> ends = choose_ends();
    if (ends.size() < 2) return result;
    assign(ends);
    result.pieces.resize(ends.size());
    for (std::size_t p = 0; p < ends.size(); ++p)
      result.pieces[p] = make_piece(static_cast<int>(p));
    result.temporaries = temporaries_;
    result.block = block();
    std::ranges::copy_if(stage_.loop.values, std::back_inserter(result.constant),
                         [&](int id) { return !is_varying(id); });
    share(result.pieces, first_function);
    return result;
  }

private:
  const Value& value(int id) const { return k_.values[at(id)]; }
  const Reduction& reduction(int r) const { return k_.reductions[at(r)]; }
  bool is_varying(int id) const { return varies_[at(id)]; }
  bool is_repeated(int id) const { return is_repeated_[at(id)]; }

  /// Whether a reduction is one of the loop.
  bool folds(int r) const { return folds_in_loop(k_, reduction(r)); }

  /// Checks of positions serve what follows them, positions of the largest need the whole loop's
  /// count, and random numbers are drawn for stretches.
  bool can_be_cut() const {
    if (k_.axes.empty()) return false;
    std::int64_t work = 0;
    std::size_t computed = 0;
    for (int id : stage_.loop.values) {
      const Value& v = value(id);
      if (!v.access->computed.empty() || v.kind == ValueKind::uniform) return false;
      if (v.kind == ValueKind::result && lanes_.is_vector(id)) return false;
      if (v.kind != ValueKind::op) continue;
      work += v.op->cost;
      ++computed;
    }
    if (computed <= fewest_values && work <= least_work) return false;
    return std::ranges::none_of(
        stage_.reductions, [&](int r) { return folds(r) && reduction(r).op->gives_position(); });
  }

  bool is_overwritten(const Access& a) const { return is_written(k_, a); }

  /// Lists what is computed step by step: all that differs from element to element and is not
  /// computed again where it is used. False if there is nothing to cut.
  bool find_steps() {
    varies_.assign(k_.values.size(), false);
    is_repeated_.assign(k_.values.size(), false);
    std::vector<bool> is_result(k_.values.size(), false);
    for (const Store& s : stage_.loop.stores) is_result[at(s.value)] = true;
    for (int r : stage_.reductions)
      if (folds(r)) is_result[at(reduction(r).value)] = true;
    for (int id : stage_.loop.values) {
      const Value& v = value(id);
      const bool is_place = v.kind == ValueKind::load || v.kind == ValueKind::index;
      varies_[at(id)] = is_place
                            ? !step_along(v.access, axis_).is(0)
                            : std::ranges::any_of(v.inputs, [&](int i) { return is_varying(i); });
      is_repeated_[at(id)] =
          is_varying(id) && !is_result[at(id)] &&
          (v.kind == ValueKind::index || (v.kind == ValueKind::load && !is_overwritten(v.access)));
    }
    list_steps();
    // Computing a value again costs less than an array, if what it is made of is there anyway.
    for (int id : steps_)
      if (!is_result[at(id)] && is_cheap(id)) is_repeated_[at(id)] = true;
    list_steps();
    return steps_.size() > 1;
  }

  void list_steps() {
    steps_.clear();
    std::ranges::copy_if(stage_.loop.values, std::back_inserter(steps_),
                         [&](int id) { return is_varying(id) && !is_repeated(id); });
    step_of_.assign(k_.values.size(), none);
    for (std::size_t i = 0; i < steps_.size(); ++i) step_of_[at(steps_[i])] = static_cast<int>(i);
    find_uses();
  }

  /// Whether a step is one operation on values that are needed as long as it is. A product is not:
  /// compilers may round it at one place, and at another make one operation of it and a sum.
  bool is_cheap(int id) const {
    const Value& v = value(id);
    if (v.kind != ValueKind::op || v.op->cost > 1 || (v.op == &ops::mul && is_float(v.dtype)))
      return false;
    const int until = last_use_[at(step_of_[at(id)])];
    return std::ranges::all_of(v.inputs, [&](int i) {
      if (!is_varying(i)) return true;
      if (is_repeated(i)) return value(i).kind != ValueKind::op;
      return last_use_[at(step_of_[at(i)])] >= until;
    });
  }

  /// Calls `f` with each step that a value is made of, through what is computed again.
  template <class F> void for_each_input(int id, F f) const {
    for (int i : value(id).inputs) {
      if (!is_varying(i)) continue;
      if (is_repeated(i))
        for_each_input(i, f);
      else
        f(i);
    }
  }
  /// Calls `f` with each load and the like that is computed again for a value.
  template <class F> void for_each_repeated(int id, F f) const {
    for (int i : value(id).inputs) {
      if (!is_varying(i) || !is_repeated(i)) continue;
      for_each_repeated(i, f);
      f(i);
    }
  }

  void find_uses() {
    last_use_.assign(steps_.size(), none);
    for (std::size_t i = 0; i < steps_.size(); ++i)
      for_each_input(steps_[i],
                     [&](int input) { last_use_[at(step_of_[at(input)])] = static_cast<int>(i); });
    // An array that is also read is stored to when all of it has been read.
    store_step_.clear();
    std::map<int, int> last_read; ///< of each parameter that is written
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const Value& v = value(steps_[i]);
      if (v.kind == ValueKind::load) last_read[place_of(v.access)] = static_cast<int>(i);
    }
    for (const Store& s : stage_.loop.stores) {
      const int step = is_varying(s.value) ? step_of_[at(s.value)] : 0;
      const auto read = last_read.find(place_of(s.access));
      store_step_.push_back(read == last_read.end() ? step : std::max(step, read->second));
      if (is_varying(s.value))
        last_use_[at(step)] = std::max(last_use_[at(step)], store_step_.back());
    }
  }
  static int place_of(const Access& a) { return a.param >= 0 ? a.param : -1 - a.scratch; }

  double transfer(int id) const {
    return is_bool(value(id).dtype) ? Costs::of_mask : Costs::of_transfer;
  }

  /// Where pieces end, so that the sum of what they cost is the least: after so many steps.
  std::vector<int> choose_ends() const {
    const std::size_t n = steps_.size();
    std::vector<double> best(n + 1, std::numeric_limits<double>::infinity());
    std::vector<int> from(n + 1, 0), seen(k_.values.size(), none);
    std::vector<std::int64_t> depth(n);
    best[0] = 0;
    for (std::size_t begin = 0; begin < n; ++begin) {
      const auto first = static_cast<int>(begin);
      std::int64_t work = 0, deepest = 0;
      double loads = 0;
      std::vector<std::pair<int, double>> left; // until when what this piece makes is needed
      for (std::size_t i = begin; i < n; ++i) {
        const int id = steps_[i];
        const Value& v = value(id);
        std::int64_t own = v.op ? Costs::work(*v.op) : 1, waits = 0;
        for_each_input(id, [&](int input) {
          const int step = step_of_[at(input)];
          if (step >= first)
            waits = std::max(waits, depth[at(step)]);
          else if (std::exchange(seen[at(input)], first) != first)
            loads += transfer(input);
        });
        for_each_repeated(id, [&](int input) {
          if (std::exchange(seen[at(input)], first) != first) own += 1;
        });
        work += own;
        depth[i] = waits + (v.op ? v.op->cost : 0);
        deepest = std::max(deepest, depth[i]);
        if (i > begin && Costs::are_enough(work, deepest)) break;
        left.emplace_back(last_use_[i], transfer(id));
        const auto here = static_cast<int>(i);
        double stores = 0;
        for (const auto& [until, cost] : left)
          if (until > here) stores += cost;
        std::erase_if(left, [&](const auto& l) { return l.first <= here; });
        const double total =
            best[begin] + Costs::of_call + Costs::time(work, deepest) + loads + stores;
        if (total < best[i + 1]) {
          best[i + 1] = total;
          from[i + 1] = first;
        }
      }
    }
    std::vector<int> ends;
    for (int end = static_cast<int>(n); end > 0; end = from[at(end)]) ends.push_back(end);
    std::ranges::reverse(ends);
    return ends;
  }

  /// Says of each step which piece computes it, and gives arrays to what later pieces need.
  void assign(const std::vector<int>& ends) {
    piece_of_step_.resize(steps_.size());
    int step = 0;
    for (std::size_t p = 0; p < ends.size(); ++p)
      while (step < ends[p]) piece_of_step_[at(step++)] = static_cast<int>(p);
    temporary_.assign(steps_.size(), none);
    std::map<DType, std::vector<int>> free;
    std::vector<std::vector<int>> freed(ends.size()); // by the piece that is the last to read
    step = 0;
    for (std::size_t p = 0; p < ends.size(); ++p) {
      for (; step < ends[p]; ++step) {
        const int until = last_use_[at(step)];
        if (until < ends[p]) continue;
        const DType dtype = value(steps_[at(step)]).dtype;
        std::vector<int>& some = free[dtype];
        if (some.empty()) {
          some.push_back(static_cast<int>(temporaries_.size()));
          temporaries_.push_back(dtype);
        }
        temporary_[at(step)] = some.back();
        some.pop_back();
        freed[at(piece_of_step_[at(until)])].push_back(temporary_[at(step)]);
      }
      for (int t : freed[p]) free[temporaries_[at(t)]].push_back(t);
    }
  }

  /// All temporaries fit into half of a first cache, if blocks are long enough then to be worth
  /// a loop each, and on a thread's stack in any case.
  std::int64_t block() const {
    constexpr std::int64_t near = std::int64_t{24} << 10, on_stack = std::int64_t{256} << 10;
    constexpr std::int64_t longest = 1024, worthwhile = 128, shortest = 32;
    std::int64_t bytes = 0;
    for (DType t : temporaries_) bytes += static_cast<std::int64_t>(item_size(t));
    std::int64_t block = longest;
    while (block > worthwhile && block * bytes > near) block /= 2;
    while (block > shortest && block * bytes > on_stack) block /= 2;
    return block;
  }

  // A piece as a kernel.

  struct Making {
    Piece piece;
    int number = 0;
    std::unordered_map<int, int> values; ///< of the piece, by those of the kernel
  };

  Piece make_piece(int number) {
    Making m{.number = number};
    Kernel& body = m.piece.body;
    body.title = "piece";
    body.axes = {length_};
    body.rows = 1;
    body.stages.resize(1);
    m.piece.lanes = Lanes{.count = lanes_.count, .bytes = lanes_.bytes};
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (piece_of_step_[i] != number) continue;
      const int made = value_in(m, steps_[i]);
      if (temporary_[i] != none)
        body.stages[0].loop.stores.push_back(
            {temporary_access(m, static_cast<int>(i), false), made});
    }
    for (std::size_t s = 0; s < store_step_.size(); ++s) {
      if (piece_of_step_[at(store_step_[s])] != number) continue;
      const Store& store = stage_.loop.stores[s];
      const int stored = value_in(m, store.value);
      body.stages[0].loop.stores.push_back({array_access(m, store.access, false), stored});
    }
    for (int r : stage_.reductions) {
      if (!folds(r)) continue;
      const int id = reduction(r).value;
      if ((is_varying(id) ? piece_of_step_[at(step_of_[at(id)])] : 0) == number) add_fold(m, r);
    }
    m.piece.lanes.is_streaming_load.assign(body.values.size(), false);
    return std::move(m.piece);
  }

  /// Adds a value to the loop of a piece. `varies`: from element to element.
  int add(Making& m, Value v, bool varies) {
    Kernel& body = m.piece.body;
    const int id = static_cast<int>(body.values.size());
    body.values.push_back(std::move(v));
    m.piece.lanes.axis.push_back(varies && lanes_.count > 0 ? 0 : -1);
    body.stages[0].loop.values.push_back(id);
    return id;
  }

  /// A number that the piece is handed.
  int add_scalar(Making& m, DType dtype, PieceScalar scalar) {
    Kernel& body = m.piece.body;
    scalar.in_piece = static_cast<int>(body.values.size());
    body.values.push_back({.kind = ValueKind::load, .dtype = dtype});
    m.piece.lanes.axis.push_back(-1);
    m.piece.scalars.push_back(std::move(scalar));
    return m.piece.scalars.back().in_piece;
  }

  /// The value of the piece that is value `id` of the kernel.
  int value_in(Making& m, int id) {
    if (const auto known = m.values.find(id); known != m.values.end()) return known->second;
    const int made = new_value_in(m, id);
    m.values.emplace(id, made);
    return made;
  }

  int new_value_in(Making& m, int id) {
    const Value& v = value(id);
    if (v.kind == ValueKind::literal)
      return add(m, {.kind = v.kind, .dtype = v.dtype, .bits = v.bits}, false);
    if (!is_varying(id)) return add_scalar(m, v.dtype, {.value = id});
    const int step = step_of_[at(id)];
    if (step != none && piece_of_step_[at(step)] != m.number)
      return add(
          m, {.kind = ValueKind::load, .dtype = v.dtype, .access = temporary_access(m, step, true)},
          true);
    switch (v.kind) {
    case ValueKind::load:
      return add(m,
                 {.kind = v.kind,
                  .dtype = v.dtype,
                  .access = array_access(m, v.access, true),
                  .node = v.node},
                 true);
    case ValueKind::index: {
      // Positions in the block, from where it begins.
      const int first = add_scalar(m, v.dtype, {.position = *v.access});
      const int in_block =
          add(m, {.kind = v.kind, .dtype = v.dtype, .access = along_block(v.access)}, true);
      return add(m,
                 {.kind = ValueKind::op,
                  .dtype = v.dtype,
                  .op = &ops::add,
                  .inputs = {in_block, first},
                  .node = v.node},
                 true);
    }
    default:
      break;
    }
    KROTON_CHECK(v.kind == ValueKind::op, "a value of a kind that no piece computes");
    support::SmallVector<int, 2> inputs;
    for (int i : v.inputs) inputs.push_back(value_in(m, i));
    return add(
        m,
        {.kind = v.kind, .dtype = v.dtype, .op = v.op, .inputs = std::move(inputs), .node = v.node},
        true);
  }

  /// How an access goes on from the first element of a block.
  Access along_block(const Access& a) const {
    Access moved;
    if (const Dim step = step_along(a, axis_); !step.is(0)) moved.terms.push_back({0, step});
    return moved;
  }

  Access parameter(Making& m, PieceArray array, DType dtype, Access access, bool is_read) {
    const auto known = std::ranges::find(m.piece.arrays, array);
    access.param = static_cast<int>(known - m.piece.arrays.begin());
    if (known == m.piece.arrays.end()) {
      m.piece.arrays.push_back(std::move(array));
      m.piece.body.params.push_back({dtype});
    }
    Param& p = m.piece.body.params[at(access.param)];
    (is_read ? p.is_read : p.is_written) = true;
    return access;
  }
  Access array_access(Making& m, const Access& a, bool is_read) {
    const DType dtype =
        a.param >= 0 ? k_.params[at(a.param)].dtype : k_.scratch[at(a.scratch)].dtype;
    return parameter(m, {.access = a}, dtype, along_block(a), is_read);
  }
  Access temporary_access(Making& m, int step, bool is_read) {
    const int t = temporary_[at(step)];
    return parameter(m, {.temporary = t}, temporaries_[at(t)], {.terms = {{0, Dim(1)}}}, is_read);
  }

  void add_fold(Making& m, int r) {
    const Reduction& of_kernel = reduction(r);
    Kernel& body = m.piece.body;
    Reduction fold{.op = of_kernel.op,
                   .dtype = of_kernel.dtype,
                   .accumulator = of_kernel.accumulator,
                   .result_dtype = of_kernel.result_dtype,
                   .value = value_in(m, of_kernel.value),
                   .is_outer = true};
    if (lanes_.count > 0 ? folds_lanes(of_kernel, axis_) : of_kernel.kept.empty()) {
      fold.reduced = {0};
    } else {
      const Access& array = of_kernel.has_block_sum() ? of_kernel.block_sum : of_kernel.array;
      fold.kept = {0};
      fold.array_dtype = of_kernel.has_block_sum() ? of_kernel.dtype : of_kernel.array_dtype;
      fold.array = array_access(m, array, true);
      body.params[at(fold.array.param)].is_written = true;
    }
    body.stages[0].reductions.push_back(static_cast<int>(body.reductions.size()));
    body.reductions.push_back(std::move(fold));
    m.piece.folds.push_back({.reduction = r});
  }

  // Pieces that are alike.

  /// Gives alike pieces one function: they differ in what they are handed alone.
  static void share(std::vector<Piece>& pieces, int first_function) {
    std::vector<Kernel> bodies;
    for (Piece& p : pieces) bodies.push_back(std::move(p.body));
    share_constants(bodies);
    std::map<std::string, int> functions;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      Piece& p = pieces[i];
      p.body = std::move(bodies[i]);
      Kernel shared = p.body;
      for (Value& v : shared.values)
        if (v.kind == ValueKind::constant) v.bits = 0;
      std::string form = shared.to_string();
      for (const Param& a : p.body.params)
        form += fmt::format("{}{}{} ", kroton::to_string(a.dtype), a.is_read, a.is_written);
      for (const Value& v : p.body.values) form += fmt::format("{} ", kroton::to_string(v.dtype));
      // Dims that print alike need not be the same.
      const std::vector<Dim> sizes = size_arguments(p.body);
      for_each_access(p.body, [&](const Access& a) {
        for (const Term& t : a.terms) form += fmt::format("{} ", number_of(t.coefficient, sizes));
      });
      for (const Reduction& r : p.body.reductions)
        form += fmt::format("{} {} {} ", kroton::to_string(r.dtype),
                            kroton::to_string(r.accumulator), kroton::to_string(r.array_dtype));
      const int next = first_function + static_cast<int>(functions.size());
      p.function = functions.emplace(std::move(form), next).first->second;
    }
  }

  static std::ptrdiff_t number_of(const Dim& d, const std::vector<Dim>& sizes) {
    return std::ranges::find_if(sizes, [&](const Dim& s) { return ir::dims::same(s, d); }) -
           sizes.begin();
  }

  const Kernel& k_;
  const Stage& stage_;
  const Lanes& lanes_;
  const int axis_;
  const Dim length_ = kroton::dim(); ///< of a block, for the pieces
  std::vector<bool> varies_;         ///< of each value: from element to element
  std::vector<bool> is_repeated_;    ///< of each value: it is computed in every piece that uses it
  std::vector<int> steps_;           ///< values that one piece computes
  std::vector<int> step_of_;         ///< of each value, or `none`
  std::vector<int> last_use_;        ///< of each step: the last step that needs it, or `none`
  std::vector<int> store_step_;      ///< of each store: with which step it is done
  std::vector<int> piece_of_step_;
  std::vector<int> temporary_; ///< of each step, or `none`
  std::vector<DType> temporaries_;
};

} // namespace

Pieces cut_into_pieces(const Kernel& kernel, const Stage& stage, const Lanes& lanes,
                       int first_function) {
  return Cutter(kernel, stage, lanes).run(first_function);
}

} // namespace kroton::codegen
