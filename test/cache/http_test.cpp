/// The HTTP level against a real nginx, plain and over TLS, and against stores that misbehave.
#include "cache/http.hpp"

#include <chrono>
#include <map>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cache/entry.hpp"
#include "cache/layout.hpp"
#include "cache/store.hpp"
#include "test/cache/servers.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

const std::string digest = key_of("a").digest.hex();

std::string entry_of(std::string content) {
  return write_entry(key_of("a").record, artifact_of(std::move(content)));
}

/// For stores that make one wait.
HttpOptions quick(std::string url) {
  return {.url = std::move(url), .connect_timeout = 300ms, .timeout = 500ms};
}

/// For stores that answer, on a machine that may have other things to do.
HttpOptions patient(std::string url) {
  return {.url = std::move(url), .connect_timeout = 20s, .timeout = 60s};
}

/// Why a lookup failed, or what it found.
std::string outcome_of(HttpLevel& level) {
  try {
    const auto found = level.find(digest);
    return found ? "found" : "nothing";
  } catch (const std::runtime_error& e) {
    return e.what();
  }
}

std::string answer(std::string_view status, std::string_view body, std::size_t told_length) {
  return fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}", status,
                     told_length, body);
}

/// A server that says the same to everybody.
std::function<void(int, int)> always(std::string text) {
  return [text = std::move(text)](int connection, int) {
    hear(connection);
    say(connection, text);
  };
}

void skip_without_nginx() {
  if (!has_nginx()) WARN("nginx or openssl is not installed: tools/install_deps.sh installs them");
}

} // namespace

TEST_CASE("what is published to nginx is found there, plain and over TLS", "[cache][http]") {
  skip_without_nginx();
  if (!has_nginx()) return;
  for (const bool is_tls : {false, true}) {
    CAPTURE(is_tls);
    const Nginx nginx({.is_tls = is_tls});
    HttpOptions options = patient(nginx.url() + "/");
    if (is_tls) options.certificates = nginx.certificate().string();
    HttpLevel level(options);
    CHECK_FALSE(level.find(digest));
    const std::string entry = entry_of(std::string(300'000, 'x'));
    level.publish(digest, entry);
    level.flush();
    CHECK(level.find(digest) == entry);
    CHECK(read_file(nginx.root() / entry_path(digest)) == entry);
    // The same again is not sent, another length is.
    fs::last_write_time(nginx.root() / entry_path(digest), fs::file_time_type{});
    level.publish(digest, entry);
    level.flush();
    CHECK(fs::last_write_time(nginx.root() / entry_path(digest)) == fs::file_time_type{});
    write_file(nginx.root() / entry_path(digest), entry.substr(0, 1000));
    level.publish(digest, entry);
    level.flush();
    CHECK(level.find(digest) == entry);
  }
}

TEST_CASE("a certificate that nobody vouches for is refused", "[cache][http]") {
  skip_without_nginx();
  if (!has_nginx()) return;
  const CapturedLog log;
  const Nginx nginx({.is_tls = true});
  HttpLevel level(patient(nginx.url()));
  CHECK_THAT(outcome_of(level), contains("certificate"));
  CHECK(outcome_of(level) == "nothing");
  CHECK_THAT(log.text(), contains("switched off for this process"));
}

TEST_CASE("one store's kernels serve another machine through nginx", "[cache][http]") {
  skip_without_nginx();
  if (!has_nginx()) return;
  const Nginx nginx;
  const TempDir here, there;
  const auto options = [&](const TempDir& dir) {
    Store::Options o = disk_options(dir.path());
    o.shared = {{std::make_shared<HttpLevel>(patient(nginx.url())), true}};
    return o;
  };
  const auto fresh = [] { return artifact_of("code"); };
  Store::Options first = options(here);
  CHECK(Store(first).get_or_make(key_of("a"), fresh).outcome == Outcome::made);
  static_cast<HttpLevel&>(*first.shared[0].level).flush();
  Store second(options(there));
  const Lookup lookup = second.get_or_make(key_of("a"), fresh);
  CHECK(lookup.outcome == Outcome::shared);
  CHECK(lookup.level == nginx.url());
  CHECK(second.get_or_make(key_of("a"), fresh).outcome == Outcome::disk);
}

TEST_CASE("nginx killed in the middle of an answer is a miss", "[cache][http]") {
  skip_without_nginx();
  if (!has_nginx()) return;
  const CapturedLog log;
  Nginx nginx({.in_location = "limit_rate 100k;"});
  fs::create_directories((nginx.root() / entry_path(digest)).parent_path());
  write_file(nginx.root() / entry_path(digest), entry_of(std::string(2'000'000, 'x')));
  HttpLevel level(patient(nginx.url()));
  std::thread killer([&] {
    std::this_thread::sleep_for(200ms);
    nginx.kill();
  });
  const auto start = Clock::now();
  CHECK(outcome_of(level) != "found");
  CHECK(Clock::now() - start < 10s);
  killer.join();
}

TEST_CASE("nginx killed in the middle of an upload leaves no entry", "[cache][http]") {
  skip_without_nginx();
  if (!has_nginx()) return;
  const CapturedLog log;
  Nginx nginx;
  HttpLevel level(patient(nginx.url()));
  std::thread killer([&] {
    std::this_thread::sleep_for(20ms);
    nginx.kill();
  });
  level.publish(digest, entry_of(std::string(200'000'000, 'x')));
  level.flush();
  killer.join();
  const fs::path kept = nginx.root() / entry_path(digest);
  CHECK((!fs::exists(kept) || parse_entry(read_file(kept)).entry));
}

TEST_CASE("a store that never answers costs one time-out, then nothing", "[cache][http]") {
  const CapturedLog log;
  const Listener silent; // accepts connections, and that is all
  HttpLevel level(quick(fmt::format("http://127.0.0.1:{}", silent.port())));
  const auto start = Clock::now();
  CHECK_THAT(outcome_of(level), contains("imeout"));
  const auto first = Clock::now() - start;
  CHECK(first >= 400ms);
  CHECK(first < 5s);
  const auto again = Clock::now();
  for (int i = 0; i < 100; ++i) CHECK(outcome_of(level) == "nothing");
  level.publish(digest, "entry");
  level.flush();
  CHECK(Clock::now() - again < 5s); // a time-out for each would be 50
}

TEST_CASE("a store that trickles is given its time-out and no more", "[cache][http]") {
  const CapturedLog log;
  std::atomic<bool> is_over = false;
  const RawServer trickle([&](int connection, int) {
    hear(connection);
    say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    while (!is_over) {
      say(connection, "x");
      std::this_thread::sleep_for(20ms);
    }
  });
  HttpLevel level(quick(trickle.url()));
  const auto start = Clock::now();
  CHECK_THAT(outcome_of(level), contains("imeout"));
  CHECK(Clock::now() - start < 5s);
  is_over = true;
}

TEST_CASE("a store that is slow each time costs one time-out in all", "[cache][http]") {
  const CapturedLog log;
  const RawServer slow([](int connection, int) {
    hear(connection);
    std::this_thread::sleep_for(700ms);
    say(connection, answer("404 No", "", 0));
  });
  HttpOptions options = patient(slow.url());
  options.timeout = 1500ms; // two look-ups of 600 ms too much, and half a one
  HttpLevel level(options);
  const auto start = Clock::now();
  for (int i = 0; i < 20; ++i) static_cast<void>(outcome_of(level));
  CHECK(Clock::now() - start < 5s);
  CHECK(slow.connections() >= 2);
  CHECK(slow.connections() <= 3);
  CHECK_THAT(log.text(), contains("switched off for this process"));
}

TEST_CASE("a store that answers at once is never tired of", "[cache][http]") {
  const CapturedLog log;
  const RawServer brisk(always(answer("404 No", "", 0)));
  HttpLevel level(patient(brisk.url()));
  for (int i = 0; i < 300; ++i) CHECK(outcome_of(level) == "nothing");
  CHECK(brisk.connections() == 300);
}

TEST_CASE("an address may say where a flat name is to stand", "[cache][http]") {
  const CapturedLog log;
  std::map<std::string, std::string> kept; // as bazel-remote keeps actions: by 64 digits
  const RawServer flat([&](int connection, int) {
    std::string body;
    const std::string head = hear(connection, &body);
    const std::string path =
        head.substr(head.find(' ') + 1, head.find(" HTTP") - head.find(' ') - 1);
    const std::string name = path.substr(path.rfind('/') + 1);
    const bool is_valid = path.starts_with("/ac/") && name.size() == 64 &&
                          name.find_first_not_of("0123456789abcdef") == name.npos;
    if (!is_valid)
      say(connection, answer("400 Bad", "", 0));
    else if (head.starts_with("PUT"))
      kept[name] = body, say(connection, answer("200 OK", "", 0));
    else if (!kept.contains(name))
      say(connection, answer("404 No", "", 0));
    else
      say(connection,
          answer("200 OK", head.starts_with("HEAD") ? "" : kept[name], kept[name].size()));
  });
  const std::string entry = entry_of("code");
  HttpLevel level(patient(flat.url() + "/ac/{digest}"));
  CHECK(outcome_of(level) == "nothing");
  level.publish(digest, entry);
  level.flush();
  REQUIRE(kept.size() == 1);
  CHECK_FALSE(kept.contains(digest)); // another format version has another name
  CHECK(level.find(digest) == entry);
  CHECK_THAT(outcome_of(*std::make_unique<HttpLevel>(patient(flat.url()))), contains("400"));
}

TEST_CASE("a dead store is tried twice for each of three look-ups, then switched off",
          "[cache][http]") {
  const CapturedLog log;
  const int port = Listener().port(); // closed again: connections are refused
  HttpLevel level(patient(fmt::format("http://127.0.0.1:{}", port)));
  for (int i = 0; i < 3; ++i) CHECK_THAT(outcome_of(level), contains("onnect"));
  CHECK(outcome_of(level) == "nothing");
  CHECK_THAT(log.text(), contains("switched off for this process"));
}

TEST_CASE("a server's own error is tried once more", "[cache][http]") {
  const CapturedLog log;
  const std::string entry = entry_of("code");
  const RawServer moody([&](int connection, int index) {
    hear(connection);
    say(connection, index == 0 ? answer("500 No", "", 0) : answer("200 OK", entry, entry.size()));
  });
  HttpLevel level(patient(moody.url()));
  CHECK(level.find(digest) == entry);
  CHECK(moody.connections() == 2);

  const RawServer broken(always(answer("503 No", "", 0)));
  HttpLevel other(patient(broken.url()));
  for (int i = 0; i < 3; ++i) CHECK(outcome_of(other) == "HTTP status 503");
  CHECK(broken.connections() == 6);
  CHECK(outcome_of(other) == "nothing");
  CHECK(broken.connections() == 6);
}

TEST_CASE("answers of the wrong size are not entries", "[cache][http]") {
  const CapturedLog log;
  const std::string entry = entry_of("code");
  const RawServer shorter(always(answer("200 OK", entry, entry.size() + 10)));
  HttpLevel first(patient(shorter.url()));
  CHECK(outcome_of(first) != "found");

  HttpOptions small = patient("");
  small.max_bytes = 100;
  const RawServer longer(always(answer("200 OK", entry, entry.size())));
  small.url = longer.url();
  HttpLevel second(small);
  CHECK(outcome_of(second) == "the entry is too long");
  CHECK(longer.connections() == 1);

  // Without a length, and without an end.
  const RawServer endless([](int connection, int) {
    hear(connection);
    say(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(10'000, 'x'));
  });
  small.url = endless.url();
  HttpLevel third(small);
  CHECK(outcome_of(third) == "the entry is too long");
}

TEST_CASE("an error page under status 200 is refused by the gate", "[cache][http]") {
  const CapturedLog log;
  const RawServer portal(always(answer("200 OK", "<html>log in</html>", 19)));
  Store store({.shared = {{std::make_shared<HttpLevel>(patient(portal.url())), true}}});
  CHECK_THAT(store.look_up(key_of("a")).miss_reason, contains("entry put aside: length differs"));
}

TEST_CASE("redirects are followed a few times, and never away from HTTP", "[cache][http]") {
  const CapturedLog log;
  const std::string entry = entry_of("code");
  const RawServer there(always(answer("200 OK", entry, entry.size())));
  const auto redirect = [](std::string to) {
    return always(fmt::format(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        to));
  };
  const RawServer once(redirect(there.url()));
  HttpLevel level(patient(once.url()));
  CHECK(level.find(digest) == entry);

  const RawServer loop(redirect("/again"));
  HttpLevel circling(patient(loop.url()));
  CHECK(outcome_of(circling) != "found");
  CHECK(loop.connections() == 4);

  const RawServer away(redirect("file:///etc/passwd"));
  HttpLevel fooled(patient(away.url()));
  CHECK(outcome_of(fooled) != "found");
}

// curl takes schemes in any case; an address in capitals used to count as one of plain HTTP.
TEST_CASE("no redirect leads from HTTPS to HTTP, however the scheme is spelled", "[cache][http]") {
  skip_without_nginx();
  if (!has_nginx()) return;
  const CapturedLog log;
  const std::string entry = entry_of("code");
  const RawServer plain(always(answer("200 OK", entry, entry.size())));
  const Nginx nginx(
      {.is_tls = true, .in_location = fmt::format("return 302 {}/kernel;", plain.url())});
  const std::string rest = nginx.url().substr(std::string_view("https").size());
  for (const char* scheme : {"https", "HTTPS", "Https", "hTTpS"}) {
    CAPTURE(scheme);
    HttpOptions options = patient(scheme + rest);
    options.certificates = nginx.certificate().string();
    HttpLevel level(options);
    CHECK(outcome_of(level) != "found");
  }
  CHECK(plain.connections() == 0);
}

TEST_CASE("a store that is believed unsigned over plain HTTP is warned of", "[cache][http]") {
  const auto log_of = [](std::string url, bool is_unsigned) {
    const CapturedLog log;
    static_cast<void>(Store::Options::from({.url = url, .trusts_unsigned_url = is_unsigned}));
    return log.text();
  };
  for (const char* scheme : {"http", "HTTP", "Http"}) {
    const std::string url = std::string(scheme) + "://me:secret@h/p";
    CHECK_THAT(log_of(url, true),
               contains(std::string(scheme) + "://h/p: believed unsigned over plain http"));
    CHECK(log_of(url, false).empty());
  }
  CHECK(log_of("https://h/p", true).empty());
  CHECK(log_of("HTTPS://h/p", true).empty());
}

TEST_CASE("an upload that is denied is the last one, and look-ups go on", "[cache][http]") {
  const CapturedLog log;
  const std::string entry = entry_of("code");
  const RawServer denying([&](int connection, int) {
    const std::string request = hear(connection);
    if (request.starts_with("PUT"))
      say(connection, answer("403 No", "", 0));
    else if (request.starts_with("HEAD"))
      say(connection, answer("404 No", "", 0));
    else
      say(connection, answer("200 OK", entry, entry.size()));
  });
  HttpLevel level(patient(denying.url()));
  level.publish(digest, entry);
  level.flush();
  const int connections = denying.connections();
  level.publish(digest, entry);
  level.flush();
  CHECK(denying.connections() == connections);
  CHECK(level.find(digest) == entry);
}

TEST_CASE("names and passwords in an address are sent and never shown", "[cache][http]") {
  CHECK(without_secrets("https://me:secret@h:1/p?token=x#y") == "https://h:1/p");
  CHECK(without_secrets("HTTPS://me:secret@h/p") == "HTTPS://h/p");
  CHECK(without_secrets("https://a@b@h") == "https://h");
  // Characters that a password should not have, and has all the same.
  for (const char* secret : {"se/cret", "se?cret", "se#cret", "se@cret", "/?#@", "se://cret"}) {
    CAPTURE(secret);
    CHECK(without_secrets(fmt::format("https://me:{}@h/p", secret)) == "https://h/p");
    CHECK(without_secrets(fmt::format("me:{}@h/p", secret)) == "h/p");
  }
  CHECK(without_secrets("nonsense") == "nonsense");

  const CapturedLog log;
  std::string heard;
  const RawServer server([&](int connection, int) {
    heard = hear(connection);
    say(connection, answer("401 No", "", 0));
  });
  std::string url = server.url();
  url.insert(7, "me:secret@");
  HttpLevel level(patient(url));
  for (int i = 0; i < 4; ++i) CHECK(outcome_of(level).find("secret") == std::string::npos);
  CHECK_THAT(heard, contains("Authorization: Basic"));
  CHECK(level.describe() == server.url());
  CHECK_THAT(log.text(), contains("switched off"));
  CHECK_THAT(log.text(), !contains("secret"));
}

TEST_CASE("an address that names no store is refused without asking anybody", "[cache][http]") {
  const CapturedLog log;
  for (const char* url : {"ftp://127.0.0.1/x", "file:///tmp", "nonsense://", "http://h/?q=1", "h/x",
                          "https://me:se?cret@h/x", "https://me:se#cret@h/x"}) {
    CAPTURE(url);
    HttpLevel level(patient(url));
    CHECK(outcome_of(level) != "found");
    CHECK(outcome_of(level) == "nothing");
    CHECK_THROWS_AS(level.ask("GET", digest), std::runtime_error);
    CHECK_THAT(log.text() + level.describe(), !contains("cret"));
  }
}

// The address sanitizer's own allocator may stay locked in a child that is forked while another
// thread allocates: GCC 12's does nothing about it.
#ifndef __SANITIZE_ADDRESS__
TEST_CASE("children forked while other threads ask a store can ask it at once",
          "[cache][http][threads-in-child]") {
  const CapturedLog log;
  const RawServer brisk(always(answer("404 No", "", 0)));
  HttpLevel level(patient(brisk.url()));
  CHECK(outcome_of(level) == "nothing"); // loads the plugin
  std::atomic<bool> is_over = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!is_over) static_cast<void>(outcome_of(level));
    });
  int right = 0;
  for (int i = 0; i < 20; ++i)
    right += wait_for(in_child([&] {
               ::alarm(30); // a child that waits for a lock for ever ends here
               return outcome_of(level) == "nothing";
             })) == 0;
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 20);
}
#endif

TEST_CASE("the child of a fork has connections of its own", "[cache][http][threads-in-child]") {
  const CapturedLog log;
  std::vector<int> open;
  std::vector<std::jthread> answering;
  RawServer server([&](int connection, int) { // keeps connections
    const int fd = open.emplace_back(::dup(connection));
    answering.emplace_back([fd] {
      while (!hear(fd).empty()) say(fd, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    });
  });
  HttpLevel level(patient(server.url()));
  const auto asks_over = [&](int connections) {
    return outcome_of(level) == "nothing" && server.connections() == connections;
  };
  CHECK(asks_over(1));
  CHECK(asks_over(1));
  CHECK(wait_for(in_child([&] { return outcome_of(level) == "nothing"; })) == 0);
  CHECK(server.connections() == 2);
  CHECK(asks_over(2));
  for (const int fd : open) ::shutdown(fd, SHUT_RDWR);
  answering.clear();
  for (const int fd : open) ::close(fd);
}

TEST_CASE("the child of a fork uploads on a thread of its own", "[cache][http][threads-in-child]") {
  const CapturedLog log;
  const std::string entry = entry_of("code");
  std::atomic<int> puts = 0;
  const RawServer server([&](int connection, int) {
    const std::string request = hear(connection);
    puts += request.starts_with("PUT");
    say(connection,
        request.starts_with("HEAD") ? answer("404 No", "", 0) : answer("201 OK", "", 0));
  });
  HttpLevel level(patient(server.url()));
  level.publish(digest, entry);
  level.flush();
  const pid_t child = ::fork();
  if (child == 0) {
    level.publish(digest, entry);
    level.flush();
    ::_exit(0);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(puts == 2);
}
