/// Keys, the files they are in, and who is believed.
#include "cache/admission.hpp"
#include "cache/entry.hpp"
#include "cache/keyring.hpp"
#include "cache/sign.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/checksum.hpp"

using namespace kroton::cache;
using namespace kroton::test;
namespace fs = std::filesystem;

namespace {

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  ::stat(path.c_str(), &status);
  return status.st_mode & 07777;
}

TrustedKeys only(const SigningKey& key) { return {{{"a", key.public_key()}}, {}}; }

} // namespace

TEST_CASE("a signature is RFC 8032's", "[cache]") {
  // Section 7.1, test 1.
  const auto key = SigningKey::parse(
      "kroton-ed25519-secret 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n");
  REQUIRE(key);
  CHECK(key->public_key().hex() ==
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const Signature signature = key->sign("");
  CHECK(signature[0] == 0xe5);
  CHECK(signature[63] == 0x0b);
  CHECK(is_signed_by(key->public_key(), "", signature));
  CHECK_FALSE(is_signed_by(key->public_key(), "x", signature));
  CHECK_FALSE(is_signed_by(SigningKey::generate().public_key(), "", signature));
}

TEST_CASE("keys read back from their texts, and from no others", "[cache]") {
  const SigningKey key = SigningKey::generate();
  CHECK(PublicKey::parse(key.public_key().to_text()) == key.public_key());
  const auto again = SigningKey::parse(key.to_text());
  REQUIRE(again);
  CHECK(again->public_key() == key.public_key());
  CHECK_FALSE(PublicKey::parse(key.to_text()));
  CHECK_FALSE(SigningKey::parse(key.public_key().to_text()));
  CHECK_FALSE(PublicKey::parse(key.public_key().to_text() + "x"));
  CHECK_FALSE(PublicKey::parse(""));
  std::string odd = key.public_key().to_text();
  odd[odd.size() - 2] = 'g';
  CHECK_FALSE(PublicKey::parse(odd));
  // The neutral element: with it as the key, a signature that fits everything is easily made.
  CHECK_FALSE(PublicKey::parse("kroton-ed25519-public 01" + std::string(62, '0')));
}

TEST_CASE("a pair of keys is written once, the secret one for its owner alone", "[cache]") {
  const TempDir dir;
  const fs::path config = dir.path() / "kroton";
  const SigningKey key = SigningKey::generate();
  CHECK(write_key_pair(config, key).empty());
  CHECK(mode_of(signing_key_path(config)) == 0600);
  CHECK(mode_of(config / "keys") == 0700);
  const LoadedKey loaded = load_signing_key(signing_key_path(config));
  REQUIRE(loaded.key);
  CHECK(loaded.key->public_key() == key.public_key());
  CHECK_THAT(write_key_pair(config, SigningKey::generate()), contains("is there already"));
  CHECK(load_signing_key(signing_key_path(config)).key->public_key() == key.public_key());
  CHECK(count_files(config) == 2);
  CHECK_FALSE(write_key_pair({}, key).empty());

  const TrustedKeys trusted = load_trusted_keys(config);
  REQUIRE(trusted.keys.size() == 1);
  CHECK(trusted.keys[0].name == "own");
  CHECK(trusted.contains(key.public_key()));
}

TEST_CASE("a secret key that others may read or write is refused with the remedy", "[cache]") {
  const TempDir dir;
  REQUIRE(write_key_pair(dir.path(), SigningKey::generate()).empty());
  const fs::path file = signing_key_path(dir.path());
  CHECK(load_signing_key(dir.path() / "none").problem.empty());
  const std::string secret = read_file(file);
  for (const mode_t mode : {0640, 0604, 0620, 0602}) {
    ::chmod(file.c_str(), mode);
    const LoadedKey loaded = load_signing_key(file);
    CHECK_FALSE(loaded.key);
    CHECK_THAT(loaded.problem, contains("chmod") && contains(file.string()));
    CHECK(loaded.problem.find(secret.substr(24, 16)) == std::string::npos);
  }
  ::chmod(file.c_str(), 0600);
  ::chmod(file.parent_path().c_str(), 0770);
  CHECK_THAT(load_signing_key(file).problem, contains("writable by others"));
  ::chmod(file.parent_path().c_str(), 0700);
  write_file(file, "kroton-ed25519-secret 00");
  CHECK_THAT(load_signing_key(file).problem, contains("holds no signing key"));
}

TEST_CASE("trusted keys are found by name, and what others could have placed is not", "[cache]") {
  const TempDir dir;
  const PublicKey a = SigningKey::generate().public_key(), b = SigningKey::generate().public_key();
  CHECK(load_trusted_keys(dir.path()).keys.empty());
  CHECK(trust_key(dir.path(), "farm", a).empty());
  CHECK(trust_key(dir.path(), "alice", b).empty());
  TrustedKeys trusted = load_trusted_keys(dir.path());
  REQUIRE(trusted.keys.size() == 2);
  CHECK(trusted.keys[0].name == "alice");
  CHECK(trusted.contains(a));
  CHECK(trusted.contains(b));
  CHECK(trusted.problems.empty());
  for (const char* name : {"", "../x", ".x", "a/b", "a b"})
    CHECK_FALSE(trust_key(dir.path(), name, a).empty());

  ::chmod((trusted_directory(dir.path()) / "farm.pub").c_str(), 0666);
  fs::create_symlink("alice.pub", trusted_directory(dir.path()) / "link.pub");
  write_file(trusted_directory(dir.path()) / "odd.pub", "x");
  trusted = load_trusted_keys(dir.path());
  REQUIRE(trusted.keys.size() == 1);
  CHECK(trusted.keys[0].key == b);
  CHECK(trusted.problems.size() == 3);
  ::chmod(trusted_directory(dir.path()).c_str(), 0777);
  CHECK(load_trusted_keys(dir.path()).keys.empty());
}

TEST_CASE("where signatures are asked for, only those of trusted keys admit an entry", "[cache]") {
  const Key key = key_of("a");
  const SigningKey signer = SigningKey::generate(), other = SigningKey::generate();
  const TrustedKeys trusted = only(signer);
  const Policy policy{.trusted = &trusted};
  const Artifact artifact = artifact_of("code");
  CHECK(admit(write_entry(key.record, artifact, &signer), key, policy).artifact);

  const auto reason = [&](const std::string& entry) {
    const Admission admission = admit(entry, key, policy);
    CHECK_FALSE(admission.artifact);
    return admission.reason;
  };
  CHECK(reason(write_entry(key.record, artifact)) == "entry unusable: it is not signed");
  CHECK_THAT(reason(write_entry(key.record, artifact, &other)), contains("is not trusted"));
  // Another's signature under a trusted name.
  std::string forged = write_entry(key.record, artifact, &other);
  const std::string& name = write_entry(key.record, artifact, &signer);
  forged.replace(forged.size() - 128, 32, name, name.size() - 128, 32);
  CHECK_THAT(reason(with_checksum(forged)), contains("was not signed by"));
  // A sound signed entry, replayed under another key's name.
  CHECK_THAT(reason(write_entry(key_of("b").record, artifact, &signer)),
             contains("belongs to another key"));
}

TEST_CASE("an entry that needs what the CPU lacks is unusable, and not damaged", "[cache]") {
  const Key key = key_of("a");
  const HasFeature has_v3 = [](std::string_view word) {
    return word == "x86-64-v3" || word == "gfni";
  };
  const auto admit_with = [&](std::string requirements, HasFeature has) {
    return admit(write_entry(key.record, {artifact_of("code").sections, std::move(requirements)}),
                 key, {.has_feature = has});
  };
  CHECK(admit_with("", nullptr).artifact);
  CHECK(admit_with("x86-64-v3", has_v3).artifact);
  CHECK(admit_with("x86-64-v3 gfni", has_v3).artifact);
  for (const char* words :
       {"x86-64-v4", "x86-64-v3 vaes", "x86-64-v3  gfni", " gfni", "gfn", "v3"}) {
    CAPTURE(words);
    const Admission admission = admit_with(words, has_v3);
    CHECK_FALSE(admission.artifact);
    CHECK_FALSE(admission.is_damaged);
    CHECK_THAT(admission.reason, contains("which this CPU lacks"));
  }
  CHECK(admit_with("x86-64-v3", nullptr).reason ==
        "entry unusable: it needs x86-64-v3, which this CPU lacks");
}

TEST_CASE("a store that holds a key signs what it publishes", "[cache]") {
  const TempDir dir, config;
  const SigningKey key = SigningKey::generate();
  REQUIRE(write_key_pair(config.path(), key).empty());
  Store::Options options = disk_options(dir.path());
  options.signing_key = signing_key_path(config.path());
  Store(options).publish(key_of("a"), artifact_of("code"));
  const ParsedEntry parsed = parse_entry(read_file(entry_path(dir.path(), key_of("a"))));
  REQUIRE(parsed.entry);
  CHECK(parsed.entry->signer == key.public_key());
  CHECK(parsed.entry->has_valid_signature());
}

TEST_CASE("a key that cannot be used is told of once, and entries are kept unsigned", "[cache]") {
  const TempDir dir, config;
  const CapturedLog log;
  REQUIRE(write_key_pair(config.path(), SigningKey::generate()).empty());
  ::chmod(signing_key_path(config.path()).c_str(), 0644);
  Store::Options options = disk_options(dir.path());
  options.signing_key = signing_key_path(config.path());
  Store store(options);
  store.publish(key_of("a"), artifact_of("code"));
  store.publish(key_of("b"), artifact_of("code"));
  CHECK(store.find(key_of("a")));
  const std::string text = log.text();
  CHECK_THAT(text, contains("entries are not signed"));
  CHECK(text.find("entries are not signed") == text.rfind("entries are not signed"));
}
