#include "tools/kroton/store.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>
#include <fmt/format.h>
#include <kroton/cache.hpp>

#include "cache/keyring.hpp"
#include "cache/layout.hpp"
#include "cache/store.hpp"
#include "tools/kroton/levels.hpp"

namespace kroton::tool {
namespace {

constexpr std::size_t least_digits = 4, digest_digits = 64;

bool is_path(std::string_view key) {
  return key.find('/') != key.npos || key.ends_with(cache::entry_suffix);
}

/// A file outside of the directory, or anywhere in it; its name need not be that of its content.
cache::StoredFile file_at(const std::string& path) {
  cache::StoredFile file{cache::FileKind::entry,
                         cache::entry_version,
                         std::filesystem::absolute(path).string(),
                         {},
                         {}};
  if (::stat(path.c_str(), &file.status) != 0)
    throw Failure(status::wrong, fmt::format("{}: {}", path, cache::error_text(errno)));
  return file;
}

std::string ambiguity(const std::string& key, const std::vector<cache::StoredFile>& found) {
  constexpr std::size_t most_shown = 8;
  std::string text = fmt::format("{} names {} entries:", key, found.size());
  for (std::size_t i = 0; i < std::min(found.size(), most_shown); ++i)
    text += fmt::format("\n  {}", found[i].digest);
  return found.size() > most_shown ? text + "\n  …" : text;
}

void require_digits(const std::string& key) {
  if (key.size() >= least_digits && key.find_first_not_of("0123456789abcdef") == key.npos) return;
  throw Failure(status::usage,
                fmt::format("'{}' names no entry; a KEY is {} or more hexadecimal digits of a "
                            "digest, or the path of a file",
                            key, least_digits));
}

/// Takes in what was read of an entry, whose digest is known unless it came from a file of any
/// name.
void parse(LoadedEntry& loaded, std::string bytes) {
  cache::ParsedEntry parsed = cache::parse_entry(bytes);
  if (!parsed.entry) {
    loaded.fault = cache::to_string(parsed.fault);
    return;
  }
  const std::string digest = support::digest_of(parsed.entry->record).hex();
  loaded.entry = std::move(parsed.entry);
  loaded.bytes = std::move(bytes);
  if (loaded.file.digest.empty())
    loaded.file.digest = digest;
  else if (loaded.file.digest != digest)
    loaded.fault = fmt::format("it belongs to another key, {}", digest);
}

LoadedEntry received(const std::string& digest, FetchedEntry fetched) {
  LoadedEntry loaded;
  loaded.level = std::move(fetched.store);
  loaded.file.digest = digest;
  loaded.file.status.st_size = static_cast<off_t>(fetched.bytes.size());
  parse(loaded, std::move(fetched.bytes));
  return loaded;
}

std::string names_of(const std::vector<OpenedCache>& directories) {
  std::string names;
  for (const OpenedCache& opened : directories)
    names += (names.empty() ? "" : ", ") + opened.directory.string();
  return names;
}

} // namespace

OpenedCache open_cache(const Context& context) {
  if (context.directory.empty())
    throw Failure(
        status::failed,
        fmt::format("there is no cache directory: {}; name one with --dir", context.no_directory));
  cache::Fd fd(::open(context.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && (errno != ENOENT || context.is_directory_given))
    throw Failure(status::failed, fmt::format("cannot open {}: {}", context.directory.string(),
                                              cache::error_text(errno)));
  return {context.directory, std::move(fd)};
}

std::vector<OpenedCache> open_directories(const Context& context) {
  const std::vector<std::string> path = context.is_directory_given
                                            ? std::vector<std::string>{}
                                            : CacheOptions::from_environment().path;
  std::vector<OpenedCache> opened;
  if (path.empty() || !context.directory.empty()) opened.push_back(open_cache(context));
  for (const std::string& directory : path) {
    cache::Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd) opened.push_back({directory, std::move(fd)});
  }
  return opened;
}

cache::Record LoadedEntry::record() const {
  auto parsed = entry ? cache::parse_record(entry->record) : std::nullopt;
  return parsed ? std::move(*parsed) : cache::Record{};
}

std::optional<std::string> LoadedEntry::section(std::string_view name) const {
  const cache::Section* found = entry ? entry->artifact.find(name) : nullptr;
  return found ? cache::content_of(*found) : std::nullopt;
}

std::string LoadedEntry::source() const {
  return section("source").value_or(std::string(record().find("source").value_or("")));
}

std::string LoadedEntry::title() const {
  std::string text = section("summary").value_or("");
  if (text.empty() && source().starts_with("// ")) text = source().substr(3);
  return printable(text.substr(0, text.find('\n')));
}

std::string LoadedEntry::place() const {
  if (file.path.empty()) return level;
  return (std::filesystem::path(level) / file.path).string();
}

LoadedEntry load(const OpenedCache& opened, const cache::StoredFile& file) {
  LoadedEntry loaded;
  loaded.level = opened.directory.string();
  loaded.file = file;
  cache::FileBytes bytes = cache::read_file(opened.fd.get(), file.path.c_str(),
                                            cache::max_entry_bytes, {cache::Owner::any});
  loaded.is_unread = bytes.error != 0 || bytes.is_foreign;
  if (bytes.is_foreign)
    loaded.fault = "not a regular file, or too long for an entry";
  else if (bytes.error != 0)
    loaded.fault = fmt::format("cannot be read: {}", cache::error_text(bytes.error));
  if (!loaded.is_unread) parse(loaded, std::move(bytes.bytes));
  return loaded;
}

cache::StoredFile find_one(const OpenedCache& opened, const std::string& key) {
  if (is_path(key)) return file_at(key);
  require_digits(key);
  const auto found = cache::find_entries(opened.fd.get(), cache::entry_version, key);
  if (found.empty())
    throw Failure(status::wrong,
                  fmt::format("no entry of {} begins with {}", opened.directory.string(), key));
  if (found.size() > 1) throw Failure(status::wrong, ambiguity(key, found));
  return found.front();
}

LoadedEntry find_in_levels(const Context& context, const std::string& key) {
  if (is_path(key)) return load({}, file_at(key));
  require_digits(key);
  const std::vector<OpenedCache> directories = open_directories(context);
  std::vector<cache::StoredFile> found;
  const OpenedCache* first = nullptr;
  for (const OpenedCache& opened : directories)
    for (cache::StoredFile& file :
         cache::find_entries(opened.fd.get(), cache::entry_version, key)) {
      const auto is_same = [&](const cache::StoredFile& f) { return f.digest == file.digest; };
      if (std::any_of(found.begin(), found.end(), is_same)) continue; // an earlier level's is used
      if (!first) first = &opened;
      found.push_back(std::move(file));
    }
  if (found.size() > 1) throw Failure(status::wrong, ambiguity(key, found));
  if (first) return load(*first, found.front());
  if (key.size() == digest_digits && !context.is_directory_given)
    if (auto fetched = fetch_entry(key)) return received(key, std::move(*fetched));
  throw Failure(status::wrong,
                fmt::format("no entry of {} begins with {}", names_of(directories), key));
}

LoadedEntry whole(LoadedEntry loaded) {
  if (loaded.entry) return loaded;
  throw Failure(loaded.is_unread ? status::failed : status::wrong,
                fmt::format("{}: {}", loaded.place(), loaded.fault));
}

std::vector<cache::StoredFile> find_all(const OpenedCache& opened,
                                        const std::vector<std::string>& keys) {
  if (keys.empty()) return cache::find_entries(opened.fd.get(), cache::entry_version, "");
  std::vector<cache::StoredFile> files;
  for (const std::string& key : keys) files.push_back(find_one(opened, key));
  return files;
}

std::optional<cache::PublicKey> named_signer(const OpenedCache& opened,
                                             const cache::StoredFile& file) {
  std::array<char, cache::entry_trailer_bytes> end{};
  if (!S_ISREG(file.status.st_mode) || file.nbytes() < end.size()) return {};
  const auto [fd, error] = cache::open_at(opened.fd.get(), file.path.c_str(), O_RDONLY);
  if (!fd) return {};
  const auto from = static_cast<off_t>(file.nbytes() - end.size());
  if (::pread(fd.get(), end.data(), end.size(), from) != static_cast<ssize_t>(end.size()))
    return {};
  return cache::named_signer({end.data(), end.size()});
}

Signers::Signers() : keys_(cache::load_trusted_keys(cache::config_directory()).keys) {}

std::string Signers::name_of(const cache::PublicKey& key) const {
  const auto found = std::ranges::find(keys_, key, &cache::TrustedKey::key);
  return found == keys_.end() ? key.hex().substr(0, 16) : printable(found->name);
}

std::string Signers::full_name_of(const cache::PublicKey& key) const {
  const auto found = std::ranges::find(keys_, key, &cache::TrustedKey::key);
  return found == keys_.end() ? key.hex()
                              : fmt::format("{} ({})", printable(found->name), key.hex());
}

std::string Signers::prefix_of(const std::string& signer) const {
  constexpr std::size_t least = 8;
  const auto found = std::ranges::find(keys_, signer, &cache::TrustedKey::name);
  if (found != keys_.end()) return found->key.hex();
  if (signer.size() >= least && signer.find_first_not_of("0123456789abcdef") == signer.npos)
    return signer;
  throw Failure(
      status::wrong,
      fmt::format("there is no trusted key named {}; a signer is one of those that kroton "
                  "cache trust lists, or {} or more of the first digits of a key",
                  signer, least));
}

cache::SigningKey signing_key() {
  const std::filesystem::path file = cache::Store::Options::from_environment().signing_key;
  cache::LoadedKey loaded = file.empty() ? cache::LoadedKey{} : cache::load_signing_key(file);
  if (!loaded.key)
    throw Failure(status::failed,
                  loaded.problem.empty()
                      ? "you have no key to sign with; kroton cache keygen makes one"
                      : loaded.problem);
  return std::move(*loaded.key);
}

} // namespace kroton::tool
