#include "test/cuda/emulator/module.hpp"
#include "test/cuda/emulator/header.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>

#include <fmt/format.h>

#include "jit/cpu/compiler.hpp"

namespace kroton::emulator {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Where `word` next stands alone.
std::size_t find_word(std::string_view text, std::string_view word, std::size_t from) {
  for (auto at = text.find(word, from); at != text.npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || !is_word(text[at - 1]);
    const auto end = at + word.size();
    if (begins && (end == text.size() || !is_word(text[end]))) return at;
  }
  return text.npos;
}

/// Takes a leading `name ( … )` or `name` off the text.
bool take_qualifier(std::string_view& text, std::string_view name) {
  text = trimmed(text);
  if (find_word(text, name, 0) != 0) return false;
  text.remove_prefix(name.size());
  if (const auto rest = trimmed(text); rest.starts_with('('))
    text = rest.substr(rest.find(')') + 1);
  return true;
}

/// The parts of a text between commas that stand in no brackets.
std::vector<std::string_view> between_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (std::string_view("([{<").find(text[at]) != std::string_view::npos) ++depth;
    if (std::string_view(")]}>").find(text[at]) != std::string_view::npos) --depth;
    if (text[at] != ',' || depth > 0) continue;
    parts.push_back(text.substr(begin, at - begin));
    begin = at + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// What stands after `__shared__`, up to the `;` or the end of a macro's line: a type, and then
/// arrays and scalars.
std::string shared_declarations(std::string_view declaration, bool is_extern) {
  while (take_qualifier(declaration, "__align__") || take_qualifier(declaration, "alignas")) {
  }
  std::string result;
  std::string_view type;
  for (std::string_view part : between_commas(declaration)) {
    part = trimmed(part);
    const auto bracket = std::min(part.find('['), part.size());
    const std::string_view dims = part.substr(bracket), named = trimmed(part.substr(0, bracket));
    auto begin = named.size();
    while (begin > 0 && is_word(named[begin - 1])) --begin;
    if (type.empty()) type = trimmed(named.substr(0, begin));
    const std::string_view name = named.substr(begin);
    if (!result.empty()) result += "; ";
    result += is_extern ? fmt::format("KROTON_EMULATED_DYNAMIC_SHARED({}, {})", name, type)
                        : fmt::format("KROTON_EMULATED_SHARED({}, {}, {})", dims, name, type);
  }
  return result;
}

std::string with_shared_arrays(std::string_view text) {
  static constexpr std::string_view word = "__shared__", before = "extern";
  std::string result;
  std::size_t from = 0;
  for (auto at = find_word(text, word, 0); at != text.npos; at = find_word(text, word, from)) {
    std::string_view kept = text.substr(from, at - from);
    auto end = text.find_first_of(";\n", at);
    end = std::min(end, text.size());
    const std::string_view head = trimmed(kept);
    const bool is_extern = head.ends_with(before);
    if (is_extern) kept = head.substr(0, head.size() - before.size());
    result += kept;
    result += shared_declarations(text.substr(at + word.size(), end - at - word.size()), is_extern);
    from = end;
  }
  return result.append(text.substr(from));
}

/// The text with the PTX that kernels use, `asm("name %0, %1;" : "=f"(y) : "f"(x))`, as what
/// abi.h's header defines: `y = kroton::emulator::name(x)`, with `_` for each `.`.
std::string with_named_instructions(std::string_view text) {
  static const std::regex instruction(
      R"re(asm\("([\w.]+) %0, %1;" : "=f"\((\w+)\) : "f"\((\w+)\)\))re");
  std::string result;
  std::cregex_iterator match(text.data(), text.data() + text.size(), instruction), end;
  const char* from = text.data();
  for (; match != end; ++match) {
    std::string name = (*match)[1];
    std::ranges::replace(name, '.', '_');
    result.append(from, (*match)[0].first);
    result +=
        fmt::format("{} = kroton::emulator::{}({})", (*match)[2].str(), name, (*match)[3].str());
    from = (*match)[0].second;
  }
  return result.append(from, text.data() + text.size());
}

/// Behind the bracket that closes the one at `open`.
std::size_t behind_closing(std::string_view text, std::size_t open) {
  const char opening = text[open], closing = opening == '(' ? ')' : '}';
  int depth = 0;
  for (std::size_t at = open; at < text.size(); ++at) {
    if (text[at] == opening) ++depth;
    if (text[at] == closing && --depth == 0) return at + 1;
  }
  return text.size();
}

std::string with_seen_copies(std::string_view text) {
  static constexpr std::string_view words = "struct alignas";
  static constexpr std::string_view member =
      " [[no_unique_address]] kroton::emulator::Copied kroton_copied{}; ";
  std::string result;
  std::size_t from = 0;
  for (auto at = find_word(text, words, 0); at != text.npos; at = find_word(text, words, from)) {
    const auto named = behind_closing(text, text.find('(', at));
    const auto body = text.find_first_of("{;", named);
    const bool is_definition = body != text.npos && text[body] == '{';
    const auto end = is_definition ? behind_closing(text, body) - 1 : named;
    result += text.substr(from, end - from);
    if (is_definition) result += member;
    from = end;
  }
  return result.append(text.substr(from));
}

} // namespace

std::vector<std::string> kernel_names(std::string_view text) {
  std::vector<std::string> names;
  static constexpr std::string_view word = "__global__";
  for (auto at = find_word(text, word, 0); at != text.npos; at = find_word(text, word, at + 1)) {
    std::string_view rest = text.substr(at + word.size());
    while (take_qualifier(rest, "__launch_bounds__") || take_qualifier(rest, "void")) {
    }
    const auto end = std::ranges::find_if_not(rest, is_word);
    names.emplace_back(rest.begin(), end);
  }
  return names;
}

std::string emulated_text(std::string_view text) {
  std::string result;
  result.append(abi_text).append(cuda_text).append("#line 1 \"kernel.cu\"\n");
  result += with_seen_copies(with_shared_arrays(with_named_instructions(text)));
  result += "\n#line 1 \"calls\"\n";
  for (const std::string& name : kernel_names(text))
    result += fmt::format(
        "extern \"C\" KROTON_UNSEEN void kroton_call_{0}(void** a) {{ kroton::emulator::call(&{0}, "
        "a); }}\n"
        "extern \"C\" KROTON_UNSEEN int kroton_parameters_{0}(int* sizes, int most) {{\n"
        "  return kroton::emulator::parameters(&{0}, sizes, most);\n}}\n",
        name);
  return result;
}

namespace {

jit::Module compiled(std::string_view text, const Build& build) {
  const std::string source = emulated_text(text);
  // Unoptimised: what runs for microseconds takes tens of milliseconds to compile.
  std::vector<std::string> arguments = jit::compile_arguments(
      jit::CpuTarget::host(),
      {.contraction = build.has_fma_contraction ? jit::Contraction::within_expression
                                                : jit::Contraction::never,
       .optimization = 0});
  arguments.insert(arguments.end(), {"-fsanitize=thread,alignment,array-bounds",
                                     "-fsanitize-recover=alignment,array-bounds"});
  const auto output =
      jit::compiler().compile({.source = source, .name = "emulated", .arguments = arguments});
  return jit::Module::load(output.object, "emulated");
}

} // namespace

Module::Module(std::string_view text, const Build& build) : code_(compiled(text, build)) {
  auto* state = static_cast<State*>(code_.symbol("kroton_emulator_state"));
  std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(state);
  for (const auto& [name, address] : code_.symbols())
    begin = std::min(begin, reinterpret_cast<std::uintptr_t>(address));
  for (const std::string& name : kernel_names(text)) {
    Kernel kernel{.name = name,
                  .call = reinterpret_cast<void (*)(void**)>(code_.symbol("kroton_call_" + name)),
                  .state = state,
                  .code_begin = begin,
                  .code_end = reinterpret_cast<std::uintptr_t>(state)};
    auto* parameters =
        reinterpret_cast<int (*)(int*, int)>(code_.symbol("kroton_parameters_" + name));
    kernel.parameter_bytes.resize(static_cast<std::size_t>(parameters(nullptr, 0)));
    parameters(kernel.parameter_bytes.data(), static_cast<int>(kernel.parameter_bytes.size()));
    kernels_.emplace(name, std::move(kernel));
  }
}

} // namespace kroton::emulator
