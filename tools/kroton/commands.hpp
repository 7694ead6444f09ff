#pragma once
/// The commands. Each does its work, prints to the context, and returns an exit status;
/// arguments.hpp fills the options in from a command line. What cannot be done is thrown as
/// Failure.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/kroton/context.hpp"

namespace kroton::tool {

/// kroton cache stats: how much there is of what.
int stats(Context&);

enum class Order { used, size, key };
struct ListOptions {
  Order order = Order::used;
  std::uint64_t limit = 0; ///< 0: all.
  std::string tag;         ///< Empty: any.
};
/// kroton cache ls: a line an entry.
int list(const ListOptions&, Context&);

struct ShowOptions {
  std::string key;
  bool is_full = false; ///< Long values too.
};
/// kroton cache show: one entry's record and sections.
int show(const ShowOptions&, Context&);

struct VerifyOptions {
  std::vector<std::string> keys; ///< Empty: all.
  bool removes = false;          ///< Deletes what is damaged.
};
/// kroton cache verify: reads and checks entries.
int verify(const VerifyOptions&, Context&);

struct CollectOptions {
  std::optional<std::uint64_t> max_bytes; ///< Nothing: the cache's own bound.
};
/// kroton cache gc: evicts the least recently used, and what killed writers left.
int collect(const CollectOptions&, Context&);

struct ClearOptions {
  std::string signer;      ///< Only entries that name this signer; empty: everything.
  bool is_crashed = false; ///< Only notes of what processes died of.
};
/// kroton cache clear: removes everything that the cache keeps, or all of one signer's, or the
/// notes that keep something from being compiled.
int clear(const ClearOptions&, Context&);

struct WhyOptions {
  std::string key;
  std::string other; ///< Empty: the nearest entry of the same tag.
  bool is_full = false;
};
/// kroton cache why: in what two keys differ.
int why(const WhyOptions&, Context&);

struct ExportOptions {
  std::string file;              ///< "-": stdout.
  std::vector<std::string> keys; ///< Empty: all.
  bool signs = false;            ///< With the user's key, whoever signed them before.
};
/// kroton cache export: entries into one file.
int export_bundle(const ExportOptions&, Context&);

struct ImportOptions {
  std::string file;
  bool trusts_unsigned = false;
};
/// kroton cache import: entries from such a file into the directory, all or none.
int import_bundle(const ImportOptions&, Context&);

/// kroton cache keygen: makes the user's key pair.
int make_keys(Context&);

struct TrustOptions {
  std::string name; ///< Empty: lists the trusted keys.
  std::string file; ///< Holds a public key.
  bool removes = false;
};
/// kroton cache trust: whose entries are believed.
int trust(const TrustOptions&, Context&);

/// kroton cache sign: signs entries where they are; all if there are no keys.
int sign(const std::vector<std::string>& keys, Context&);

struct ServeCheckOptions {
  std::string url;           ///< Empty: that of the environment.
  bool is_read_only = false; ///< Nothing is to be uploaded.
};
/// kroton cache serve-check: whether an HTTP store does what the cache needs of it.
int check_store(const ServeCheckOptions&, Context&);

struct InspectOptions {
  std::string key;
  bool source = false, assembly = false, record = false, log = false,
       summary = false; ///< None: all.
};
/// kroton inspect: record, source, assembly and log of one entry; of a plan, its summary too.
int inspect(const InspectOptions&, Context&);

/// kroton doctor: versions, target, cache, and what is wrong with them.
int doctor(Context&);

} // namespace kroton::tool
