/// doctor: what is installed and chosen, and what is wrong with it.
#include <fcntl.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cache/directory.hpp"
#include "lib/support/doctor_abi.hpp"
#include "tools/kroton/commands.hpp"
#include "tools/kroton/levels.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

constexpr const char* library_file = "libkroton.so." KROTON_ABI_VERSION;

using Facts = std::vector<Fact>;

void take_fact(void* context, const char* what, const char* is, const char* problem) {
  static_cast<Facts*>(context)->push_back({what, is, problem});
}

/// What the library tells of itself; the tool's run path leads to the one it was installed with.
void ask_library(Facts& facts) {
  void* library = ::dlopen(library_file, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = ::dlerror();
    facts.push_back({"library", "not found", reason ? reason : library_file});
    return;
  }
  const auto ask =
      reinterpret_cast<support::DoctorFunction>(::dlsym(library, support::doctor_symbol));
  if (ask)
    ask(&take_fact, &facts);
  else
    facts.push_back({"library", library_file, "it is of another version than this command"});
}

Fact examine_directory(const Context& context) {
  if (context.directory.empty()) return {"cache directory", "none", context.no_directory};
  cache::OpenedDirectory opened = cache::open_directory(context.directory);
  const cache::Inventory all = cache::take_inventory(opened.fd.get());
  std::uint64_t nbytes = 0;
  for (const cache::StoredFile& file : all.entries) nbytes += file.nbytes();
  Fact fact{"cache directory",
            fmt::format("{}, {} entries, {}", context.directory.string(), all.entries.size(),
                        bytes_text(nbytes)),
            opened.refusal + opened.read_only};
  if (fact.problem.empty() && all.quarantined.files > 0)
    fact.problem = fmt::format("{} damaged entries in {}/quarantine; a disk or a program "
                               "may be at fault (kroton cache clear removes them)",
                               all.quarantined.files, context.directory.string());
  return fact;
}

} // namespace

int doctor(Context& context) {
  Facts facts;
  ask_library(facts);
  facts.push_back(examine_directory(context));
  for (Fact& fact : examine_shared_levels()) facts.push_back(std::move(fact));
  bool is_fine = true;
  for (const Fact& fact : facts) is_fine = is_fine && fact.problem.empty();

  if (context.wants_json) {
    Json told = Json::array();
    for (const Fact& fact : facts) {
      Json& json = told.emplace_back(Json{{"what", fact.what}, {"is", fact.is}});
      if (!fact.problem.empty()) json["problem"] = fact.problem;
    }
    context.print_json(Json{{"facts", std::move(told)}, {"is_fine", is_fine}});
  } else {
    for (const Fact& fact : facts) {
      context.print(fmt::format("{:<28}{}\n", fact.what, printable(fact.is)));
      if (!fact.problem.empty())
        context.print(fmt::format("{:<28}{}\n", "", context.style.red(printable(fact.problem))));
    }
  }
  return is_fine ? status::fine : status::wrong;
}

} // namespace kroton::tool
