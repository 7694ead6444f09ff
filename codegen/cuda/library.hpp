#pragma once
/// The kernels that library calls run on CUDA devices: texts of their own, not of a loop nest.
///
///   const CudaFunction* f = cuda_function(*step.op);   // null: there is none for CUDA
///   CudaCall call = f->render(plan, step);
///
/// Each entry of the text takes: a pointer for each result and each operand, which are dense;
/// scratch, if the text says so; the numbers that the op's row tells (ir::LibraryCall) as i64; and,
/// if the step can fail, a pointer to the failure record (codegen/cuda/cuda.hpp), whose `state` is
/// `ir::Failure::kind`. Which op has which function is a line in the table of cuda_library.cpp.
#include "codegen/cuda/cuda.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::codegen {

struct CudaCall {
  CudaText text;
  bool clears_results = false; ///< they hold zeros when the first launch begins
};

struct CudaFunction {
  const ir::Op* op = nullptr;
  CudaCall (*render)(const plan::Plan& plan, const plan::LibraryStep& step) = nullptr;
};

const CudaFunction* cuda_function(const ir::Op& op);

/// See cuda_assemble.cpp, cuda_cumulative.cpp and cuda_scatter.cpp.
CudaCall render_cuda_assemble(const plan::Plan& plan, const plan::LibraryStep& step);
CudaCall render_cuda_cumsum(const plan::Plan& plan, const plan::LibraryStep& step);
CudaCall render_cuda_scatter(const plan::Plan& plan, const plan::LibraryStep& step);

} // namespace kroton::codegen
