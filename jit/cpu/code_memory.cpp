#include "jit/cpu/code_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "lib/support/error.hpp"

namespace kroton::jit {
namespace {

namespace jl = llvm::jitlink;
using llvm::orc::MemProt;

/// A kernel takes some KB. Its own addresses reach 2 GiB; what a damaged object asks for does not
/// end.
constexpr std::size_t most_bytes = std::size_t{1} << 30;

[[noreturn]] void fail_for_memory(std::size_t nbytes) {
  support::fail<CompileError>("jit", {.hint = "see ulimit -v and vm.max_map_count"},
                              "no memory for {} bytes of code: {}", nbytes, std::strerror(errno));
}

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

std::size_t rounded_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

/// The parts of a mapping in their order. Objects that want other rights are refused before they
/// are linked.
enum Part : std::uint8_t { code, constants, data, part_count };

Part part_of(llvm::orc::AllocGroup group) {
  const auto has = [rights = group.getMemProt()](MemProt right) {
    return (static_cast<unsigned>(rights) & static_cast<unsigned>(right)) != 0;
  };
  return has(MemProt::Write) ? data : has(MemProt::Exec) ? code : constants;
}

/// Memory that is there already.
class InFlight final : public jl::JITLinkMemoryManager::InFlightAlloc {
public:
  explicit InFlight(const char* begin) : begin_(begin) {}
  void abandon(OnAbandonedFunction done) override { done(llvm::Error::success()); }
  void finalize(OnFinalizedFunction done) override {
    done(jl::JITLinkMemoryManager::FinalizedAlloc(llvm::orc::ExecutorAddr::fromPtr(begin_)));
  }

private:
  const char* begin_;
};

} // namespace

CodeMapping::CodeMapping(const Bounds& bounds) : bounds_(bounds) {
  // All of it is about to be written.
  void* memory = mmap(nullptr, bounds_.back(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) fail_for_memory(bounds_.back());
  begin_ = static_cast<char*>(memory);
}

CodeMapping::~CodeMapping() { munmap(begin_, bounds_.back()); }

void CodeMapping::seal() {
  const auto protect = [&](Part part, int rights) {
    const std::size_t nbytes = bounds_[part + 1] - bounds_[part];
    if (nbytes > 0 && mprotect(begin_ + bounds_[part], nbytes, rights) != 0)
      fail_for_memory(bounds_.back());
  };
  protect(code, PROT_READ | PROT_EXEC);
  protect(constants, PROT_READ);
}

void CodeMemory::allocate(const jl::JITLinkDylib*, jl::LinkGraph& graph,
                          OnAllocatedFunction go_on) {
  waiting_.push_back({jl::BasicLayout(graph), std::move(go_on)});
}

void CodeMemory::deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction done) {
  for (FinalizedAlloc& a : allocations) a.release();
  done(llvm::Error::success());
}

std::shared_ptr<CodeMapping> CodeMemory::place() {
  CodeMapping::Bounds bounds{};
  for (int part = code; part < part_count; ++part) {
    std::size_t at = bounds[static_cast<std::size_t>(part)];
    for (Waiting& w : waiting_)
      for (auto& [group, segment] : w.layout.segments()) {
        if (part_of(group) != part) continue;
        if (segment.Alignment.value() > page_bytes())
          support::fail<CompileError>("jit", {.hint = "compile the kernel again"},
                                      "an object wants to lie at multiples of {} bytes",
                                      segment.Alignment.value());
        at = rounded_up(at, segment.Alignment.value());
        if (segment.ContentSize > most_bytes || segment.ZeroFillSize > most_bytes ||
            at + segment.ContentSize + segment.ZeroFillSize > most_bytes)
          support::fail<CompileError>(
              "jit", {.hint = "compile the kernel again"},
              "objects want {} bytes and more, of which {} at most are given",
              segment.ContentSize + segment.ZeroFillSize, most_bytes);
        segment.Addr = llvm::orc::ExecutorAddr(at); // from the mapping's begin, for now
        at += segment.ContentSize + segment.ZeroFillSize;
      }
    bounds[static_cast<std::size_t>(part) + 1] = rounded_up(at, page_bytes());
  }
  bounds.back() = std::max(bounds.back(), page_bytes()); // an object may be empty

  auto mapping = std::make_shared<CodeMapping>(bounds);
  for (Waiting& w : waiting_) {
    for (auto& [group, segment] : w.layout.segments()) {
      segment.WorkingMem = mapping->begin() + segment.Addr.getValue();
      segment.Addr = llvm::orc::ExecutorAddr::fromPtr(segment.WorkingMem);
    }
    if (llvm::Error error = w.layout.apply())
      w.go_on(std::move(error));
    else
      w.go_on(std::make_unique<InFlight>(mapping->begin()));
  }
  waiting_.clear();
  return mapping;
}

} // namespace kroton::jit
