#pragma once
/// One call of a CudaProgram.
#include "jit/cuda/frame.hpp"

namespace kroton::jit::cuda {

class CudaProgram::Call {
public:
  Call(CudaProgram& program, CudaFrame& frame, std::span<const Array> arguments, const Array* given)
      : p_(program), f_(frame), arguments_(arguments), given_(given) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  std::vector<Array> run(const Watcher* watcher);

private:
  class InFlight;
  class Part;
  void make_outputs();
  void find_buffers();
  void take_argument(const Array& argument, Address& to, int buffer);
  Address use_to_read(const Array& array);
  Address use_to_write(const Array& array);
  Array given_memory(std::size_t i) const;
  Address memory_of_update(BoundUpdate& update);
  void copy_arguments();
  void wait_for_memory() const;
  void find_intervals();
  support::Interval interval_of_source(const Source& source, DType dtype, bool is_checked) const;
  bool are_positions_in_range() const;
  void find_known_results();
  void run_steps();
  void run_watched(const Watcher& watcher);
  void run_step(std::size_t i, Sink& sink);
  void launch(std::size_t stage, void** parameters, Sink& sink);
  void clear_records(Sink& sink);
  void check_records();
  void contract(std::size_t step, const bound::DeviceProduct& product, Sink& sink);
  void clear(const bound::CallArray& array, Sink& sink);
  Array fetched(int buffer) const;
  void finish();

  CudaProgram& p_;
  CudaFrame& f_;
  std::span<const Array> arguments_;
  const Array* given_;
  std::vector<Array> results_;
};

} // namespace kroton::jit::cuda
