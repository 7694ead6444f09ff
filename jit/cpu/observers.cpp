#include "jit/cpu/observers.hpp"

#include <cerrno>
#include <cstring>
#include <mutex>

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "lib/support/environment.hpp"
#include "lib/support/fork.hpp"
#include "lib/support/log.hpp"

// ---- the interface of GDB: "JIT Compilation Interface" in its manual
// -----------------------------

extern "C" {

struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  std::uint64_t symfile_size;
};

struct jit_descriptor {
  std::uint32_t version;
  std::uint32_t action_flag;
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};

/// Debuggers stop here, and read the descriptor.
[[gnu::noinline, gnu::used, gnu::visibility("default")]] void __jit_debug_register_code() {
  asm volatile("" ::: "memory");
}
[[gnu::used, gnu::visibility("default")]] jit_descriptor __jit_debug_descriptor{1, 0, nullptr,
                                                                                nullptr};

// Of the compiler's runtime.
void __register_frame(const void* section);
void __deregister_frame(const void* section);
}

namespace kroton::jit {
namespace {

enum Action : std::uint32_t { none, registered, unregistered };

support::ForkMutex& list_mutex() {
  static auto& mutex = *new support::ForkMutex; // entries may go when statics have gone
  return mutex;
}

/// The file with the addresses of its sections filled in, as debuggers expect it; empty if it is
/// no such file, or two of its sections have one name.
std::string placed(const LoadedObject& object) {
  std::string file(reinterpret_cast<const char*>(object.bytes.data()), object.bytes.size());
  Elf64_Ehdr header;
  if (file.size() < sizeof header) return {};
  std::memcpy(&header, file.data(), sizeof header);
  const auto section_at = [&](std::size_t i) {
    return header.e_shoff + i * std::size_t{header.e_shentsize};
  };
  const auto is_inside = [&](std::size_t begin, std::size_t nbytes) {
    return begin <= file.size() && nbytes <= file.size() - begin;
  };
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shstrndx >= header.e_shnum ||
      !is_inside(header.e_shoff, section_at(header.e_shnum) - header.e_shoff))
    return {};
  Elf64_Shdr names;
  std::memcpy(&names, file.data() + section_at(header.e_shstrndx), sizeof names);
  if (!is_inside(names.sh_offset, names.sh_size) || names.sh_size == 0) return {};
  const std::string_view all(file.data() + names.sh_offset, names.sh_size);
  std::map<std::string_view, int> seen;
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, file.data() + section_at(i), sizeof section);
    if ((section.sh_flags & SHF_ALLOC) == 0 || section.sh_size == 0) continue;
    if (section.sh_name >= all.size()) return {};
    const std::string_view rest = all.substr(section.sh_name);
    const std::string_view name = rest.substr(0, rest.find('\0'));
    const auto found = object.sections.find(name);
    if (found == object.sections.end()) continue;
    if (seen[name]++ > 0) return {};
    section.sh_addr = found->second;
    std::memcpy(file.data() + section_at(i), &section, sizeof section);
  }
  return file;
}

// ---- perf
// -----------------------------------------------------------------------------------------

/// What /tmp/perf-PID.map has of this process; the child of a fork begins a file of its own.
struct PerfMap {
  support::ForkMutex mutex;
  std::string lines;
  int file = -1;
  pid_t process = 0;
};
PerfMap& perf_map() {
  static auto& map = *new PerfMap;
  return map;
}

int open_perf_map(const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  struct stat facts {};
  if (file >= 0 &&
      (fstat(file, &facts) != 0 || facts.st_uid != geteuid() || !S_ISREG(facts.st_mode))) {
    close(file);
    errno = EPERM;
    return -1;
  }
  return file;
}

void tell_perf(std::span<const LoadedObject> objects) {
  PerfMap& map = perf_map();
  const std::lock_guard lock(map.mutex);
  std::string added;
  for (const LoadedObject& object : objects)
    for (const LoadedFunction& f : object.functions)
      added += fmt::format("{:x} {:x} kroton: {} ({})\n", f.address, f.nbytes, f.name, object.name);
  map.lines += added;
  if (map.process != getpid()) {
    map.process = getpid();
    if (map.file >= 0) close(map.file);
    const std::string path = fmt::format("/tmp/perf-{}.map", map.process);
    map.file = open_perf_map(path);
    if (map.file < 0)
      support::log(support::Area::jit)
          ->warn("KROTON_PERF_MAP: {} cannot be written: {}", path, std::strerror(errno));
    added = map.lines;
  }
  if (map.file >= 0) static_cast<void>(!write(map.file, added.data(), added.size()));
}

} // namespace

struct ObservedCode::Entry {
  std::string file;
  jit_code_entry link{};
};

ObservedCode::ObservedCode(std::span<const LoadedObject> objects) {
  for (const LoadedObject& object : objects) {
    std::string file = placed(object);
    if (file.empty()) continue;
    Entry& e = *entries_.emplace_back(std::make_unique<Entry>());
    e.file = std::move(file);
    e.link.symfile_addr = e.file.data();
    e.link.symfile_size = e.file.size();
    const std::lock_guard lock(list_mutex());
    jit_descriptor& list = __jit_debug_descriptor;
    e.link.next_entry = list.first_entry;
    if (list.first_entry != nullptr) list.first_entry->prev_entry = &e.link;
    list.first_entry = list.relevant_entry = &e.link;
    list.action_flag = registered;
    __jit_debug_register_code();
  }
  static const bool has_perf_map = support::switch_variable("KROTON_PERF_MAP", "1"),
                    has_frames = support::switch_variable("KROTON_UNWIND", "1");
  if (has_perf_map) tell_perf(objects);
  if (has_frames)
    for (const LoadedObject& object : objects)
      if (const auto found = object.sections.find(".eh_frame"); found != object.sections.end()) {
        frames_.push_back(reinterpret_cast<const void*>(found->second));
        __register_frame(frames_.back());
      }
}

ObservedCode::~ObservedCode() {
  for (const void* section : frames_) __deregister_frame(section);
  for (const auto& e : entries_) {
    const std::lock_guard lock(list_mutex());
    jit_descriptor& list = __jit_debug_descriptor;
    (e->link.prev_entry ? e->link.prev_entry->next_entry : list.first_entry) = e->link.next_entry;
    if (e->link.next_entry) e->link.next_entry->prev_entry = e->link.prev_entry;
    list.relevant_entry = &e->link;
    list.action_flag = unregistered;
    __jit_debug_register_code();
  }
}

} // namespace kroton::jit
