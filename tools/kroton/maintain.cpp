/// verify, gc and clear: keeping a cache directory in order.
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cache/store.hpp"
#include "cache/sweep.hpp"
#include "tools/kroton/commands.hpp"
#include "tools/kroton/elf.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

/// What is wrong with an entry beyond what reading it has shown.
std::string content_fault(const cache::Entry& entry) {
  if (!cache::parse_record(entry.record)) return "its record does not parse";
  if (entry.signer && !entry.has_valid_signature()) return "its signature is not of this entry";
  for (const cache::Section& section : entry.artifact.sections)
    if (!cache::content_of(section))
      return fmt::format("its section {} cannot be decoded", section.name);
  const cache::Section* object = entry.artifact.find("object");
  if (!object) return {};
  const std::string fault = parse_elf(*cache::content_of(*object)).fault;
  return fault.empty() ? "" : "its object: " + fault;
}

bool remove(const OpenedCache& opened, const cache::StoredFile& file) {
  const int error = cache::remove_all(opened.fd.get(), file.path);
  errno = error;
  return error == 0 || error == ENOENT;
}

} // namespace

int verify(const VerifyOptions& options, Context& context) {
  const OpenedCache opened = open_cache(context);
  const std::vector<cache::StoredFile> files = find_all(opened, options.keys);
  std::uint64_t sound = 0, damaged = 0, unread = 0, removed = 0;
  Json faults = Json::array();
  {
    Progress progress("verifying", files.size());
    for (const cache::StoredFile& file : files) {
      LoadedEntry loaded = load(opened, file);
      if (loaded.fault.empty()) loaded.fault = content_fault(*loaded.entry);
      progress.advance();
      if (loaded.fault.empty()) {
        ++sound;
        continue;
      }
      ++(loaded.is_unread ? unread : damaged);
      const bool is_removed = options.removes && !loaded.is_unread && remove(opened, file);
      removed += is_removed;
      if (context.wants_json)
        faults.push_back(
            {{"path", file.path}, {"fault", loaded.fault}, {"is_removed", is_removed}});
      else
        context.print(fmt::format("{}: {}{}\n", printable(file.path),
                                  context.style.red(printable(loaded.fault)),
                                  is_removed ? "; removed" : ""));
    }
  }
  if (context.wants_json)
    context.print_json(Json{{"faults", std::move(faults)},
                            {"sound", sound},
                            {"damaged", damaged},
                            {"unread", unread},
                            {"removed", removed}});
  else
    context.print(fmt::format("{} sound, {} damaged, {} unread\n", sound, damaged, unread));
  if (damaged > 0) return status::wrong;
  return unread > 0 ? status::failed : status::fine;
}

int collect(const CollectOptions& options, Context& context) {
  const OpenedCache opened = open_cache(context);
  const std::uint64_t bound = options.max_bytes.value_or(cache::Store::Options{}.max_bytes);
  const cache::SweepResult result = cache::sweep(opened.fd.get(), bound);
  if (context.wants_json) {
    context.print_json(Json{
        {"evicted", result.evicted}, {"nbytes_left", result.nbytes_left}, {"max_bytes", bound}});
  } else {
    context.print(fmt::format("{} evicted, {} left of at most {}\n", result.evicted,
                              bytes_text(result.nbytes_left), bytes_text(bound)));
  }
  return status::fine;
}

int clear(const ClearOptions& options, Context& context) {
  const OpenedCache opened = open_cache(context);
  cache::FileCount removed;
  int error = 0;
  const std::string signer = options.signer.empty() ? "" : Signers().prefix_of(options.signer);
  const auto is_meant = [&](const cache::StoredFile& file) {
    if (options.is_crashed) return file.kind == cache::FileKind::crash;
    if (signer.empty()) return file.kind != cache::FileKind::unknown;
    if (file.kind != cache::FileKind::entry || file.version != cache::entry_version) return false;
    const auto named = named_signer(opened, file);
    return named && named->hex().starts_with(signer);
  };
  cache::visit_files(opened.fd.get(), [&](const cache::StoredFile& file) {
    if (!is_meant(file)) return true;
    if (remove(opened, file)) {
      ++removed.files;
      removed.nbytes += file.nbytes();
    } else {
      error = errno;
    }
    return true;
  });
  if (context.wants_json) {
    context.print_json(Json{{"removed", removed.files}, {"nbytes", removed.nbytes}});
  } else {
    context.print(fmt::format("{} files removed, {}\n", removed.files, bytes_text(removed.nbytes)));
  }
  if (error != 0)
    throw Failure(status::failed, fmt::format("{}: some files could not be removed: {}",
                                              opened.directory.string(), cache::error_text(error)));
  return status::fine;
}

} // namespace kroton::tool
