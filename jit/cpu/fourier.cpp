/// Fourier transforms on the CPU: several lines side by side, in double whatever the dtype.
///
/// Lengths with prime factors up to 13 are split by them (Stockham's order, which needs no
/// reversal of digits). Any other length is a convolution with a chirp (Bluestein 1970), by
/// transforms of a power of two.
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "jit/cpu/library.hpp"
#include "lib/ops/fourier.hpp"
#include "lib/support/root_of_one.hpp"

namespace kroton::jit {
namespace {

constexpr std::int64_t lanes = 8, largest_factor = 13;
/// Threads share the lines if each gets so many elements.
constexpr std::int64_t work_of_thread = std::int64_t{1} << 13;

struct Roots {
  std::vector<double> re, im;
  void add(support::ComplexNumber w) {
    re.push_back(static_cast<double>(w.re));
    im.push_back(static_cast<double>(w.im));
  }
};

/// Complex numbers of `lanes` lines: element j of line l is at j * lanes + l.
struct Lines {
  double *re, *im;
};

/// What is computed once for a length.
struct Plan {
  std::int64_t n = 0;
  std::vector<std::int64_t> factors; ///< empty: by a convolution
  Roots roots;                       ///< of a convolution: the chirp
  std::shared_ptr<const Plan> inner; ///< of the convolution
  Roots filter;                      ///< the transform of the conjugate chirp over inner->n

  explicit Plan(std::int64_t length) : n(length) {
    std::int64_t rest = n;
    for (std::int64_t f : {4, 2, 3, 5, 7, 11, 13})
      for (; rest % f == 0; rest /= f) factors.push_back(f);
    if (rest == 1) {
      for (std::int64_t j = 0; j < n; ++j) roots.add(support::root_of_one(j, n));
      return;
    }
    factors.clear();
    std::int64_t m = 1;
    while (m < 2 * n - 1) m *= 2;
    inner = std::make_shared<const Plan>(m);
    std::int64_t square = 0; // j^2 modulo 2 n
    for (std::int64_t j = 0; j < n; ++j) {
      roots.add(support::root_of_one(square, 2 * n));
      square = (square + 2 * j + 1) % (2 * n);
    }
    const auto size = static_cast<std::size_t>(m * lanes);
    std::vector<double> memory(4 * size, 0.0);
    Lines a{memory.data(), memory.data() + size}, b{a.im + size, a.im + 2 * size};
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t at : {j, (m - j) % m}) {
        a.re[at * lanes] = roots.re[static_cast<std::size_t>(j)] / static_cast<double>(m);
        a.im[at * lanes] = -roots.im[static_cast<std::size_t>(j)] / static_cast<double>(m);
      }
    const Lines to = inner->split(a, b);
    for (std::int64_t k = 0; k < m; ++k) filter.add({to.re[k * lanes], to.im[k * lanes]});
  }

  /// The length of the arrays that a transform works in.
  std::int64_t work_length() const { return inner ? inner->n : n; }

  /// By factors, from `a`; gives where the result is: in `a` or `b`.
  Lines split(Lines a, Lines b) const {
    std::int64_t length = n, stride = 1;
    for (std::int64_t r : factors) {
      const std::int64_t m = length / r;
      for (std::int64_t p = 0; p < m; ++p)
        for (std::int64_t q = 0; q < stride; ++q) butterfly(a, b, r, m, stride, p, q);
      std::swap(a, b);
      length = m;
      stride *= r;
    }
    return a;
  }

  void butterfly(Lines from, Lines to, std::int64_t r, std::int64_t m, std::int64_t stride,
                 std::int64_t p, std::int64_t q) const {
    double xr[largest_factor][lanes], xi[largest_factor][lanes];
    for (std::int64_t k = 0; k < r; ++k) {
      const std::int64_t at = (q + stride * (p + m * k)) * lanes;
      std::copy_n(from.re + at, lanes, xr[k]);
      std::copy_n(from.im + at, lanes, xi[k]);
    }
    for (std::int64_t t = 0; t < r; ++t) {
      double sr[lanes], si[lanes];
      std::copy_n(xr[0], lanes, sr);
      std::copy_n(xi[0], lanes, si);
      for (std::int64_t k = 1; k < r; ++k) {
        const auto w = static_cast<std::size_t>(k * t % r * (n / r));
        for (std::int64_t l = 0; l < lanes; ++l) {
          sr[l] += xr[k][l] * roots.re[w] - xi[k][l] * roots.im[w];
          si[l] += xr[k][l] * roots.im[w] + xi[k][l] * roots.re[w];
        }
      }
      const auto w = static_cast<std::size_t>(p * t * stride);
      const std::int64_t at = (q + stride * (r * p + t)) * lanes;
      for (std::int64_t l = 0; l < lanes; ++l) {
        to.re[at + l] = sr[l] * roots.re[w] - si[l] * roots.im[w];
        to.im[at + l] = sr[l] * roots.im[w] + si[l] * roots.re[w];
      }
    }
  }

  static void multiply(Lines a, const Roots& by, std::int64_t count) {
    for (std::int64_t j = 0; j < count; ++j) {
      const double wr = by.re[static_cast<std::size_t>(j)], wi = by.im[static_cast<std::size_t>(j)];
      for (std::int64_t at = j * lanes; at < (j + 1) * lanes; ++at) {
        const double x = a.re[at], y = a.im[at];
        a.re[at] = x * wr - y * wi;
        a.im[at] = x * wi + y * wr;
      }
    }
  }

  Lines run(Lines a, Lines b) const {
    if (!inner) return split(a, b);
    const std::int64_t m = inner->n;
    multiply(a, roots, n);
    std::fill(a.re + n * lanes, a.re + m * lanes, 0.0);
    std::fill(a.im + n * lanes, a.im + m * lanes, 0.0);
    Lines to = inner->split(a, b), other = to.re == a.re ? b : a;
    multiply(to, filter, m);
    // The inverse is the transform with real and imaginary parts exchanged.
    const Lines back = inner->split({to.im, to.re}, {other.im, other.re});
    to = {back.im, back.re};
    multiply(to, roots, n);
    return to;
  }
};

/// The plan of a length, made by the first call. A few are kept.
std::shared_ptr<const Plan> plan_of(std::int64_t n) {
  static std::mutex mutex;
  static std::unordered_map<std::int64_t, std::shared_ptr<const Plan>> plans;
  constexpr std::size_t most_plans = 32;
  const std::lock_guard lock(mutex);
  if (const auto found = plans.find(n); found != plans.end()) return found->second;
  auto plan = std::make_shared<const Plan>(n);
  if (plans.size() >= most_plans) plans.clear();
  plans.emplace(n, plan);
  return plan;
}

/// What is left of n without factors that lengths are split by.
std::int64_t without_factors(std::int64_t n) {
  for (std::int64_t f : {2, 3, 5, 7, 11, 13})
    while (n > 0 && n % f == 0) n /= f;
  return n;
}

template <class T> void transform(const CpuCall& c, const Plan& plan) {
  const std::int64_t count = c.numbers[0], n = c.numbers[1];
  const bool is_inverse = c.numbers[2] != 0;
  const auto* re = reinterpret_cast<const T*>(c.operands[0].data);
  const auto* im = reinterpret_cast<const T*>(c.operands[1].data);
  if (is_inverse) std::swap(re, im);
  auto* const to = reinterpret_cast<T*>(c.results[0].data);
  const std::int64_t size = plan.work_length() * lanes;
  const auto body = [&](long begin, long end, int worker) {
    double* const memory = reinterpret_cast<double*>(c.workspace) + worker * 4 * size;
    for (long block = begin; block < end; ++block) {
      const Lines a{memory, memory + size}, b{memory + 2 * size, memory + 3 * size};
      const std::int64_t first = block * lanes, lines = std::min(lanes, count - first);
      for (std::int64_t l = 0; l < lanes; ++l) {
        const std::int64_t line = first + std::min(l, lines - 1);
        for (std::int64_t j = 0; j < n; ++j) {
          a.re[j * lanes + l] = static_cast<double>(re[line * n + j]);
          a.im[j * lanes + l] = static_cast<double>(im[line * n + j]);
        }
      }
      const Lines done = plan.run(a, b);
      for (std::int64_t l = 0; l < lines; ++l) {
        T* const row = to + (first + l) * 2 * n;
        T *const to_re = is_inverse ? row + n : row, *const to_im = is_inverse ? row : row + n;
        for (std::int64_t k = 0; k < n; ++k) {
          to_re[k] = static_cast<T>(done.re[k * lanes + l]);
          to_im[k] = static_cast<T>(done.im[k * lanes + l]);
        }
      }
    }
  };
  using Body = decltype(body);
  c.runtime->parallel_for(
      c.runtime, (count + lanes - 1) / lanes, work_of_thread / (lanes * n) + 1,
      [](void* frame, long begin, long end, int worker) {
        (*static_cast<const Body*>(frame))(begin, end, worker);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

std::size_t workspace(const CpuCall& c) {
  const std::int64_t n = c.numbers[1];
  if (c.numbers[0] == 0 || n == 0) return 0;
  std::int64_t length = n;
  if (without_factors(n) != 1)
    for (length = 1; length < 2 * n - 1;) length *= 2;
  return static_cast<std::size_t>(4 * length * lanes * std::max(c.threads, 1)) * sizeof(double);
}

void run(CpuCall& c) {
  if (c.results[0].numel() == 0) return;
  const auto plan = plan_of(c.numbers[1]);
  if (c.results[0].dtype == DType::f32)
    transform<float>(c, *plan);
  else
    transform<double>(c, *plan);
}

constexpr CpuFunction functions[] = {{&ops::fourier_transform, workspace, run}};

} // namespace

std::span<const CpuFunction> fourier_functions() { return functions; }

} // namespace kroton::jit
