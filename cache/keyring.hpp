#pragma once
/// Where a user keeps the key that signs and the keys that are trusted:
///
///   $KROTON_CONFIG_DIR, else $XDG_CONFIG_HOME/kroton, else $HOME/.config/kroton
///     keys/signing.key     the secret key; mode 0600
///     keys/signing.pub     its public half, to hand out
///     trusted/NAME.pub     the keys of others
///
///   const fs::path config = config_directory();
///   write_key_pair(config, SigningKey::generate());           // "" or why not
///   trust_key(config, "build-farm", *PublicKey::parse(text));
///   TrustedKeys trusted = load_trusted_keys(config);
///
/// Files are believed only if they belong to the user (or to root, for those that an image brings
/// along) and nobody else can write to them or to their folder; a secret key, only if nobody else
/// can read it either. Nothing here throws except when memory runs out.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/sign.hpp"

namespace kroton::cache {

/// Empty when none of the variables above gives an absolute path.
std::filesystem::path config_directory();

struct LoadedKey {
  std::optional<SigningKey> key;
  std::string problem; ///< Why there is none, with the remedy; empty if there simply is no file.
};

std::filesystem::path signing_key_path(const std::filesystem::path& config);
std::filesystem::path trusted_directory(const std::filesystem::path& config);

/// The key in a file. Never tells anything of the file's content.
LoadedKey load_signing_key(const std::filesystem::path& file);

struct TrustedKey {
  std::string name; ///< The file's name without ".pub".
  PublicKey key;
};

struct TrustedKeys {
  std::vector<TrustedKey> keys; ///< By name.
  std::vector<std::string> problems;

  bool contains(const PublicKey&) const;
};

/// The trusted keys, and the user's own, named "own": whoever can use it can write entries.
TrustedKeys load_trusted_keys(const std::filesystem::path& config);

/// Writes both halves; returns why not, or nothing. Never replaces a key that is there.
std::string write_key_pair(const std::filesystem::path& config, const SigningKey&);

/// Keeps a key as trusted/NAME.pub; returns why not, or nothing. A name consists of letters,
/// digits and "-_." and does not begin with a dot; a name that is taken gets the new key.
std::string trust_key(const std::filesystem::path& config, std::string_view name, const PublicKey&);

} // namespace kroton::cache
