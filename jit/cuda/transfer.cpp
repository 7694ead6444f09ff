#include "jit/cuda/transfer.hpp"

#include <vector>

#include "jit/bound/ranges.hpp"

namespace kroton::jit::cuda {
namespace {

/// What one call of the driver copies: `height` rows of `width` bytes, `pitch` bytes apart.
struct Piece {
  Address to = 0, from = 0;
  std::size_t width = 0, height = 1, to_pitch = 0, from_pitch = 0;
};

/// More calls of the driver than this cost more than the way through host memory.
constexpr std::int64_t most_pieces = 64;

/// The pieces of a copy; none if there are too many. Between devices each is one row.
std::vector<Piece> pieces_of(const data::DeviceCopy& copy, bool is_one_device) {
  data::Walk walk = copy.walk;
  if (walk.to.back() != 1 || walk.from.back() != 1) // each element is a row
    for (Shape* row : {&walk.shape, &walk.to, &walk.from}) row->push_back(1);
  const auto bytes = [&](std::int64_t elements) {
    return elements * static_cast<std::int64_t>(copy.item);
  };
  const std::size_t last = walk.shape.size() - 1;
  const std::int64_t width = bytes(walk.shape[last]);
  const bool has_rows = is_one_device && last > 0 && bytes(walk.to[last - 1]) >= width &&
                        bytes(walk.from[last - 1]) >= width;
  const std::size_t inner = has_rows ? 2 : 1;
  std::int64_t count = 1;
  for (std::size_t axis = 0; axis + inner <= last; ++axis) {
    count *= walk.shape[axis];
    if (count > most_pieces) return {};
  }
  Piece piece{.width = static_cast<std::size_t>(width)};
  if (has_rows) {
    piece.height = static_cast<std::size_t>(walk.shape[last - 1]);
    piece.to_pitch = static_cast<std::size_t>(bytes(walk.to[last - 1]));
    piece.from_pitch = static_cast<std::size_t>(bytes(walk.from[last - 1]));
  }
  std::vector<Piece> pieces;
  data::for_each_row(walk, inner, [&](std::int64_t to, std::int64_t from) {
    piece.to = reinterpret_cast<Address>(copy.to + bytes(to));
    piece.from = reinterpret_cast<Address>(copy.from + bytes(from));
    pieces.push_back(piece);
  });
  return pieces;
}

Result put(const Piece& p, const Memory& to, const Memory& from, Stream stream) {
  const Driver& cu = driver();
  if (&to.gpu() != &from.gpu())
    return cu.cuMemcpyPeerAsync(p.to, to.gpu().context(), p.from, from.gpu().context(), p.width,
                                stream);
  if (p.height == 1) return cu.cuMemcpyDtoDAsync_v2(p.to, p.from, p.width, stream);
  const Copy2D rows{.from = {.device = p.from, .pitch = p.from_pitch},
                    .to = {.device = p.to, .pitch = p.to_pitch},
                    .width_bytes = p.width,
                    .height = p.height};
  return cu.cuMemcpy2DAsync_v2(&rows, stream);
}

} // namespace

/// Whoever uses either memory next waits for it, the host does not.
bool Memory::copy_from(const data::DeviceMemory& other, const data::DeviceCopy& copy) {
  const auto* const from = dynamic_cast<const Memory*>(&other);
  if (!from) return false;
  const std::vector<Piece> pieces = pieces_of(copy, &from->gpu() == &gpu_);
  if (pieces.empty()) return false;
  const Gpu::Current current(gpu_);
  const std::lock_guard lock(gpu_.copy_mutex());
  Queue& queue = gpu_.copy_queue();
  from->wait_to_read(queue);
  wait_to_write(queue);
  Result result = Result::success;
  for (const Piece& p : pieces)
    if (result == Result::success) result = put(p, *this, *from, queue.stream());
  const Position end = queue.mark();
  from->note_read(end);
  note_write(end);
  gpu_.check(result, "copying on devices");
  std::size_t copied = copy.item;
  for (const std::int64_t d : copy.walk.shape) copied *= static_cast<std::size_t>(d);
  if (copied == nbytes_) take_interval_of(*from);
  return true;
}

Array copy_to_gpu(const Array& array, Gpu& gpu) {
  const Place place = place_of(array);
  if (place.memory && &place.memory->gpu() == &gpu && place.address != 0) return array;
  Array result = new_array(gpu, array.dtype(), array.shape(), gpu.pool().owner("arrays"));
  copy_elements(result, array, Location{});
  // What may be positions is looked at while it is here.
  const bool may_be_positions = !is_float(array.dtype()) && !is_bool(array.dtype());
  if (may_be_positions && array.device().kind == Device::cpu)
    memory_of(result)->know_interval(array.dtype(), interval_of(array));
  return result;
}

} // namespace kroton::jit::cuda
