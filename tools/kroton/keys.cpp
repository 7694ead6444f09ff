/// keygen, trust and sign: by whom entries are known.
#include <cerrno>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cache/keyring.hpp"
#include "cache/store.hpp"
#include "tools/kroton/commands.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

constexpr std::uint64_t max_key_bytes = 1024;

/// Messages of the keyring say themselves what failed.
void require(const std::string& problem) {
  if (!problem.empty()) throw Failure(status::failed, problem);
}

cache::PublicKey read_public_key(const std::string& file) {
  const std::string path = std::filesystem::absolute(file).string();
  const cache::FileBytes bytes =
      cache::read_file(-1, path.c_str(), max_key_bytes, {.owner = cache::Owner::any});
  if (bytes.error != 0 && !bytes.is_foreign)
    throw Failure(status::failed,
                  fmt::format("cannot read {}: {}", file, cache::error_text(bytes.error)));
  if (bytes.is_foreign) throw Failure(status::wrong, fmt::format("{} is no file of a key", file));
  const auto key = cache::PublicKey::parse(bytes.bytes);
  if (!key) throw Failure(status::wrong, fmt::format("{} holds no public key", file));
  return *key;
}

int list_trusted(Context& context) {
  const cache::TrustedKeys trusted = cache::load_trusted_keys(cache::config_directory());
  Json json{{"keys", Json::array()}, {"problems", trusted.problems}};
  for (const cache::TrustedKey& key : trusted.keys) {
    json["keys"].push_back({{"name", key.name}, {"key", key.key.hex()}});
    if (!context.wants_json)
      context.print(
          fmt::format("{}  {}\n", key.key.hex(), context.style.bold(printable(key.name))));
  }
  if (context.wants_json)
    context.print_json(json);
  else
    for (const std::string& problem : trusted.problems) context.warn(problem);
  return trusted.problems.empty() ? status::fine : status::wrong;
}

void forget(const std::string& name) {
  const std::filesystem::path path =
      cache::trusted_directory(cache::config_directory()) / (name + ".pub");
  if (name.find('/') != name.npos || ::unlink(path.c_str()) != 0)
    throw Failure(errno == ENOENT || name.find('/') != name.npos ? status::wrong : status::failed,
                  fmt::format("there is no trusted key named {}", name));
}

} // namespace

int make_keys(Context& context) {
  const std::filesystem::path config = cache::config_directory();
  const cache::SigningKey key = cache::SigningKey::generate();
  require(cache::write_key_pair(config, key));
  const std::string shown = cache::signing_key_path(config).replace_extension(".pub").string();
  if (context.wants_json) {
    context.print_json(Json{{"key", key.public_key().hex()}, {"public_file", shown}});
  } else {
    context.print(fmt::format("{}\nwhat you publish from now on is signed; hand out {}\n",
                              key.public_key().hex(), shown));
  }
  return status::fine;
}

int trust(const TrustOptions& options, Context& context) {
  if (options.name.empty()) return list_trusted(context);
  if (options.removes != options.file.empty())
    throw Failure(status::usage, options.removes ? "trust --remove takes a NAME alone"
                                                 : "trust takes a NAME and the FILE of a key");
  if (options.removes)
    forget(options.name);
  else
    require(
        cache::trust_key(cache::config_directory(), options.name, read_public_key(options.file)));
  return list_trusted(context);
}

int sign(const std::vector<std::string>& keys, Context& context) {
  const OpenedCache opened = open_cache(context);
  const cache::SigningKey key = signing_key();
  const auto files = find_all(opened, keys);
  cache::DiskLevel level(context.directory, {});
  require(level.refusal());

  std::uint64_t signed_entries = 0, left = 0;
  {
    Progress progress("signing", files.size());
    for (const cache::StoredFile& file : files) {
      const LoadedEntry loaded = load(opened, file);
      progress.advance();
      if (!loaded.fault.empty()) {
        context.warn(fmt::format("{}: {}; not signed", file.path, loaded.fault));
        ++left;
        continue;
      }
      if (loaded.entry->signer == key.public_key() && loaded.entry->has_valid_signature()) continue;
      const std::string& record = loaded.entry->record;
      require(level
                  .publish(support::digest_of(record),
                           cache::write_entry(record, loaded.entry->artifact, &key), true)
                  .failure);
      ++signed_entries;
    }
  }
  if (context.wants_json) {
    context.print_json(Json{{"signed", signed_entries}, {"left", left}});
  } else {
    context.print(fmt::format("{} signed as {:.16}\n", signed_entries, key.public_key().hex()));
  }
  return left > 0 ? status::wrong : status::fine;
}

} // namespace kroton::tool
