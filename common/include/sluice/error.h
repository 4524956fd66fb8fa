// The one exception type of the public face.
#pragma once
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Where in the user's source an operation was written. In a chain over lines g++ names the end of the call.
struct CallSite {
  const char* file = "";
  int line = 0;
  static constexpr CallSite here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

enum class ErrorKind {
  kInvalidArgument,  // what was asked for makes no sense; change the call
  kIllegalState,     // not now: the context is stopped, already active, …
  kUserCode,         // a function of the application threw or crashed
  kLost,             // data that cannot be had again
  kUnavailable,      // a peer cannot be reached; may work later
  kCancelled,        // somebody asked for it: cancelJob, cancelJobGroup, FutureAction::cancel …
};

// What went wrong and what to do about it, in one line.
class SLUICE_EXPORT Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string what) : kind_(kind), what_(std::move(what)) {}
  ~Error() override;
  ErrorKind kind() const noexcept { return kind_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  ErrorKind kind_;
  std::string what_;
};

[[noreturn]] SLUICE_EXPORT void throwError(ErrorKind kind, std::string_view what);

}  // inline namespace SLUICE_ABI
}  // namespace sluice
