/// Arrays that are put together from parts, on the CPU.
#include <algorithm>
#include <type_traits>

#include "jit/cpu/library.hpp"
#include "lib/ops/assemble.hpp"
#include "lib/support/small_vector.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// Threads share the work if each gets so many elements.
constexpr std::int64_t work_of_thread = std::int64_t{1} << 15;

/// Where a part goes, with as few axes as there can be: those whose elements are as far apart as
/// one axis' would be are one.
struct Places {
  struct Axis {
    std::int64_t length, stride;
  };
  std::int64_t first = 0, count = 1;
  /// The innermost first.
  support::SmallVector<Axis, 4> axes;

  /// `numbers` as the row tells them, from the part's own on.
  Places(const std::int64_t* numbers, std::size_t rank) : first(numbers[0]) {
    for (std::size_t i = rank; i-- > 0;) {
      const Axis axis{numbers[1 + 2 * i], numbers[2 + 2 * i]};
      count *= axis.length;
      if (axis.length == 1) continue;
      if (!axes.empty() && axis.stride == axes.back().length * axes.back().stride)
        axes.back().length *= axis.length;
      else
        axes.push_back(axis);
    }
    if (axes.empty()) axes.push_back({1, 1});
  }
};

/// Adds `n` elements to others, or puts them there.
template <class T, bool adds> void take(T* to, std::int64_t stride, const T* from, std::int64_t n) {
  const auto taken = [](T there, T added) {
    if constexpr (!adds)
      return added;
    else if constexpr (std::is_same_v<T, bool>)
      return there || added;
    else
      return static_cast<T>(there + added);
  };
  if (stride == 1)
    for (std::int64_t i = 0; i < n; ++i) to[i] = taken(to[i], from[i]);
  else
    for (std::int64_t i = 0; i < n; ++i) to[i * stride] = taken(to[i * stride], from[i]);
}

/// Takes those elements of a part whose position on its outermost axis is in [begin, end).
template <class T, bool adds>
void take_part(T* out, const T* from, const Places& p, std::int64_t begin, std::int64_t end) {
  const std::size_t outer = p.axes.size() - 1;
  const Places::Axis& inner = p.axes[0];
  T* to = out + p.first + begin * p.axes[outer].stride;
  if (outer == 0) return take<T, adds>(to, inner.stride, from + begin, end - begin);
  const std::int64_t each = p.count / p.axes[outer].length / inner.length; // runs of an element
  const T* at = from + begin * each * inner.length;
  for (std::int64_t i = begin; i < end; ++i, to += p.axes[outer].stride)
    for (std::int64_t run = 0; run < each; ++run, at += inner.length) {
      T* place = to;
      std::int64_t rest = run;
      for (std::size_t axis = 1; axis < outer; ++axis) {
        place += rest % p.axes[axis].length * p.axes[axis].stride;
        rest /= p.axes[axis].length;
      }
      take<T, adds>(place, inner.stride, at, inner.length);
    }
}

/// Some elements of a part: work for one thread.
struct Piece {
  std::size_t part;
  std::int64_t begin, end;
};

template <class T, bool adds> struct Assembly {
  T* out;
  const CpuCall& call;
  std::span<const Places> places;

  void take(const Piece& piece) const {
    take_part<T, adds>(out, reinterpret_cast<const T*>(call.operands[piece.part + 1].data),
                       places[piece.part], piece.begin, piece.end);
  }

  /// Takes the parts from `first` to `last`, no two of which go to the same elements.
  void take_all(std::size_t first, std::size_t last) const {
    struct Frame {
      const Assembly& assembly;
      std::size_t first;
      support::SmallVector<std::int64_t, ops::most_parts> ends; ///< each part's last piece and one
    } frame{*this, first, {}};
    std::int64_t pieces = 0;
    for (std::size_t k = first; k < last; ++k) {
      if (places[k].count > 0)
        pieces += (places[k].axes.back().length - 1) / step_of(places[k]) + 1;
      frame.ends.push_back(pieces);
    }
    const auto body = [](void* given, long begin, long end, int) {
      const Frame& f = *static_cast<const Frame*>(given);
      for (long i = begin; i < end; ++i) {
        const auto part = std::ranges::upper_bound(f.ends, i) - f.ends.begin();
        const auto before = part == 0 ? 0 : f.ends[static_cast<std::size_t>(part - 1)];
        f.assembly.take(f.assembly.piece(f.first + static_cast<std::size_t>(part), i - before));
      }
    };
    call.runtime->parallel_for(call.runtime, pieces, 1, body, &frame);
  }

  /// The length of a piece along the outermost axis, of a part that has elements.
  static std::int64_t step_of(const Places& p) {
    return std::max<std::int64_t>(1, work_of_thread * p.axes.back().length / p.count);
  }
  Piece piece(std::size_t part, std::int64_t number) const {
    const Places& p = places[part];
    const std::int64_t step = step_of(p), begin = number * step;
    return {part, begin, std::min(begin + step, p.axes.back().length)};
  }

  void run(bool are_apart) const {
    std::int64_t work = 0;
    for (const Places& p : places) work += p.count;
    if (work < 2 * work_of_thread) {
      for (std::size_t k = 0; k < places.size(); ++k)
        if (places[k].count > 0) take({k, 0, places[k].axes.back().length});
    } else if (are_apart) {
      take_all(0, places.size());
    } else {
      for (std::size_t k = 0; k < places.size(); ++k) take_all(k, k + 1);
    }
  }
};

/// Operands: the base, whose place the result may take, and the parts.
void run(CpuCall& c) {
  copy_unless_in_place(c);
  const std::size_t rank = c.results[0].shape.size(), parts = c.operands.size() - 1;
  const bool are_apart = c.numbers[1] != 0, adds = c.numbers[2] != 0;
  support::SmallVector<Places, ops::most_parts> places;
  for (std::size_t k = 0; k < parts; ++k)
    places.emplace_back(c.numbers.data() + 3 + k * (1 + 2 * rank), rank);
  support::visit_dtype(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    T* const out = reinterpret_cast<T*>(c.results[0].data);
    if (adds)
      Assembly<T, true>{out, c, places}.run(are_apart);
    else
      Assembly<T, false>{out, c, places}.run(are_apart);
  });
}

constexpr CpuFunction functions[] = {{&ops::assemble, nullptr, run}};

} // namespace

std::span<const CpuFunction> assemble_functions() { return functions; }

} // namespace kroton::jit
