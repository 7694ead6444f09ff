#pragma once
/// Turns an object's bytes into callable code.
///
///   Module module = Module::load(object, "softmax_3f2a");
///   auto* kernel = reinterpret_cast<KernelFn*>(module.symbol("kernel"));
///
/// Objects come from the compiler or from a cache; nothing of the compiler is needed to load them.
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace kroton::jit {

/// Machine code in this process; its memory is given back when the Module dies, so every pointer
/// that `symbol` returned dies with it. Pages are never writable and executable at once.
class Module {
public:
  /// Links `object`, an x86-64 ELF relocatable file. `name` is what errors call it. Throws
  /// CompileError if the bytes are no such file, if they refer to a symbol that they do not
  /// define (kernels reach the outside only through their Runtime argument), if they want code run
  /// at load time, or if they want memory that is writable and executable.
  static Module load(std::span<const std::byte> object, std::string_view name);

  Module(Module&& other) noexcept;
  Module& operator=(Module&& other) noexcept;
  ~Module();

  /// The address of a function or object the file defines with external linkage; throws
  /// InternalError if there is none of that name.
  void* symbol(std::string_view name) const;

  /// The external names that the file defines.
  const std::map<std::string, void*, std::less<>>& symbols() const noexcept { return symbols_; }
  const std::string& name() const noexcept { return name_; }

private:
  explicit Module(std::string name) : name_(std::move(name)) {}
  void free() noexcept;

  std::string name_;
  std::map<std::string, void*, std::less<>> symbols_;
  std::size_t allocation_ = 0; ///< JITLink's handle; 0 when there is none.
};

} // namespace kroton::jit
