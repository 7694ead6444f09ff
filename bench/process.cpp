#include "bench/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

Process::Process(const std::vector<std::string>& command,
                 const std::vector<std::pair<std::string, std::string>>& environment) {
  // A program that ended early shows as an end of its output, not as a signal to this one.
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> variables;
  for (char** v = environ; *v; ++v) {
    const std::string text = *v;
    bool is_replaced = false;
    for (const auto& [name, value] : environment)
      is_replaced = is_replaced || text.starts_with(name + "=");
    if (!is_replaced) variables.push_back(text);
  }
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (const std::string& t : texts) result.push_back(const_cast<char*>(t.c_str()));
    result.push_back(nullptr);
    return result;
  };

  std::array<int, 2> in{}, out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0)
    throw std::runtime_error(std::string("no pipe: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int failure = posix_spawnp(&id_, command.front().c_str(), &actions, nullptr,
                                   pointers(command).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  if (failure == 0) return;
  std::fclose(to_);
  std::fclose(from_);
  throw std::runtime_error("cannot run " + command.front() + ": " + std::strerror(failure));
}

Process::~Process() {
  std::fclose(to_);
  std::fclose(from_);
  int status = 0;
  waitpid(id_, &status, 0);
}

void Process::write_line(const std::string& line) {
  std::fputs((line + "\n").c_str(), to_);
  std::fflush(to_);
}

std::optional<std::string> Process::read_line() {
  char* text = nullptr;
  std::size_t room = 0;
  const ssize_t n = getline(&text, &room, from_);
  std::optional<std::string> line;
  if (n > 0) line = std::string(text, static_cast<std::size_t>(text[n - 1] == '\n' ? n - 1 : n));
  std::free(text);
  return line;
}

} // namespace bench
