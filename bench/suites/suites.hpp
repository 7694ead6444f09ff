#pragma once
/// Every suite adds its cases; main.cpp asks them in the order of the table.
#include "bench/case.hpp"

namespace bench {

void add_start_cases(std::vector<Case>& cases);
void add_cache_cases(std::vector<Case>& cases);
void add_call_cases(std::vector<Case>& cases);
void add_elementwise_cases(std::vector<Case>& cases);
void add_arrangement_cases(std::vector<Case>& cases);
void add_rows_cases(std::vector<Case>& cases);
void add_sorting_cases(std::vector<Case>& cases);
void add_cliffs_cases(std::vector<Case>& cases);
void add_stencil_cases(std::vector<Case>& cases);        ///< of suite cliffs
void add_chain_cases(std::vector<Case>& cases);          ///< of suite cliffs
void add_small_function_cases(std::vector<Case>& cases); ///< of suite cliffs
void add_short_axes_cases(std::vector<Case>& cases);     ///< of suite cliffs
void add_derivative_cases(std::vector<Case>& cases);
void add_training_cases(std::vector<Case>& cases);
void add_network_cases(std::vector<Case>& cases);
void add_product_cases(std::vector<Case>& cases);
void add_linear_algebra_cases(std::vector<Case>& cases);
/// Calls for a CUDA device, on any machine.
void add_host_cases(std::vector<Case>& cases);
/// On a CUDA device; `is_small`: of sizes to try the cases with, not to measure.
void add_gpu_cases(std::vector<Case>& cases, bool is_small);
/// Compiling for a CUDA device and starting; a part of the former.
void add_gpu_start_cases(std::vector<Case>& cases);

/// Compiling CUDA texts, which needs no device.
void add_nvrtc_cases(std::vector<Case>& cases);

/// Compiles what suite gpu runs on the CPU, so that the cache has it.
void compile_beside_gpu();

/// Why nothing can be measured on a CUDA device; nothing if it can.
std::optional<std::string> missing_gpu();

/// Why no CUDA text can be compiled; nothing if it can.
std::optional<std::string> missing_nvrtc();

} // namespace bench
