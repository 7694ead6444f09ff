#pragma once
/// Every suite adds its cases; main.cpp asks them in the order of the table.
#include "bench/case.hpp"

namespace bench {

void add_start_cases(std::vector<Case>& cases);
void add_cache_cases(std::vector<Case>& cases);
void add_call_cases(std::vector<Case>& cases);
void add_elementwise_cases(std::vector<Case>& cases);
void add_rows_cases(std::vector<Case>& cases);
void add_training_cases(std::vector<Case>& cases);
void add_network_cases(std::vector<Case>& cases);
void add_product_cases(std::vector<Case>& cases);

} // namespace bench
