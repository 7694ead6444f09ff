#pragma once
/// Where JITLink's API differs between LLVM 19 and 22. Only loader.cpp and
/// code_memory.hpp include this.
#include <memory>
#include <string_view>

#include <llvm/ExecutionEngine/JITLink/ELF_x86_64.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>

namespace kroton::jit::jitlink_compat {

/// Since LLVM 20 names live in a string pool that every graph holds on to; one a graph is right for
/// us, since graphs live as long as a load takes and share no names.
template <class Buffer> auto make_graph(Buffer object) {
  using namespace llvm;
  if constexpr (requires { jitlink::createLinkGraphFromELFObject_x86_64(object); })
    return jitlink::createLinkGraphFromELFObject_x86_64(object);
  else
    return jitlink::createLinkGraphFromELFObject_x86_64(object,
                                                        std::make_shared<orc::SymbolStringPool>());
}

template <class Symbol> std::string_view name_of(const Symbol& symbol) {
  if (!symbol.hasName()) return {};
  if constexpr (requires { symbol.getName().data(); })
    return {symbol.getName().data(), symbol.getName().size()};
  else
    return {(*symbol.getName()).data(), (*symbol.getName()).size()};
}

} // namespace kroton::jit::jitlink_compat
