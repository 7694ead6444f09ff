#pragma once
/// Turns an object's bytes into callable code.
///
///   Module module = Module::load(object, "softmax_3f2a");
///   auto* kernel = reinterpret_cast<KernelFn*>(module.symbol("kernel"));
///
/// Objects come from the compiler or from a cache; nothing of the compiler is needed to load them.
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kroton::jit {

/// An x86-64 ELF relocatable file, and what errors call it.
struct Object {
  std::span<const std::byte> bytes;
  std::string_view name;
};

/// Machine code in this process. Its memory is given back when it dies, and all that were loaded
/// together with it; every pointer that `symbol` returned dies with it. Pages are never writable
/// and executable at once.
class Module {
public:
  /// Links `object`, an x86-64 ELF relocatable file. `name` is what errors call it. Throws
  /// CompileError if the bytes are no such file, if they refer to a symbol that they do not
  /// define (kernels reach the outside only through their Runtime argument), if they want code run
  /// at load time, or if they want memory that is writable and executable.
  static Module load(std::span<const std::byte> object, std::string_view name);
  /// All of them, one module each, in one mapping with the system calls of one. Throws what the
  /// first that will not do would.
  static std::vector<Module> load(std::span<const Object> objects);

  /// The address of a function or object the file defines with external linkage; throws
  /// InternalError if there is none of that name.
  void* symbol(std::string_view name) const;

  /// The external names that the file defines.
  const std::map<std::string, void*, std::less<>>& symbols() const noexcept { return symbols_; }
  const std::string& name() const noexcept { return name_; }

private:
  using Symbols = std::map<std::string, void*, std::less<>>;
  Module(std::string name, Symbols symbols, std::shared_ptr<const void> memory)
      : name_(std::move(name)), symbols_(std::move(symbols)), memory_(std::move(memory)) {}

  std::string name_;
  Symbols symbols_;
  std::shared_ptr<const void> memory_; ///< its own, and of all that were loaded with it
};

} // namespace kroton::jit
