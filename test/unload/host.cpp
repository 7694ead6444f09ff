/// A program that links nothing of Kroton unloads libraries that use it, and continues.
///
///   host LIBRARY LIBKROTON PLUGIN...       LIBRARY is made of user.cpp
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <dlfcn.h>
#include <link.h>

namespace {

void* load(const char* file) {
  void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (library) return library;
  std::printf("%s\n", dlerror());
  std::exit(1);
}

template <class F> F* find(void* library, const char* name) {
  F* function = reinterpret_cast<F*>(dlsym(library, name));
  if (function) return function;
  std::printf("no %s\n", name);
  std::exit(1);
}

void count_fact(void* context, const char*, const char*, const char*) {
  ++*static_cast<int*>(context);
}

/// Whether the file itself says that it must stay. GCC's unique symbols keep a library too, but
/// only where GCC compiled it.
bool is_marked_to_stay(void* library) {
  const link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, static_cast<void*>(&map)) != 0) return false;
  for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry)
    if (entry->d_tag == DT_FLAGS_1) return (entry->d_un.d_val & DF_1_NODELETE) != 0;
  return false;
}

} // namespace

int main(int count, char** words) {
  for (int round = 1; round <= 3; ++round) {
    void* library = load(words[1]);
    const double got = find<double()>(library, "compute")();
    dlclose(library);
    // What threads that were left behind do now must still be there.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (got != 18) {
      std::printf("round %d: got %g\n", round, got);
      return 1;
    }
  }
  using Doctor = void(void (*take)(void*, const char*, const char*, const char*), void*);
  void* kroton = load(words[2]);
  auto* const doctor = find<Doctor>(kroton, "kroton_doctor");
  int facts = 0, later = 0;
  doctor(&count_fact, &facts);
  dlclose(kroton);
  doctor(&count_fact, &later);
  std::printf("%d facts, %d after dlclose\n", facts, later);
  if (facts == 0 || later != facts) return 1;

  for (int i = 2; i < count; ++i) {
    if (is_marked_to_stay(load(words[i]))) continue;
    std::printf("%s is not linked with -z nodelete\n", words[i]);
    return 1;
  }
}
