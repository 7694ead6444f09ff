#include "jit/cpu/loader.hpp"
#include "jit/cpu/code_memory.hpp"
#include "jit/cpu/observers.hpp"
#include "lib/support/error.hpp"

#include <utility>

namespace kroton::jit {
namespace {

namespace jl = llvm::jitlink;

/// What one link produced; filled by the callbacks of `Context`, which JITLink calls before
/// `CodeMemory::place` returns, since every lookup here completes at once.
struct Outcome {
  std::map<std::string, void*, std::less<>> symbols;
  std::string error;
  LoadedObject object; ///< its sections and functions
};

/// What must not be unmapped while any module lives; those who look on are told first that it goes.
struct Memory {
  Memory(std::shared_ptr<CodeMapping> of, std::span<const LoadedObject> objects)
      : mapping(std::move(of)), observed(objects) {}
  std::shared_ptr<CodeMapping> mapping;
  ObservedCode observed;
};

std::string_view name_of(const jl::Section& section) {
  return {section.getName().data(), section.getName().size()};
}

class Context final : public jl::JITLinkContext {
public:
  Context(CodeMemory& memory, Outcome& outcome)
      : JITLinkContext(nullptr), memory_(memory), outcome_(outcome) {}

  jl::JITLinkMemoryManager& getMemoryManager() override { return memory_; }

  void notifyFailed(llvm::Error error) override {
    outcome_.error = llvm::toString(std::move(error));
  }

  /// Only reached for names that JITLink itself adds, since `load` has refused all others.
  void lookup(const LookupMap& names,
              std::unique_ptr<jl::JITLinkAsyncLookupContinuation> next) override {
    if (names.empty()) return next->run(jl::AsyncLookupResult());
    next->run(llvm::make_error<llvm::StringError>("the linker asked for an outside symbol",
                                                  llvm::inconvertibleErrorCode()));
  }

  llvm::Error notifyResolved(jl::LinkGraph& graph) override {
    for (const jl::Symbol* symbol : graph.defined_symbols()) {
      const std::string_view name = jitlink_compat::name_of(*symbol);
      if (name.empty()) continue;
      if (symbol->isCallable())
        outcome_.object.functions.push_back(
            {std::string(name), symbol->getAddress().getValue(), symbol->getSize()});
      if (symbol->getScope() == jl::Scope::Local) continue;
      outcome_.symbols.emplace(name, symbol->getAddress().toPtr<void*>());
    }
    for (jl::Section& section : graph.sections())
      if (const jl::SectionRange range(section); !range.empty())
        outcome_.object.sections.emplace(name_of(section), range.getStart().getValue());
    return llvm::Error::success();
  }

  void notifyFinalized(jl::JITLinkMemoryManager::FinalizedAlloc allocation) override {
    allocation.release(); // the mapping holds it
  }

  /// Keeps everything: an object holds one kernel, and the compiler dropped what it does not use.
  jl::LinkGraphPassFunction getMarkLivePass(const llvm::Triple&) const override {
    return jl::markAllSymbolsLive;
  }

private:
  CodeMemory& memory_;
  Outcome& outcome_;
};

/// The name made by position-independent code for its own table of offsets, which the linker fills.
constexpr std::string_view own_table = "_GLOBAL_OFFSET_TABLE_";

std::string outside_names(const jl::LinkGraph& graph) {
  std::map<std::string_view, int> names; // sorted: the text must not depend on a hash table's order
  for (const jl::Symbol* symbol : const_cast<jl::LinkGraph&>(graph).external_symbols())
    if (auto name = jitlink_compat::name_of(*symbol); name != own_table) names.emplace(name, 0);
  std::string text;
  for (const auto& [name, unused] : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

bool runs_at_load(std::string_view section) {
  for (std::string_view prefix :
       {".preinit_array", ".init", ".fini", ".ctors", ".dtors", ".tdata", ".tbss"})
    if (section.starts_with(prefix)) return true;
  return false;
}

/// The linker would map it as it says of itself.
bool is_writable_code(const jl::Section& section) {
  const auto has = [&](llvm::orc::MemProt right) {
    return (static_cast<unsigned>(section.getMemProt()) & static_cast<unsigned>(right)) != 0;
  };
  return has(llvm::orc::MemProt::Write) && has(llvm::orc::MemProt::Exec);
}

/// The object as a graph that may be linked. Throws CompileError.
std::unique_ptr<jl::LinkGraph> checked_graph(const Object& object) {
  const auto& [bytes, name] = object;
  const llvm::MemoryBufferRef buffer({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                                     {name.data(), name.size()});
  auto graph = jitlink_compat::make_graph(buffer);
  if (!graph)
    support::fail<CompileError>("jit", {.hint = "compile the kernel again"},
                                "kernel {} is not a loadable x86-64 object of {} bytes: {}", name,
                                bytes.size(), llvm::toString(graph.takeError()));
  if (const std::string outside = outside_names(**graph); !outside.empty())
    support::fail<CompileError>(
        "jit", {.hint = "a kernel may call only what its Runtime argument points at"},
        "kernel {} refers to symbols outside itself: {}", name, outside);
  for (const jl::Section& section : (*graph)->sections()) {
    if (runs_at_load(name_of(section)))
      support::fail<CompileError>(
          "jit", {.hint = "give kernels no static constructors and no thread-local variables"},
          "kernel {} has a section {}, which only a full program loader serves", name,
          name_of(section));
    if (is_writable_code(section))
      support::fail<CompileError>("jit", {.hint = "compile the kernel again"},
                                  "kernel {} has a section {} that is writable and executable",
                                  name, name_of(section));
  }
  return std::move(*graph);
}

} // namespace

Module Module::load(std::span<const std::byte> object, std::string_view name) {
  const Object one{object, name};
  return std::move(load(std::span(&one, 1)).front());
}

std::vector<Module> Module::load(std::span<const Object> objects) {
  std::vector<std::unique_ptr<jl::LinkGraph>> graphs;
  for (const Object& object : objects) graphs.push_back(checked_graph(object));

  std::vector<Outcome> outcomes(objects.size());
  CodeMemory memory;
  for (std::size_t i = 0; i < objects.size(); ++i)
    jl::link_ELF_x86_64(std::move(graphs[i]), std::make_unique<Context>(memory, outcomes[i]));
  const auto mapping = memory.place();
  for (std::size_t i = 0; i < objects.size(); ++i)
    if (!outcomes[i].error.empty())
      support::fail<CompileError>("jit", {.hint = "compile the kernel again"},
                                  "kernel {} could not be linked: {}", objects[i].name,
                                  outcomes[i].error);
  mapping->seal();

  std::vector<LoadedObject> loaded;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    LoadedObject& object = loaded.emplace_back(std::move(outcomes[i].object));
    object.bytes = objects[i].bytes;
    object.name = objects[i].name;
  }
  const auto kept = std::make_shared<Memory>(mapping, loaded);

  std::vector<Module> modules;
  for (std::size_t i = 0; i < objects.size(); ++i)
    modules.push_back(Module(std::string(objects[i].name), std::move(outcomes[i].symbols), kept));
  return modules;
}

void* Module::symbol(std::string_view name) const {
  const auto found = symbols_.find(name);
  KROTON_CHECK(found != symbols_.end(), "kernel {} defines no symbol {}", name_, name);
  return found->second;
}

} // namespace kroton::jit
