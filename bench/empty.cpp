/// A C++ program that does nothing: prints what it has in memory, in KB.
#include "bench/resident.hpp"

#include <cstdio>

int main() { std::printf("%ld\n", bench::resident_kb()); }
