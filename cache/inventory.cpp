#include "cache/inventory.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>

#include <fcntl.h>
#include <fmt/format.h>

#include "cache/file.hpp"
#include "cache/layout.hpp"

namespace kroton::cache {
namespace {

constexpr std::size_t digest_digits = 64;

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// The number in "v12", or nothing.
std::optional<std::uint32_t> version_of(std::string_view folder) {
  if (folder.size() < 2 || folder[0] != 'v') return {};
  std::uint32_t version = 0;
  const char* end = folder.data() + folder.size();
  const auto [at, error] = std::from_chars(folder.data() + 1, end, version);
  if (error != std::errc{} || at != end) return {};
  return version;
}

FileKind kind_of(std::string_view name) {
  if (name.starts_with(temporary_prefix)) return FileKind::temporary;
  if (name.ends_with(claim_suffix)) return FileKind::claim;
  if (name.ends_with(crash_suffix)) return FileKind::crash;
  return name.ends_with(entry_suffix) ? FileKind::entry : FileKind::unknown;
}

/// False if `visit` returned it.
bool visit_folder(int directory, const std::string& folder, std::uint32_t version,
                  const std::function<bool(const StoredFile&)>& visit) {
  for (const std::string& name : list_directory(directory, folder.c_str())) {
    StoredFile file{version == 0 ? FileKind::quarantined : kind_of(name), version,
                    fmt::format("{}/{}", folder, name)};
    if (::fstatat(directory, file.path.c_str(), &file.status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (file.kind == FileKind::entry) {
      const auto stem = std::string_view(name).substr(0, name.size() - entry_suffix.size());
      if (stem.size() == digest_digits && is_hexadecimal(stem))
        file.digest = stem;
      else
        file.kind = FileKind::unknown;
    }
    if (!visit(file)) return false;
  }
  return true;
}

} // namespace

void visit_files(int directory, const std::function<bool(const StoredFile&)>& visit) {
  for (const std::string& top : list_directory(directory, ".")) {
    if (top == quarantine_name) {
      if (!visit_folder(directory, top, 0, visit)) return;
    } else if (const auto version = version_of(top)) {
      for (const std::string& shard : list_directory(directory, top.c_str()))
        if (!visit_folder(directory, fmt::format("{}/{}", top, shard), *version, visit)) return;
    }
  }
}

Inventory take_inventory(int directory) {
  Inventory all;
  const auto count = [](FileCount& c, const StoredFile& file) {
    ++c.files;
    c.nbytes += file.nbytes();
  };
  visit_files(directory, [&](const StoredFile& file) {
    switch (file.kind) {
    case FileKind::entry:
      all.entries.push_back(file);
      break;
    case FileKind::claim:
      count(all.claims, file);
      break;
    case FileKind::crash:
      count(all.crashes, file);
      break;
    case FileKind::temporary:
      count(all.temporaries, file);
      break;
    case FileKind::quarantined:
      count(all.quarantined, file);
      break;
    case FileKind::unknown:
      count(all.unknown, file);
      break;
    }
    return true;
  });
  std::sort(all.entries.begin(), all.entries.end(), [](const StoredFile& a, const StoredFile& b) {
    return std::tie(a.version, a.digest) < std::tie(b.version, b.digest);
  });
  return all;
}

std::vector<StoredFile> find_entries(int directory, std::uint32_t version,
                                     std::string_view prefix) {
  std::vector<StoredFile> found;
  if (!is_hexadecimal(prefix)) return found;
  const std::string top = "v" + std::to_string(version);
  for (const std::string& shard : prefix.size() >= 2 ? std::vector{std::string(prefix.substr(0, 2))}
                                                     : list_directory(directory, top.c_str())) {
    if (!shard.starts_with(prefix.substr(0, 2))) continue;
    visit_folder(directory, fmt::format("{}/{}", top, shard), version, [&](const StoredFile& file) {
      if (file.kind == FileKind::entry && file.digest.starts_with(prefix)) found.push_back(file);
      return true;
    });
  }
  std::sort(found.begin(), found.end(),
            [](const StoredFile& a, const StoredFile& b) { return a.digest < b.digest; });
  return found;
}

} // namespace kroton::cache
