/// Compiled once for the sources of the command (Meson's cpp_pch).
#include "lib/support/pch/standard.hpp"

#include <nlohmann/json.hpp>
