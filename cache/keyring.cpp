#include "cache/keyring.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include "cache/directory.hpp"
#include "cache/file.hpp"
#include "lib/support/environment.hpp"

namespace kroton::cache {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_key_file_bytes = 4096;
constexpr std::string_view public_suffix = ".pub";

fs::path public_key_path(const fs::path& config) { return config / "keys" / "signing.pub"; }

fs::path absolute_variable(const char* name) {
  fs::path path = support::variable(name);
  return path.is_absolute() ? path : fs::path();
}

struct Text {
  std::string text;
  struct stat status {};
  int error = 0;
  std::string problem; ///< Also empty when there is no such file.
};

/// A small regular file that nobody but its owner can write, in a folder of which the same holds.
Text read_trusted_file(const fs::path& path) {
  Text result;
  const auto refuse = [&](std::string problem) {
    result.text.clear();
    result.problem = std::move(problem);
    return result;
  };
  const Fd folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    result.error = errno;
    if (result.error == ENOENT) return result;
    return refuse(
        fmt::format("cannot open {}: {}", path.parent_path().string(), error_text(result.error)));
  }
  struct stat folder_status;
  if (::fstat(folder.get(), &folder_status) != 0)
    return refuse(
        fmt::format("cannot examine {}: {}", path.parent_path().string(), error_text(errno)));
  if (auto problem = why_untrusted(path.parent_path().string(), folder_status); !problem.empty())
    return refuse(std::move(problem));

  FileBytes file =
      read_file(folder.get(), path.filename().c_str(), max_key_file_bytes, {.owner = Owner::any});
  result.status = file.status;
  result.error = file.error;
  if (file.is_foreign) return refuse(fmt::format("{} is no file of a key", path.string()));
  if (file.error == ENOENT) return result;
  if (file.error != 0)
    return refuse(fmt::format("cannot read {}: {}", path.string(), error_text(file.error)));
  result.text = std::move(file.bytes);
  if (auto problem = why_untrusted(path.string(), file.status); !problem.empty())
    return refuse(std::move(problem));
  return result;
}

/// Writes a new file of that mode and renames it into place, over another only if told so.
int write_key_file(const fs::path& path, std::string_view text, mode_t mode, bool may_replace) {
  const fs::path temporary = path.parent_path() / (".tmp-" + unique_suffix());
  auto [fd, error] = open_at(AT_FDCWD, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, mode);
  if (error != 0) return error;
  error = write_all(fd.get(), text);
  if (error == 0 && ::fsync(fd.get()) != 0) error = errno;
  if (const int close_error = fd.close(); error == 0) error = close_error;
  if (error == 0) {
    // link fails where there is a file already; rename replaces it.
    const int status = may_replace ? ::rename(temporary.c_str(), path.c_str())
                                   : ::link(temporary.c_str(), path.c_str());
    if (status != 0) error = errno;
  }
  if (error != 0 || !may_replace) ::unlink(temporary.c_str());
  return error;
}

/// A file's name that is safe in messages and cannot lead out of the folder.
bool is_key_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_allowed);
}

/// Adds the key of one file to `trusted`, or says why not.
void add_key(TrustedKeys& trusted, const fs::path& path, std::string name) {
  const Text file = read_trusted_file(path);
  if (!file.problem.empty()) {
    trusted.problems.push_back(file.problem);
  } else if (file.error == 0) {
    if (const auto key = PublicKey::parse(file.text))
      trusted.keys.push_back({std::move(name), *key});
    else
      trusted.problems.push_back(fmt::format("{} holds no public key", path.string()));
  }
}

} // namespace

fs::path config_directory() {
  if (fs::path own = absolute_variable("KROTON_CONFIG_DIR"); !own.empty()) return own;
  if (const fs::path xdg = absolute_variable("XDG_CONFIG_HOME"); !xdg.empty())
    return xdg / "kroton";
  if (const fs::path home = absolute_variable("HOME"); !home.empty())
    return home / ".config" / "kroton";
  return {};
}

fs::path signing_key_path(const fs::path& config) { return config / "keys" / "signing.key"; }

fs::path trusted_directory(const fs::path& config) { return config / "trusted"; }

LoadedKey load_signing_key(const fs::path& path) {
  Text file = read_trusted_file(path);
  LoadedKey loaded;
  if (!file.problem.empty()) {
    loaded.problem = std::move(file.problem);
  } else if (file.error == 0) {
    if ((file.status.st_mode & (S_IRGRP | S_IROTH)) != 0)
      loaded.problem = fmt::format("{} is readable by others (mode {:04o}); chmod 600 {}, and make "
                                   "a new key if others may have read it",
                                   path.string(), file.status.st_mode & 07777, path.string());
    else if (auto key = SigningKey::parse(file.text))
      loaded.key.emplace(std::move(*key));
    else
      loaded.problem = fmt::format("{} holds no signing key", path.string());
  }
  ::sodium_memzero(file.text.data(), file.text.size());
  return loaded;
}

bool TrustedKeys::contains(const PublicKey& key) const {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const TrustedKey& trusted) { return trusted.key == key; });
}

TrustedKeys load_trusted_keys(const fs::path& config) {
  TrustedKeys trusted;
  if (config.empty()) return trusted;
  const std::string folder = trusted_directory(config).string();
  const int error = open_at(AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY).error;
  if (error == ENOTDIR || error == ELOOP)
    trusted.problems.push_back(fmt::format(
        "{} is a link or a file, not a folder, and no key in it is used; put a folder with the "
        "keys there",
        folder));
  else if (error != 0 && error != ENOENT)
    trusted.problems.push_back(fmt::format("cannot open {}: {}", folder, error_text(error)));
  std::vector<std::string> names = list_directory(AT_FDCWD, folder.c_str());
  std::sort(names.begin(), names.end());
  for (const std::string& name : names)
    if (!name.starts_with('.') && name.ends_with(public_suffix))
      add_key(trusted, trusted_directory(config) / name,
              name.substr(0, name.size() - public_suffix.size()));
  add_key(trusted, public_key_path(config), "own");
  return trusted;
}

std::string write_key_pair(const fs::path& config, const SigningKey& key) {
  if (config.empty()) return "no configuration directory: set HOME or KROTON_CONFIG_DIR";
  const fs::path secret = signing_key_path(config);
  if (const int error = make_directories(secret.parent_path()))
    return fmt::format("cannot create {}: {}", secret.parent_path().string(), error_text(error));
  std::string text = key.to_text();
  const int error = write_key_file(secret, text, 0600, false);
  ::sodium_memzero(text.data(), text.size());
  if (error == EEXIST) return fmt::format("{} is there already", secret.string());
  if (error != 0) return fmt::format("cannot write {}: {}", secret.string(), error_text(error));
  const fs::path shown = public_key_path(config);
  if (const int failure = write_key_file(shown, key.public_key().to_text(), 0644, true))
    return fmt::format("cannot write {}: {}", shown.string(), error_text(failure));
  return {};
}

std::string trust_key(const fs::path& config, std::string_view name, const PublicKey& key) {
  if (!is_key_name(name))
    return fmt::format("'{}' cannot name a key: letters, digits and -_. only", name);
  if (config.empty()) return "no configuration directory: set HOME or KROTON_CONFIG_DIR";
  const fs::path folder = trusted_directory(config);
  if (const int error = make_directories(folder))
    return fmt::format("cannot create {}: {}", folder.string(), error_text(error));
  const fs::path path = folder / (std::string(name) + std::string(public_suffix));
  if (const int error = write_key_file(path, key.to_text(), 0644, true))
    return fmt::format("cannot write {}: {}", path.string(), error_text(error));
  return {};
}

} // namespace kroton::cache
