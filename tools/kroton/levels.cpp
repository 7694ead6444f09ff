#include "tools/kroton/levels.hpp"

#include <cerrno>
#include <chrono>

#include <fcntl.h>
#include <fmt/format.h>
#include <kroton/cache.hpp>
#include <nlohmann/json.hpp>

#include "cache/bounded_call.hpp"
#include "cache/directory.hpp"
#include "cache/http.hpp"
#include "cache/keyring.hpp"
#include "lib/support/environment.hpp"
#include "tools/kroton/commands.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

/// A digest that no entry has: nobody knows a text with it.
std::string absent_digest() {
  return support::digest_of("kroton serve-check " + cache::unique_suffix()).hex();
}

cache::HttpLevel open_store(const CacheOptions& options, const std::string& url) {
  return cache::HttpLevel(
      {.url = url,
       .certificates = options.certificates,
       .max_bytes = options.max_url_bytes,
       .connect_timeout = std::chrono::milliseconds(options.url_connect_timeout_ms),
       .timeout = std::chrono::milliseconds(options.url_timeout_ms)});
}

Fact examine_path(const std::string& path, const CacheOptions& options) {
  Fact fact{"cache path", path, {}};
  const auto examine = [path, is_trusted_unsigned = options.trusts_unsigned_path, fact] {
    Fact found = fact;
    const cache::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status;
    if (!fd || ::fstat(fd.get(), &status) != 0) {
      found.problem = fmt::format("cannot be opened: {}", cache::error_text(errno));
      return found;
    }
    found.is += fmt::format(", {} entries, {}", cache::take_inventory(fd.get()).entries.size(),
                            is_trusted_unsigned ? "believed unsigned" : "believed if signed");
    if (is_trusted_unsigned) found.problem = cache::why_untrusted(path, status);
    return found;
  };
  if (auto found = cache::call_within(std::chrono::milliseconds(options.url_timeout_ms), examine))
    return std::move(*found);
  fact.problem = fmt::format("it does not answer within {} ms", options.url_timeout_ms);
  return fact;
}

/// The variables by which libcurl is told of proxies, as far as they count for this address. In
/// capitals `http_proxy` does not: a server may set HTTP_PROXY for what it runs.
std::vector<Fact> examine_proxies(const std::string& url) {
  std::vector<const char*> names{"all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};
  if (cache::scheme_of(url) == "https")
    names.insert(names.begin(), {"https_proxy", "HTTPS_PROXY"});
  else
    names.insert(names.begin(), "http_proxy");
  std::string is;
  for (const char* name : names)
    if (const std::string value = support::variable(name); !value.empty())
      is += fmt::format("{}{}={}", is.empty() ? "" : ", ", name, cache::without_secrets(value));
  if (is.empty()) return {};
  return {{"cache store's proxy", is, {}}};
}

Fact examine_store(const CacheOptions& options) {
  Fact fact{"cache store", cache::without_secrets(options.url), {}};
  try {
    cache::HttpLevel store = open_store(options, options.url);
    const cache::HttpAnswer answer = store.ask("GET", absent_digest());
    if (!answer.is_absent)
      fact.problem = answer.is_success ? "it answers with something for an entry that is not there"
                                       : answer.reason;
  } catch (const std::exception& error) {
    fact.problem = error.what();
  }
  fact.is += options.trusts_unsigned_url ? ", believed unsigned" : ", believed if signed";
  if (const std::string why = cache::why_open_url(options); !why.empty())
    fact.problem += (fact.problem.empty() ? "" : "; ") + why;
  return fact;
}

Fact examine_signing_key(const CacheOptions& options) {
  if (options.signing_key.empty()) return {"signing key", "none", {}};
  cache::LoadedKey loaded = cache::load_signing_key(options.signing_key);
  return {"signing key", loaded.key ? loaded.key->public_key().hex() : "none",
          std::move(loaded.problem)};
}

/// Whether any shared level needs signatures.
bool wants_signatures(const CacheOptions& options) {
  return (!options.path.empty() && !options.trusts_unsigned_path) ||
         (!options.url.empty() && !options.trusts_unsigned_url);
}

Fact examine_trusted_keys(const CacheOptions& options) {
  const cache::TrustedKeys trusted = cache::load_trusted_keys(options.config_directory);
  Fact fact{"trusted keys", "", {}};
  for (const cache::TrustedKey& key : trusted.keys)
    fact.is += fmt::format("{}{} {:.16}", fact.is.empty() ? "" : ", ", key.name, key.key.hex());
  for (const std::string& problem : trusted.problems)
    fact.problem += (fact.problem.empty() ? "" : "; ") + problem;
  if (fact.is.empty()) {
    fact.is = "none";
    if (fact.problem.empty() && wants_signatures(options))
      fact.problem = "no entry of a shared level can be used: kroton cache trust NAME FILE, or "
                     "KROTON_CACHE_UNSIGNED";
  }
  return fact;
}

/// One thing that the store was asked to do.
struct Check {
  const char* what;
  std::string problem; ///< Empty if it did it.
  std::chrono::duration<double, std::milli> took;
};

std::vector<Check> run_checks(cache::HttpLevel& store, bool is_read_only) {
  std::vector<Check> checks;
  const auto check = [&](const char* what, const char* method, const std::string& digest,
                         std::string_view body, auto problem_of) {
    const auto start = std::chrono::steady_clock::now();
    const cache::HttpAnswer answer = store.ask(method, digest, body);
    checks.push_back({what, problem_of(answer), std::chrono::steady_clock::now() - start});
  };
  check("GET of an entry that is not there", "GET", absent_digest(), {},
        [](const cache::HttpAnswer& a) {
          return a.is_absent ? "" : "expected HTTP status 404 or 410, got " + a.reason;
        });
  if (is_read_only) return checks;

  // The same key each time, so that checks leave one entry behind, and another content each time,
  // so that one of an earlier check does not pass for it.
  const std::string record = cache::KeyBuilder{"serve-check/1"}.build().record;
  const std::string digest = support::digest_of(record).hex();
  const std::string entry = cache::write_entry(record, {{{"once", cache::unique_suffix()}}});
  const auto refused = [](const cache::HttpAnswer& a) { return a.is_success ? "" : a.reason; };
  check("PUT", "PUT", digest, entry, refused);
  check("HEAD", "HEAD", digest, {}, [&](const cache::HttpAnswer& a) -> std::string {
    if (!a.is_success) return a.reason;
    return a.content_length == static_cast<long long>(entry.size())
               ? ""
               : fmt::format("expected Content-Length {}, got {}", entry.size(), a.content_length);
  });
  check("GET", "GET", digest, {}, [&](const cache::HttpAnswer& a) -> std::string {
    if (!a.is_success) return a.reason;
    return a.body == entry ? "" : "it returned other bytes than it was sent";
  });
  return checks;
}

} // namespace

std::vector<Fact> examine_shared_levels() {
  const CacheOptions options = CacheOptions::from_environment();
  std::vector<Fact> facts;
  for (const std::string& path : options.path) facts.push_back(examine_path(path, options));
  if (!options.url.empty()) {
    facts.push_back(examine_store(options));
    for (Fact& fact : examine_proxies(options.url)) facts.push_back(std::move(fact));
  }
  facts.push_back(examine_signing_key(options));
  facts.push_back(examine_trusted_keys(options));
  return facts;
}

std::optional<FetchedEntry> fetch_entry(const std::string& digest) {
  const CacheOptions options = CacheOptions::from_environment();
  if (options.url.empty()) return {};
  cache::HttpLevel store = open_store(options, options.url);
  cache::HttpAnswer answer = store.ask("GET", digest);
  if (answer.is_absent) return {};
  if (!answer.is_success)
    throw Failure(status::failed, fmt::format("{}: {}", store.describe(), answer.reason));
  return FetchedEntry{store.describe(), std::move(answer.body)};
}

int check_store(const ServeCheckOptions& wanted, Context& context) {
  const CacheOptions options = CacheOptions::from_environment();
  const std::string url = wanted.url.empty() ? options.url : wanted.url;
  if (url.empty())
    throw Failure(status::usage, "there is no store to check: give a URL or set KROTON_CACHE_URL");
  cache::HttpLevel store = open_store(options, url);
  const std::vector<Check> checks = run_checks(store, wanted.is_read_only);

  bool is_fine = true;
  Json told = Json::array();
  for (const Check& check : checks) {
    is_fine = is_fine && check.problem.empty();
    Json& json = told.emplace_back(Json{
        {"what", check.what}, {"took_ms", check.took.count()}, {"is_fine", check.problem.empty()}});
    if (!check.problem.empty()) json["problem"] = check.problem;
    if (!context.wants_json)
      context.print(fmt::format("{:<36}{:>8.1f} ms  {}\n", check.what, check.took.count(),
                                check.problem.empty()
                                    ? context.style.green("fine")
                                    : context.style.red(printable(check.problem))));
  }
  if (context.wants_json)
    context.print_json(
        Json{{"store", store.describe()}, {"checks", std::move(told)}, {"is_fine", is_fine}});
  return is_fine ? status::fine : status::wrong;
}

} // namespace kroton::tool
