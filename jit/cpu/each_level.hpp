#pragma once
/// Functions that are compiled for each level of x86-64, of which the machine's is chosen when the
/// library is loaded.
///
///   KROTON_EACH_LEVEL void add(double* to, const double* from, long n);
///
/// What they call has to be inlined to be compiled so too: KROTON_INLINED.
#ifdef __SANITIZE_THREAD__ // which is not ready yet when the linker asks which clone it is to be
#define KROTON_EACH_LEVEL
#else
#define KROTON_EACH_LEVEL [[gnu::target_clones("avx512f", "arch=haswell", "default")]]
#endif
#define KROTON_INLINED [[gnu::always_inline]] inline
