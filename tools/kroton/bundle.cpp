/// export and import: entries in one file, from one machine to another.
#include <cerrno>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cache/admission.hpp"
#include "cache/bundle.hpp"
#include "cache/store.hpp"
#include "tools/kroton/commands.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

/// A file that appears under its name when all of it has been written, or stdout for "-".
class OutputFile {
public:
  explicit OutputFile(const std::string& name)
      : name_(name == "-" ? "" : name), temporary_(name_ + ".tmp-" + cache::unique_suffix()) {
    if (name_.empty()) return;
    auto [fd, error] =
        cache::open_at(AT_FDCWD, temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0666);
    check(error);
    fd_ = std::move(fd);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (fd_) ::unlink(temporary_.c_str());
  }

  int write(std::string_view bytes) {
    return cache::write_all(name_.empty() ? STDOUT_FILENO : fd_.get(), bytes);
  }

  void keep(int error) {
    check(error);
    if (name_.empty()) return;
    check(::fsync(fd_.get()) == 0 ? 0 : errno);
    check(::rename(temporary_.c_str(), name_.c_str()) == 0 ? 0 : errno);
    check(fd_.close());
  }

private:
  void check(int error) const {
    if (error != 0)
      throw Failure(status::failed,
                    fmt::format("cannot write {}: {}", name_.empty() ? "the bundle" : name_,
                                cache::error_text(error)));
  }

  std::string name_, temporary_;
  cache::Fd fd_;
};

/// Reads a bundle from its beginning as often as wanted, entry by entry.
class InputFile {
public:
  explicit InputFile(const std::string& name)
      : name_(name), fd_(::open(name.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat found;
    if (!fd_ || ::fstat(fd_.get(), &found) != 0)
      throw Failure(status::failed,
                    fmt::format("cannot read {}: {}", name, cache::error_text(errno)));
    if (!S_ISREG(found.st_mode))
      throw Failure(status::usage, fmt::format("{} is no file, and import reads twice", name));
  }

  /// Calls `visit` with each entry file; throws Failure unless the bundle is whole.
  template <class Visit> void visit_entries(Visit visit) const {
    off_t at = 0;
    cache::BundleReader reader([&](char* to, std::size_t most) {
      const ssize_t got = ::pread(fd_.get(), to, most, at);
      at += std::max<ssize_t>(got, 0);
      return got;
    });
    while (const auto bytes = reader.next()) visit(*bytes);
    if (reader.fault() == cache::BundleFault::none) return;
    throw Failure(reader.error() == 0 ? status::wrong : status::failed,
                  fmt::format("{}: {}", name_,
                              reader.error() == 0 ? std::string(cache::to_string(reader.fault()))
                                                  : cache::error_text(reader.error())));
  }

private:
  std::string name_;
  cache::Fd fd_;
};

/// The digest that a sound entry is kept under; throws Failure for one that may not be installed.
support::Digest admit(const std::string& bytes, const cache::TrustedKeys* trusted) {
  const cache::ParsedEntry parsed = cache::parse_entry(bytes);
  if (!parsed.entry)
    throw Failure(status::wrong,
                  fmt::format("nothing imported: an entry of the bundle is damaged: {}",
                              cache::to_string(parsed.fault)));
  const support::Digest digest = support::digest_of(parsed.entry->record);
  if (!trusted) return digest;
  if (const std::string why = cache::why_not_trusted(*parsed.entry, *trusted); !why.empty())
    throw Failure(status::wrong,
                  fmt::format("nothing imported: entry {:.12}: {}; see kroton cache trust, or "
                              "--unsigned if you know where the bundle comes from",
                              digest.hex(), why));
  return digest;
}

bool is_sound(const OpenedCache& opened, const support::Digest& digest) {
  const auto found = cache::find_entries(opened.fd.get(), cache::entry_version, digest.hex());
  return found.size() == 1 && load(opened, found.front()).fault.empty();
}

/// Installs the entries that are not there; when one cannot be, those before it go again.
std::uint64_t install(const InputFile& bundle, std::uint64_t count,
                      const cache::TrustedKeys* trusted, const Context& context) {
  cache::DiskLevel level(context.directory, {});
  if (const std::string refusal = level.refusal(); !refusal.empty())
    throw Failure(status::failed, refusal);
  const OpenedCache opened = open_cache(context);
  std::vector<cache::StoredFile> installed;
  Progress progress("importing", count);
  try {
    bundle.visit_entries([&](const std::string& bytes) {
      // Judged again: the file may have been changed since it was first read.
      const support::Digest digest = admit(bytes, trusted);
      progress.advance();
      if (is_sound(opened, digest)) return;
      const cache::DiskPublish published = level.publish(digest, bytes, true);
      if (!published.failure.empty())
        throw Failure(status::failed, fmt::format("nothing imported: {}: {}",
                                                  context.directory.string(), published.failure));
      for (auto& file : cache::find_entries(opened.fd.get(), cache::entry_version, digest.hex()))
        installed.push_back(std::move(file));
    });
  } catch (...) {
    for (const cache::StoredFile& file : installed)
      ::unlinkat(opened.fd.get(), file.path.c_str(), 0);
    throw;
  }
  return installed.size();
}

} // namespace

int export_bundle(const ExportOptions& options, Context& context) {
  if (options.file == "-" && context.wants_json)
    throw Failure(status::usage, "the output cannot be the bundle and JSON at once");
  const OpenedCache opened = open_cache(context);
  std::optional<cache::SigningKey> key;
  if (options.signs) key.emplace(signing_key());
  const auto files = find_all(opened, options.keys);

  OutputFile file(options.file);
  cache::BundleWriter writer([&](std::string_view bytes) { return file.write(bytes); });
  std::uint64_t exported = 0, left = 0;
  int error = 0;
  {
    Progress progress("exporting", files.size());
    for (const cache::StoredFile& stored : files) {
      if (error != 0) break;
      LoadedEntry loaded = load(opened, stored);
      progress.advance();
      if (!loaded.fault.empty()) {
        context.warn(fmt::format("{}: {}; left out", stored.path, loaded.fault));
        ++left;
        continue;
      }
      error =
          writer.add(key ? cache::write_entry(loaded.entry->record, loaded.entry->artifact, &*key)
                         : loaded.bytes);
      ++exported;
    }
  }
  file.keep(writer.finish());
  if (context.wants_json) {
    context.print_json(Json{{"exported", exported}, {"left_out", left}});
  } else if (options.file != "-") {
    context.print(
        fmt::format("{} exported{}\n", exported,
                    key ? fmt::format(", signed as {:.16}", key->public_key().hex()) : ""));
  }
  return left > 0 ? status::wrong : status::fine;
}

int import_bundle(const ImportOptions& options, Context& context) {
  if (context.directory.empty()) throw Failure(status::failed, context.no_directory);
  const InputFile bundle(options.file);
  const cache::TrustedKeys keys = cache::load_trusted_keys(cache::config_directory());
  const cache::TrustedKeys* trusted = options.trusts_unsigned ? nullptr : &keys;
  for (const std::string& problem : keys.problems)
    if (trusted) context.warn(problem);

  std::uint64_t count = 0;
  bundle.visit_entries([&](const std::string& bytes) {
    static_cast<void>(admit(bytes, trusted));
    ++count;
  });
  const std::uint64_t installed = install(bundle, count, trusted, context);
  if (context.wants_json) {
    context.print_json(Json{{"imported", installed}, {"there_already", count - installed}});
  } else {
    context.print(fmt::format("{} imported, {} there already\n", installed, count - installed));
  }
  return status::fine;
}

} // namespace kroton::tool
