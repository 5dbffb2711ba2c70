// What this machine can do at best, for comparison.
#ifndef SYLVITE_COMPILER_TOOLS_PEAKFLOPS_H
#define SYLVITE_COMPILER_TOOLS_PEAKFLOPS_H

namespace sylvite {

/// Measures float32 operations per second of `threads` threads that do nothing but multiply-add in registers,
/// in the widest vectors that the processor has, for about a tenth of a second.
double measurePeakFlops(int threads);

} // namespace sylvite

#endif
