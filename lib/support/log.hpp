#pragma once
/// Loggers by area: `log(Area::cache)->debug("kernel {} {}", digest, what)`.
///
/// KROTON_LOG=level[,area…] sets the level (trace debug info warning error critical off; default
/// warning), for the named areas only if any are named. Output goes to stderr.
#include <spdlog/spdlog.h>

namespace kroton::support {

enum class Area { graph, rewrite, plan, codegen, cache, jit };

spdlog::logger* log(Area);

} // namespace kroton::support
