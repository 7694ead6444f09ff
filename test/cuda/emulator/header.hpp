#pragma once
/// abi.h and cuda.h as texts.
#include <string_view>

namespace kroton::emulator {

extern const std::string_view abi_text, cuda_text;

} // namespace kroton::emulator
