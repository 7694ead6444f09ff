#include "tools/kroton/arguments.hpp"

#include <functional>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cache/store.hpp"
#include "tools/kroton/commands.hpp"

namespace kroton::tool {
namespace {

constexpr const char* key_help =
    "four or more of the first digits of an entry's digest, or the path of a file";
constexpr const char* exit_help =
    "Exit status: 0 all is well; 1 something is damaged, refused or not there; 2 the command line "
    "makes no sense;\n3 the system does not let it (permissions, disk, network). "
    "More in docs/kroton.md.";

/// The command line: each command's options, and what runs it.
class CommandLine {
public:
  explicit CommandLine(Context& context) : context_(context) {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", std::string("kroton " KROTON_VERSION));
    app_.footer(exit_help);
    add_common(app_.add_subcommand("doctor", "Say what is installed and chosen, and what is wrong"),
               [this] { return doctor(context_); });
    add_inspect();
    cache_ = app_.add_subcommand("cache", "Look at and look after a cache directory");
    cache_->require_subcommand(1);
    add_list();
    add_maintenance();
    add_why();
    add_bundles();
    add_keys();
    add_serve_check();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app_.exit(error); // --help, --version
      context_.warn(fmt::format("{}; see {} --help", error.what(), name_of_command()));
      return status::usage;
    }
    choose_directory();
    return chosen_();
  }

private:
  /// The options that every command takes, and what it does.
  CLI::App* add_common(CLI::App* command, std::function<int()> body) {
    command->add_flag("--json", context_.wants_json, "Write JSON");
    command->add_option("--dir", directory_, "The cache directory; else that of the environment")
        ->type_name("DIR");
    command->callback([this, body = std::move(body)] { chosen_ = body; });
    return command;
  }
  CLI::App* add(const char* name, const char* help, std::function<int()> body) {
    return add_common(cache_->add_subcommand(name, help), std::move(body));
  }

  void add_inspect() {
    auto* command = add_common(
        app_.add_subcommand("inspect", "Print an entry's record, source, assembly and log"),
        [this] { return inspect(inspect_, context_); });
    command->add_option("KEY", inspect_.key, key_help)->required();
    command->add_flag("--source", inspect_.source, "Only the source");
    command->add_flag("--asm", inspect_.assembly, "Only the assembly, in Intel's syntax");
    command->add_flag("--record", inspect_.record, "Only the record");
    command->add_flag("--summary", inspect_.summary, "Only what a plan's kernels are");
    command->add_flag("--log", inspect_.log, "Only what the compiler said");
  }

  void add_list() {
    add("stats", "Count entries and bytes", [this] { return stats(context_); });
    auto* command =
        add("ls", "List entries, the last used first", [this] { return list(list_, context_); });
    command->add_option("--sort", list_.order, "used, size or key")
        ->transform(CLI::CheckedTransformer(std::map<std::string, Order>{{"used", Order::used},
                                                                         {"size", Order::size},
                                                                         {"key", Order::key}})
                        .description(""))
        ->type_name("ORDER");
    command->add_option("--limit", list_.limit, "No more than so many")
        ->check(CLI::NonNegativeNumber.description(""))
        ->type_name("N");
    command->add_option("--tag", list_.tag, "Only those with this tag")->type_name("TAG");
    command = add("show", "Tell what an entry's key and content are made of",
                  [this] { return show(show_, context_); });
    command->add_option("KEY", show_.key, key_help)->required();
    command->add_flag("--full", show_.is_full, "Long values too");
  }

  void add_maintenance() {
    auto* command = add("verify", "Check entries, all of them if no KEY is given",
                        [this] { return verify(verify_, context_); });
    command->add_option("KEY", verify_.keys, key_help);
    command->add_flag("--remove", verify_.removes, "Delete those that are damaged");
    command = add("gc", "Evict the least recently used entries until the rest fits",
                  [this] { return collect(collect_, context_); });
    command->add_option("--max-size", collect_.max_bytes, "Bytes, or with a unit: 500M, 2G")
        ->transform(CLI::AsSizeValue(false).description(""))
        ->type_name("SIZE");
    command = add("clear", "Delete all entries, of every format",
                  [this] { return clear(clear_, context_); });
    command
        ->add_option("--signer", clear_.signer,
                     "Only entries that name this signer: a trusted key's NAME, or the first "
                     "digits of a key")
        ->type_name("SIGNER");
    command
        ->add_flag("--crashed", clear_.is_crashed,
                   "Only the notes that keep from being compiled what processes died of")
        ->excludes("--signer");
  }

  void add_why() {
    auto* command = add("why", "Tell in what two keys differ, field by field",
                        [this] { return why(why_, context_); });
    command->add_option("KEY", why_.key, key_help)->required();
    command->add_option("OTHER", why_.other, "another; else the nearest entry with the same tag");
    command->add_flag("--full", why_.is_full, "Differences of any length");
  }

  void add_bundles() {
    auto* command = add("export", "Write entries into one file, all of them if no KEY is given",
                        [this] { return export_bundle(export_, context_); });
    command->add_option("FILE", export_.file, "the bundle to write; - for the output")->required();
    command->add_option("KEY", export_.keys, key_help);
    command->add_flag("--sign", export_.signs, "Sign the entries with your key");
    command = add("import", "Put the entries of a bundle into the cache, all or none",
                  [this] { return import_bundle(import_, context_); });
    command->add_option("FILE", import_.file, "the bundle to read")->required();
    command->add_flag("--unsigned", import_.trusts_unsigned,
                      "Take entries that nobody you trust has signed: they will be executed");
  }

  void add_keys() {
    add("keygen", "Make the pair of keys by which your entries are known",
        [this] { return make_keys(context_); });
    auto* command = add("trust", "List the keys whose entries you trust, or add or remove one",
                        [this] { return trust(trust_, context_); });
    command->add_option("NAME", trust_.name, "what you call the key's owner");
    command->add_option("FILE", trust_.file, "the owner's public key");
    command->add_flag("--remove", trust_.removes, "Trust NAME no longer");
    command = add("sign", "Sign entries with your key, all of them if no KEY is given",
                  [this] { return sign(sign_, context_); });
    command->add_option("KEY", sign_, key_help);
  }

  void add_serve_check() {
    auto* command = add("serve-check", "Try whether an HTTP store does what the cache needs",
                        [this] { return check_store(check_, context_); });
    command->add_option("URL", check_.url, "the store; else KROTON_CACHE_URL");
    command->add_flag("--read-only", check_.is_read_only, "Upload nothing");
  }

  /// "kroton cache ls", as far as it could be understood.
  std::string name_of_command() const {
    std::string name = app_.get_name();
    for (const CLI::App* app = &app_; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      name += " " + app->get_name();
    }
    return name;
  }

  void choose_directory() {
    context_.is_directory_given = !directory_.empty();
    if (context_.is_directory_given) {
      context_.directory = directory_;
      return;
    }
    const auto options = cache::Store::Options::from_environment();
    context_.directory = options.directory;
    context_.no_directory = options.memory_only_reason;
  }

  Context& context_;
  CLI::App app_{"Tells about Kroton and looks after its kernel cache.", "kroton"};
  CLI::App* cache_ = nullptr;
  std::string directory_;
  std::function<int()> chosen_;
  InspectOptions inspect_;
  ListOptions list_;
  ShowOptions show_;
  VerifyOptions verify_;
  CollectOptions collect_;
  ClearOptions clear_;
  WhyOptions why_;
  ExportOptions export_;
  ImportOptions import_;
  TrustOptions trust_;
  std::vector<std::string> sign_;
  ServeCheckOptions check_;
};

} // namespace

int run(int argc, char** argv, Context& context) { return CommandLine(context).run(argc, argv); }

} // namespace kroton::tool
