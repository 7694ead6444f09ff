#pragma once
/// The table that people read, and the rows that programs read.
#include <filesystem>
#include <span>
#include <string>

#include "bench/measure.hpp"

namespace bench {

/// "8.81 us", "1.83 ms".
std::string duration_text(double ns);
/// The line above the rows.
std::string table_head();
/// The rows of one case, each a line.
std::string table_rows(std::span<const Row> rows);
/// An array of {case, size, threads, system, median_ns, p10_ns, p90_ns, …}.
/// Throws std::runtime_error if the file cannot be written.
void write_json(const std::filesystem::path& file, std::span<const Row> rows);

} // namespace bench
