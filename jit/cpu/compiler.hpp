#pragma once
/// Compiles generated C++ to x86-64 objects, in this process, with Clang from a plugin that is
/// loaded by the first compilation and by nothing else.
///
///   CompileOutput out = compiler().compile({.source = text, .name = "softmax",
///                                           .arguments = compile_arguments(target)});
///   Module module = Module::load(out.object, "softmax");
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "jit/cpu/target.hpp"

namespace kroton::jit {

/// Whether `a * b + c` becomes one operation where it is one expression. (Clang's "fast" would join
/// products and sums across statements, differently in texts that differ by a constant.)
enum class Contraction { never, within_expression };

struct CodeOptions {
  Contraction contraction = Contraction::within_expression;
  int optimization = 3; ///< 0 to 3.
  bool operator==(const CodeOptions&) const = default;
};

/// The complete arguments of the compiler for a target: every input to compilation besides the
/// source text and `compiler_fingerprint`, so all of it belongs into a kernel's key. Loads nothing.
std::vector<std::string> compile_arguments(const CpuTarget& target,
                                           const CodeOptions& options = {});

/// "clang 22.1.8 plugin 5d41402abc4b2a76", the version and a digest of the plugin's sources, fixed
/// when Kroton was built; a field of every key. Loads nothing.
std::string_view compiler_fingerprint() noexcept;

struct CompileInput {
  std::string_view source;
  std::string_view name; ///< The kernel, as errors call it; the object does not depend on it.
  std::vector<std::string> arguments;
  bool wants_assembly = false; ///< Costs two more compilations.
};

struct CompileOutput {
  std::vector<std::byte> object;
  std::string assembly; ///< Empty unless asked for.
  std::string log;      ///< What the compiler said; empty as a rule.
};

/// The plugin, libkroton-clang.so, is looked for where lib/support/plugin.hpp says, and loaded if
/// nobody else could have written it.
class Compiler {
public:
  Compiler() = default;
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  /// Compiles; safe to call from many threads at once. Throws CompileError with the compiler's
  /// diagnostics if it refuses the text, or, if there is no usable plugin, with the places
  /// searched.
  CompileOutput compile(const CompileInput& input);
};

/// The process's compiler.
Compiler& compiler();

/// Where the plugin is and which Clang it is, or where it was looked for. Loads nothing.
std::string compiler_description();

/// Why nothing can be compiled; empty if the plugin and what it needs are there. Loads Clang.
std::string compiler_problem();

/// How many threads are compiling with the copy of Clang that the next compilation will use.
int compilations_under_way() noexcept;

/// Whether Clang is in the process yet.
bool compiler_is_loaded() noexcept;

} // namespace kroton::jit
