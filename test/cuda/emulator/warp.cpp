#include "test/cuda/emulator/warp.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

namespace kroton::emulator {
namespace {

const char* name_of(WarpOp op) {
  switch (op) {
  case WarpOp::sync:
    return "__syncwarp";
  case WarpOp::shuffle:
    return "__shfl_sync";
  case WarpOp::shuffle_up:
    return "__shfl_up_sync";
  case WarpOp::shuffle_down:
    return "__shfl_down_sync";
  case WarpOp::shuffle_xor:
    return "__shfl_xor_sync";
  case WarpOp::ballot:
    return "__ballot_sync";
  case WarpOp::any:
    return "__any_sync";
  case WarpOp::all:
    return "__all_sync";
  case WarpOp::match_any:
    return "__match_any_sync";
  case WarpOp::reduce_add:
    return "__reduce_add_sync";
  case WarpOp::reduce_min:
  case WarpOp::reduce_min_signed:
    return "__reduce_min_sync";
  case WarpOp::reduce_max:
  case WarpOp::reduce_max_signed:
    return "__reduce_max_sync";
  case WarpOp::reduce_and:
    return "__reduce_and_sync";
  case WarpOp::reduce_or:
    return "__reduce_or_sync";
  case WarpOp::reduce_xor:
    return "__reduce_xor_sync";
  }
  return "";
}

bool is_named(std::uint32_t mask, const Thread& thread) { return mask >> thread.lane() & 1; }

bool is_same_operation(const Thread& a, const Thread& b) {
  return b.status == Status::at_warp_op && a.warp_op == b.warp_op && a.line == b.line &&
         a.mask == b.mask;
}

/// The lane that a shuffle reads, as the CUDA programming guide has it: lanes beyond a segment of
/// `width` lanes read their own value.
unsigned source_lane(const Thread& t) {
  const auto lane = static_cast<int>(t.lane());
  const int width = t.width, begin = lane / width * width, end = begin + width;
  int source = lane;
  switch (t.warp_op) {
  case WarpOp::shuffle:
    return static_cast<unsigned>(begin + (t.argument & (width - 1)));
  case WarpOp::shuffle_up:
    source = lane - t.argument;
    break;
  case WarpOp::shuffle_down:
    source = lane + t.argument;
    break;
  default:
    return static_cast<unsigned>((lane ^ t.argument) < end ? lane ^ t.argument : lane);
  }
  return static_cast<unsigned>(source >= begin && source < end ? source : lane);
}

std::uint64_t shuffled(Thread& t, std::span<const Thread> warp) {
  if (t.width < 1 || t.width > 32 || !std::has_single_bit(static_cast<unsigned>(t.width)))
    throw WarpError(t, fmt::format("{} has width {}", describe(t), t.width));
  const unsigned source = source_lane(t);
  if ((t.mask >> source & 1) == 0)
    throw WarpError(
        t, fmt::format("{} reads lane {}, which the mask does not name", describe(t), source));
  if (source >= warp.size() || !is_same_operation(t, warp[source]))
    throw WarpError(t, fmt::format("{} reads lane {}, which takes no part", describe(t), source));
  return warp[source].value;
}

template <class Fold> std::uint64_t folded(std::span<const Thread* const> parts, Fold fold) {
  std::uint64_t value = parts[0]->value;
  for (const Thread* t : parts.subspan(1)) value = fold(value, t->value);
  return value;
}

std::uint64_t result_of(Thread& t, std::span<const Thread* const> parts,
                        std::span<const Thread> warp) {
  const auto lanes_where = [&](auto holds) {
    std::uint64_t bits = 0;
    for (const Thread* p : parts) bits |= std::uint64_t{holds(*p)} << p->lane();
    return bits;
  };
  const auto as_signed = [](std::uint64_t v) { return static_cast<std::int32_t>(v); };
  switch (t.warp_op) {
  case WarpOp::sync:
    return 0;
  case WarpOp::shuffle:
  case WarpOp::shuffle_up:
  case WarpOp::shuffle_down:
  case WarpOp::shuffle_xor:
    return shuffled(t, warp);
  case WarpOp::ballot:
    return lanes_where([](const Thread& p) { return p.value != 0; });
  case WarpOp::any:
    return std::ranges::any_of(parts, [](auto* p) { return p->value != 0; });
  case WarpOp::all:
    return std::ranges::all_of(parts, [](auto* p) { return p->value != 0; });
  case WarpOp::match_any:
    return lanes_where([&](const Thread& p) { return p.value == t.value; });
  case WarpOp::reduce_add:
    return folded(parts, [](auto a, auto b) { return a + b; });
  case WarpOp::reduce_min:
    return folded(parts, [](auto a, auto b) { return std::min(a, b); });
  case WarpOp::reduce_max:
    return folded(parts, [](auto a, auto b) { return std::max(a, b); });
  case WarpOp::reduce_min_signed:
    return folded(parts, [&](auto a, auto b) { return as_signed(a) < as_signed(b) ? a : b; });
  case WarpOp::reduce_max_signed:
    return folded(parts, [&](auto a, auto b) { return as_signed(a) > as_signed(b) ? a : b; });
  case WarpOp::reduce_and:
    return folded(parts, [](auto a, auto b) { return a & b; });
  case WarpOp::reduce_or:
    return folded(parts, [](auto a, auto b) { return a | b; });
  case WarpOp::reduce_xor:
    return folded(parts, [](auto a, auto b) { return a ^ b; });
  }
  return 0;
}

} // namespace

std::string describe(const Thread& waiting) {
  return fmt::format("{} (line {}, mask {:#010x})", name_of(waiting.warp_op), waiting.line,
                     waiting.mask);
}

bool complete_operations(std::span<Thread> warp) {
  bool is_any_complete = false;
  for (Thread& asking : warp) {
    if (asking.status != Status::at_warp_op) continue;
    if (!is_named(asking.mask, asking))
      throw WarpError(asking, fmt::format("{} leaves out lane {}, which calls it", describe(asking),
                                          asking.lane()));
    std::vector<Thread*> parts;
    bool is_complete = true;
    for (Thread& other : warp) {
      if (!is_named(asking.mask, other) || other.status == Status::finished) continue;
      is_complete = is_complete && is_same_operation(asking, other);
      parts.push_back(&other);
    }
    if (!is_complete) continue;
    const std::vector<const Thread*> readers(parts.begin(), parts.end());
    for (Thread* t : parts) t->result = result_of(*t, readers, warp);
    for (Thread* t : parts) t->status = Status::ready;
    is_any_complete = true;
  }
  return is_any_complete;
}

} // namespace kroton::emulator
