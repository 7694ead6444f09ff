/// Running folds on the CPU.
///
/// Where elements of a line are neighbours, it is folded in stretches, several side by side: first
/// what each comes to by itself, then, from what those before it come to, its elements. So no
/// element waits for all that is before it, threads can share a line, and the bits are the same
/// whatever their number. Otherwise neighbouring lines are folded side by side.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "jit/cpu/library.hpp"
#include "lib/ops/cumulative.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// So many neighbouring lines are folded side by side.
constexpr std::int64_t lines = 64;
/// The elements of a stretch, and how many stretches are folded side by side.
constexpr std::int64_t stretch = 512, together = 8;
/// Threads share the work if each gets so many elements.
constexpr std::int64_t work_of_thread = std::int64_t{1} << 15;

/// What elements are added and multiplied in: integers wrap.
template <class T> struct WideOf { using Type = std::make_unsigned_t<T>; };
template <> struct WideOf<bool> { using Type = unsigned char; };
template <> struct WideOf<float> { using Type = double; };
template <> struct WideOf<double> { using Type = double; };

// A fold has a State, which stands for what some neighbouring elements do; `start` for none of
// them. `join` puts states of neighbours together, `element` is the state of one.

template <class T> struct Sum {
  using State = typename WideOf<T>::Type;
  static constexpr State start() { return 0; }
  static State join(State a, State b) { return static_cast<State>(a + b); }
  static State element(const T* const* from, std::int64_t i) {
    return static_cast<State>(from[0][i]);
  }
  static T result(State s) { return static_cast<T>(s); }
};

template <class T> struct Product {
  using State = typename WideOf<T>::Type;
  static constexpr State start() { return 1; }
  // Small integers would be multiplied as ints, which overflow.
  static State join(State a, State b) {
    if constexpr (std::is_integral_v<State>)
      return static_cast<State>(std::uint64_t{a} * std::uint64_t{b});
    else
      return a * b;
  }
  static State element(const T* const* from, std::int64_t i) {
    return static_cast<State>(from[0][i]);
  }
  static T result(State s) { return static_cast<T>(s); }
};

template <class T, bool is_max> struct Extreme {
  using State = T;
  static constexpr State start() {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_floating_point_v<T>)
      return is_max ? -Limits::infinity() : Limits::infinity();
    else
      return is_max ? Limits::lowest() : Limits::max();
  }
  static State join(State a, State b) {
    const bool is_further = is_max ? b > a : b < a;
    if constexpr (std::is_floating_point_v<T>)
      return (is_further || b != b) && a == a ? b : a;
    else
      return is_further ? b : a;
  }
  static State element(const T* const* from, std::int64_t i) { return from[0][i]; }
  static T result(State s) { return s; }
};

/// s becomes scale * s + shift.
template <class T> struct Recurrence {
  using Wide = typename WideOf<T>::Type;
  struct State {
    Wide scale, shift;
  };
  static constexpr State start() { return {1, 0}; }
  static State join(State a, State b) {
    return {static_cast<Wide>(a.scale * b.scale), static_cast<Wide>(b.scale * a.shift + b.shift)};
  }
  static State element(const T* const* from, std::int64_t i) {
    return {static_cast<Wide>(from[0][i]), static_cast<Wide>(from[1][i])};
  }
  static T result(State s) { return static_cast<T>(s.shift); }
};

/// Lines along the middle one of three axes.
template <class F, class T> struct Folds {
  using State = typename F::State;

  const T* from[2];
  T* to;
  std::int64_t outer, n, inner;
  bool from_end;

  /// `count` lines side by side, the first elements of which are at `origin`.
  void side_by_side(std::int64_t origin, std::int64_t count) const {
    State states[lines];
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t at = origin + (from_end ? n - 1 - j : j) * inner;
      if (j == 0)
        for (std::int64_t i = 0; i < count; ++i) states[i] = F::element(from, at + i);
      else
        for (std::int64_t i = 0; i < count; ++i)
          states[i] = F::join(states[i], F::element(from, at + i));
      for (std::int64_t i = 0; i < count; ++i) to[at + i] = F::result(states[i]);
    }
  }

  std::int64_t stretches() const { return (n + stretch - 1) / stretch; }
  /// Where element j of a line that begins at `origin` is.
  std::int64_t place(std::int64_t origin, std::int64_t j) const {
    return origin + (from_end ? n - 1 - j : j);
  }

  /// What stretches [first, last) of a line, at most `together`, come to by themselves.
  void fold(std::int64_t origin, std::int64_t first, std::int64_t last, State* totals) const {
    const std::int64_t step = from_end ? -1 : 1;
    if (last - first == together && last * stretch <= n) {
      State s[together];
      std::int64_t at[together];
      for (std::int64_t k = 0; k < together; ++k) {
        at[k] = place(origin, (first + k) * stretch);
        s[k] = F::element(from, at[k]);
      }
      for (std::int64_t j = 1; j < stretch; ++j)
        for (std::int64_t k = 0; k < together; ++k)
          s[k] = F::join(s[k], F::element(from, at[k] + j * step));
      for (std::int64_t k = 0; k < together; ++k) totals[k] = s[k];
      return;
    }
    for (std::int64_t k = first; k < last; ++k) {
      const std::int64_t begin = k * stretch, end = std::min(begin + stretch, n);
      State s = F::element(from, place(origin, begin));
      for (std::int64_t j = begin + 1; j < end; ++j)
        s = F::join(s, F::element(from, place(origin, j)));
      totals[k - first] = s;
    }
  }

  /// The results of stretches [first, last), each from the state before it; of a line's first
  /// stretch there is none.
  void finish(std::int64_t origin, std::int64_t first, std::int64_t last,
              const State* before) const {
    const std::int64_t step = from_end ? -1 : 1;
    if (last - first == together && last * stretch <= n && first > 0) {
      State s[together];
      std::int64_t at[together];
      for (std::int64_t k = 0; k < together; ++k) {
        at[k] = place(origin, (first + k) * stretch);
        s[k] = before[k];
      }
      for (std::int64_t j = 0; j < stretch; ++j)
        for (std::int64_t k = 0; k < together; ++k) {
          const std::int64_t i = at[k] + j * step;
          s[k] = F::join(s[k], F::element(from, i));
          to[i] = F::result(s[k]);
        }
      return;
    }
    for (std::int64_t k = first; k < last; ++k) {
      const std::int64_t begin = k * stretch, end = std::min(begin + stretch, n);
      State s = F::element(from, place(origin, begin));
      if (k > 0) s = F::join(before[k - first], s);
      to[place(origin, begin)] = F::result(s);
      for (std::int64_t j = begin + 1; j < end; ++j) {
        const std::int64_t i = place(origin, j);
        s = F::join(s, F::element(from, i));
        to[i] = F::result(s);
      }
    }
  }

  /// One line of neighbours, by one thread: each block of stretches twice, while caches have it.
  void line(std::int64_t origin) const {
    State carried = F::start(), states[together];
    const std::int64_t all = stretches();
    for (std::int64_t first = 0; first < all; first += together) {
      const std::int64_t last = std::min(first + together, all);
      fold(origin, first, last, states);
      carried = exclusive(states, last - first, carried, first == 0);
      finish(origin, first, last, states);
    }
  }

  /// Makes of what stretches come to what is before each; gives what is behind the last.
  static State exclusive(State* states, std::int64_t count, State carried, bool is_first) {
    for (std::int64_t k = 0; k < count; ++k) {
      const State total = states[k];
      states[k] = carried;
      carried = is_first && k == 0 ? total : F::join(carried, total);
    }
    return carried;
  }
};

bool are_shared_lines(const CpuCall& c) {
  const std::int64_t outer = c.numbers[0], n = c.numbers[1], inner = c.numbers[2];
  return inner == 1 && outer < 2 * c.threads && n >= 2 * work_of_thread;
}

/// Calls f with the fold of a dtype.
template <template <class> class F, class G> void with_fold(DType dtype, G f) {
  support::visit_dtype(dtype,
                       [&]<class T>(std::type_identity<T>) { f(std::type_identity<F<T>>(), T{}); });
}

template <template <class> class F> std::size_t workspace(const CpuCall& c) {
  std::size_t bytes = 0;
  with_fold<F>(c.results[0].dtype, [&]<class Fold, class T>(std::type_identity<Fold>, T) {
    if (are_shared_lines(c))
      bytes = static_cast<std::size_t>((c.numbers[1] + stretch - 1) / stretch) *
              sizeof(typename Fold::State);
  });
  return bytes;
}

template <class F> void parallel(const CpuCall& c, long n, long grain, const F& f) {
  c.runtime->parallel_for(
      c.runtime, n, grain,
      [](void* frame, long begin, long end, int) { (*static_cast<const F*>(frame))(begin, end); },
      const_cast<F*>(&f));
}

template <class Fold, class T> void run_fold(CpuCall& c) {
  using State = typename Fold::State;
  const std::int64_t outer = c.numbers[0], n = c.numbers[1], inner = c.numbers[2];
  const Folds<Fold, T> f{{reinterpret_cast<const T*>(c.operands[0].data),
                          reinterpret_cast<const T*>(c.operands.back().data)},
                         reinterpret_cast<T*>(c.results[0].data),
                         outer,
                         n,
                         inner,
                         c.numbers[3] != 0};
  if (inner > 1) {
    const std::int64_t blocks = (inner + lines - 1) / lines;
    parallel(c, outer * blocks, work_of_thread / (n * std::min(inner, lines)) + 1,
             [&](long begin, long end) {
               for (long block = begin; block < end; ++block) {
                 const std::int64_t first = block % blocks * lines;
                 f.side_by_side(block / blocks * n * inner + first, std::min(lines, inner - first));
               }
             });
    return;
  }
  if (!are_shared_lines(c)) {
    parallel(c, outer, work_of_thread / n + 1, [&](long begin, long end) {
      for (long line = begin; line < end; ++line) f.line(line * n);
    });
    return;
  }
  auto* const states = reinterpret_cast<State*>(c.workspace);
  const std::int64_t blocks = (f.stretches() + together - 1) / together;
  const long grain = work_of_thread / (stretch * together) + 1;
  const auto stretches_of = [&](std::int64_t block, auto g) {
    g(block * together, std::min((block + 1) * together, f.stretches()));
  };
  for (std::int64_t line = 0; line < outer; ++line) {
    parallel(c, blocks, grain, [&](long begin, long end) {
      for (long block = begin; block < end; ++block)
        stretches_of(block, [&](std::int64_t first, std::int64_t last) {
          f.fold(line * n, first, last, states + first);
        });
    });
    Folds<Fold, T>::exclusive(states, f.stretches(), Fold::start(), true);
    parallel(c, blocks, grain, [&](long begin, long end) {
      for (long block = begin; block < end; ++block)
        stretches_of(block, [&](std::int64_t first, std::int64_t last) {
          f.finish(line * n, first, last, states + first);
        });
    });
  }
}

template <template <class> class F> void run(CpuCall& c) {
  if (c.results[0].numel() == 0) return;
  with_fold<F>(c.results[0].dtype,
               [&]<class Fold, class T>(std::type_identity<Fold>, T) { run_fold<Fold, T>(c); });
}

template <class T> using Largest = Extreme<T, true>;
template <class T> using Smallest = Extreme<T, false>;

constexpr CpuFunction functions[] = {
    {&ops::cumsum, workspace<Sum>, run<Sum>},
    {&ops::cumprod, workspace<Product>, run<Product>},
    {&ops::cummax, workspace<Largest>, run<Largest>},
    {&ops::cummin, workspace<Smallest>, run<Smallest>},
    {&ops::linear_recurrence, workspace<Recurrence>, run<Recurrence>}};

} // namespace

std::span<const CpuFunction> cumulative_functions() { return functions; }

} // namespace kroton::jit
