// The entry function of an application: what sluice-submit --class NAME runs.
//
//   // Counts words of each second's text: NetworkWordCount HOST PORT
//   SLUICE_APPLICATION(NetworkWordCount) {
//     sluice::StreamingContext ssc(sluice::Conf().setAppName("NetworkWordCount"), sluice::Seconds(1));
//     auto lines = ssc.socketTextStream(args.at(0), args.at(1));
//   }
//
// The comment above it is shown when an argument is missing, or the usage if it is named: SLUICE_APPLICATION(Name, "HOST PORT").
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

struct ApplicationEntry;

// The words after the module's name on the command line.
class SLUICE_EXPORT Args {
 public:
  Args(const ApplicationEntry* entry, std::vector<std::string> words) : entry_(entry), words_(std::move(words)) {}
  std::size_t size() const { return words_.size(); }
  bool empty() const { return words_.empty(); }
  // The i-th word, from 0. Throws Error(kInvalidArgument), which shows the application's usage, if there are fewer.
  const std::string& at(std::size_t i) const { return i < words_.size() ? words_[i] : missing(i); }
  const std::string& operator[](std::size_t i) const { return at(i); }
  // The i-th word, or `standard` if there are fewer.
  std::string get(std::size_t i, std::string standard) const { return i < words_.size() ? words_[i] : std::move(standard); }
  // The i-th word as a whole number. Throws Error(kInvalidArgument) if there are fewer or it is none, with the usage.
  long number(std::size_t i) const;
  // Likewise, or `standard` if there are fewer.
  long number(std::size_t i, long standard) const { return i < words_.size() ? number(i) : standard; }
  std::vector<std::string>::const_iterator begin() const { return words_.begin(); }
  std::vector<std::string>::const_iterator end() const { return words_.end(); }

 private:
  [[noreturn]] const std::string& missing(std::size_t i) const;
  const ApplicationEntry* entry_;
  std::vector<std::string> words_;
};

struct ApplicationEntry {
  const char* name;
  void (*run)(const Args&);
  const char* file;
  int line;
  const char* usage = nullptr;
};

struct Registrar {
  explicit Registrar(const ApplicationEntry& entry) { add(entry); }
  SLUICE_EXPORT static void add(const ApplicationEntry& entry);
};

#define SLUICE_APPLICATION(Name, ...)                                                                                               \
  [[gnu::section(".note.sluice"), gnu::used, gnu::aligned(4)]] static const ::sluice::AbiNote sluiceNote_##Name{};                  \
  static void sluiceRun_##Name(const ::sluice::Args& args);                                                                         \
  static const ::sluice::ApplicationEntry sluiceEntry_##Name{#Name, &sluiceRun_##Name, __FILE__, __LINE__ __VA_OPT__(, ) __VA_ARGS__}; \
  [[gnu::used]] static const ::sluice::Registrar sluiceRegistrar_##Name{sluiceEntry_##Name};                                        \
  static void sluiceRun_##Name([[maybe_unused]] const ::sluice::Args& args)

}  // inline namespace SLUICE_ABI
}  // namespace sluice
