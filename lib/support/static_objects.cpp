/// No static object of the shared object that this file is linked into is ever destroyed.
///
/// A compiler registers the destructor of a static object with __cxa_atexit once the object has
/// been constructed. The definition here takes the place of the C library's for this shared object
/// alone (it is hidden), for Kroton's objects and for those of the archives that are linked in, and
/// registers nothing. So threads may continue calling and compiling while the process ends, and so
/// may destructors and exit handlers of the program, in whatever order they run. What has to be
/// done at exit is registered with `support::at_exit`. See docs/adr/0033-exit.md.
extern "C" __attribute__((visibility("hidden"))) int __cxa_atexit(void (*)(void*), void*,
                                                                  void*) noexcept {
  return 0;
}
