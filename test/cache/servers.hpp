#pragma once
/// HTTP stores for tests, on ports of their own of the loopback device.
///
///   Nginx store({.is_tls = true});            // a real one, which keeps what is PUT in
///   store.root() store.url();                              // "https://127.0.0.1:41234"
///
///   RawServer odd([](int connection, int) { say(connection, "HTTP/1.1 500 No\r\n…"); });
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/support/temp_dir.hpp"

namespace kroton::test {

/// A socket that listens on a port of the loopback device that the system chose.
class Listener {
public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(fd_, 64) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0)
      throw std::runtime_error("no port to listen on");
    port_ = ntohs(address.sin_port);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { ::close(fd_); }

  int fd() const { return fd_; }
  int port() const { return port_; }

private:
  int fd_;
  int port_ = 0;
};

inline void say(int connection, std::string_view text) {
  while (!text.empty()) {
    const auto n = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// What a client asks for, up to the empty line. A body is read too: a connection that is closed
/// with bytes unread takes the answer down with it.
inline std::string hear(int connection, std::string* body = nullptr) {
  std::string text;
  char c = 0;
  while (!text.ends_with("\r\n\r\n") && ::recv(connection, &c, 1, 0) == 1) text += c;
  constexpr std::string_view header = "Content-Length: ";
  const auto at = text.find(header);
  auto left = at == text.npos ? 0 : std::strtoul(text.c_str() + at + header.size(), nullptr, 10);
  for (; left > 0 && ::recv(connection, &c, 1, 0) == 1; --left)
    if (body) *body += c;
  return text;
}

/// Answers each connection as `answer(connection, how many came before)` does, then closes it.
class RawServer {
public:
  explicit RawServer(std::function<void(int connection, int index)> answer)
      : thread_([this, answer = std::move(answer)] {
          while (true) {
            const int connection = ::accept(listener_.fd(), nullptr, nullptr);
            if (connection < 0) return;
            answer(connection, count_++);
            ::close(connection);
          }
        }) {}
  ~RawServer() {
    ::shutdown(listener_.fd(), SHUT_RDWR);
    thread_.join();
  }

  std::string url() const { return fmt::format("http://127.0.0.1:{}", listener_.port()); }
  int connections() const { return count_; }

private:
  Listener listener_;
  std::atomic<int> count_ = 0;
  std::thread thread_;
};

struct NginxOptions {
  bool is_tls = false;
  std::string in_location = {}; ///< more directives: "limit_rate 1k;"
};

inline bool has_nginx() { return std::system("command -v nginx openssl >/dev/null 2>&1") == 0; }

/// nginx with GET, HEAD and PUT, one process, ended with the object.
class Nginx {
public:
  explicit Nginx(const NginxOptions& options = {}) : is_tls_(options.is_tls) {
    std::filesystem::create_directory(root());
    if (is_tls_) make_certificate();
    for (int attempt = 0; attempt < 5; ++attempt) {
      port_ = Listener().port(); // free a moment ago
      write_file(dir_.path() / "nginx.conf", configuration(options));
      start();
      if (is_up()) return;
      kill();
    }
    throw std::runtime_error("nginx does not start: " + read_file(dir_.path() / "error.log"));
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;
  ~Nginx() { kill(); }

  std::string url() const {
    return fmt::format("{}://127.0.0.1:{}", is_tls_ ? "https" : "http", port_);
  }
  std::filesystem::path root() const { return dir_.path() / "root"; }
  std::filesystem::path certificate() const { return dir_.path() / "certificate.pem"; }

  /// With SIGKILL: connections break where they are.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

private:
  std::string configuration(const NginxOptions& options) const {
    const std::string dir = dir_.path().string();
    std::string text = ::geteuid() == 0 ? "user root;\n" : "";
    text += fmt::format("daemon off;\nmaster_process off;\npid {0}/pid;\nerror_log {0}/error.log;\n"
                        "events {{}}\nhttp {{\n  access_log {0}/access.log;\n",
                        dir);
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
      text += fmt::format("  {}_temp_path {}/{};\n", kind, dir, kind);
    text += fmt::format("  server {{\n    listen 127.0.0.1:{}{};\n    root {};\n", port_,
                        is_tls_ ? " ssl" : "", root().string());
    if (is_tls_)
      text += fmt::format("    ssl_certificate {0}/certificate.pem;\n"
                          "    ssl_certificate_key {0}/key.pem;\n",
                          dir);
    text +=
        fmt::format("    client_max_body_size 256m;\n    location / {{\n      dav_methods PUT;\n"
                    "      create_full_put_path on;\n      {}\n    }}\n  }}\n}}\n",
                    options.in_location);
    return text;
  }

  void make_certificate() const {
    const std::string command =
        fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
                    "-keyout {0}/key.pem -out {0}/certificate.pem -days 1 -subj /CN=127.0.0.1 "
                    "-addext subjectAltName=IP:127.0.0.1 >/dev/null 2>&1",
                    dir_.path().string());
    if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl makes no certificate");
  }

  void start() {
    const std::string conf = (dir_.path() / "nginx.conf").string();
    const std::string log = (dir_.path() / "error.log").string();
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int nowhere = ::open("/dev/null", O_RDWR);
    for (int fd : {0, 1, 2}) ::dup2(nowhere, fd);
    ::execlp("nginx", "nginx", "-p", dir_.path().c_str(), "-e", log.c_str(), "-c", conf.c_str(),
             nullptr);
    ::_exit(127);
  }

  /// Waits until the port accepts connections; false if the process ended, or after five seconds.
  bool is_up() {
    using namespace std::chrono_literals;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    const auto deadline = std::chrono::steady_clock::now() + 5s;
    while (std::chrono::steady_clock::now() < deadline) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const bool is_connected =
          ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
      ::close(fd);
      if (is_connected) return true;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return false;
      }
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }

  TempDir dir_;
  bool is_tls_;
  int port_ = 0;
  pid_t pid_ = -1;
};

} // namespace kroton::test
