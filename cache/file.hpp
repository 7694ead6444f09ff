#pragma once
/// The few file operations that the cache is made of, each returning an errno value or 0.
///
///   Fd directory = …;
///   FileBytes entry = read_file(directory.get(), "v2/ab/abcd.kro");
///   if (entry.error == ENOENT) …
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>

namespace kroton::cache {

/// Owns a file descriptor.
class Fd {
public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Fd();

  explicit operator bool() const { return number_ >= 0; }
  int get() const { return number_; }
  /// Closes now and returns 0 or an errno value: network file systems report a full disk here.
  int close();

private:
  int number_ = -1;
};

struct OpenedFd {
  Fd fd;
  int error = 0;
};

/// openat that is repeated when a signal interrupts it. Follows no symbolic link in the last part
/// of the path, and neither waits for a FIFO's other end nor leaks into child programs.
OpenedFd open_at(int directory, const char* path, int flags, mode_t mode = 0);

struct FileBytes {
  std::string bytes;
  struct stat status {};
  int error = 0;
  /// Something that is there under the name but can be no entry: a link, a directory, a FIFO, a
  /// file that is not of the owner asked for, or one longer than `max_bytes`. `bytes` is empty
  /// then.
  bool is_foreign = false;
};

/// Whose files are read.
enum class Owner : std::uint8_t {
  self, ///< The effective user's, and only those that nobody else can write to.
  any,  ///< Anybody's: what is in them is judged by other means.
};

struct ReadOptions {
  Owner owner = Owner::self;
  /// Not negative: a file whose time is further from now than this gets the present time.
  std::int64_t touch_after_s = -1;
};

/// A whole regular file, by read(2).
FileBytes read_file(int directory, const char* path, std::uint64_t max_bytes,
                    const ReadOptions& = {});

/// Writes everything, through short writes and interruptions. Beyond the limit on the length of
/// files it returns EFBIG, and no signal is seen.
int write_all(int fd, std::string_view bytes);

/// mkdirat with mode 0700; a directory that exists already is a success.
int make_directory(int parent, const char* name);

/// Removes a file, or a folder with all that is in it, and follows no link. Returns the errno value
/// of the first failure, or 0; ENOENT if there was nothing.
int remove_all(int directory, const std::string& path);

/// Returns when the names in a folder are on the disk, with 0 or an errno value; at once, with 0,
/// where the file system cannot tell.
int sync_folder(int directory, const char* path);

/// The names in a directory, without "." and ".."; as many as could be read.
std::vector<std::string> list_directory(int parent, const char* name);

/// "host-pid-random", for names that no other process or thread picks at the same time.
std::string unique_suffix();
/// This machine's name, reduced to characters that are safe in file names.
const std::string& host_name();

/// Text for an errno value: "Permission denied".
std::string error_text(int error);

} // namespace kroton::cache
