#include "sluice/application.h"

#include <charconv>
#include <cstdio>
#include <fstream>
#include <mutex>

#include "client/launch.h"
#include "common/thrown.h"
#include "sluice/error.h"

namespace sluice {
namespace {

// Filled by static initialisers, also of second copies of modules.
struct Registry {
  std::mutex mutex;
  std::vector<const ApplicationEntry*> entries;
};
Registry& registry() {
  static auto* all = new Registry;  // modules outlive static destruction
  return *all;
}

// The comment lines right above the line of the entry, without their slashes, if the source is at hand.
std::string commentAbove(const ApplicationEntry& entry) {
  std::ifstream source(entry.file);
  std::string line, comment;
  for (int at = 1; at < entry.line && std::getline(source, line); ++at) {
    auto start = line.find_first_not_of(' ');
    if (start == std::string::npos || line.compare(start, 2, "//") != 0) {
      comment.clear();
      continue;
    }
    auto text = line.find_first_not_of("/ ", start);
    if (text != std::string::npos) comment += (comment.empty() ? "" : " ") + line.substr(text);
  }
  return comment;
}

std::string usageOf(const ApplicationEntry* entry) {
  if (!entry) return {};
  if (entry->usage) return std::string("; usage: ") + entry->name + " " + entry->usage;
  std::string comment = commentAbove(*entry);
  return comment.empty() ? std::string() : "; " + comment;
}

}  // namespace

inline namespace SLUICE_ABI {

void Registrar::add(const ApplicationEntry& entry) {
  std::lock_guard lock(registry().mutex);
  registry().entries.push_back(&entry);
}

const std::string& Args::missing(std::size_t i) const {
  throwError(ErrorKind::kInvalidArgument, "needs at least " + std::to_string(i + 1) + (i == 0 ? " argument" : " arguments") +
                                              ", not " + std::to_string(words_.size()) + usageOf(entry_));
}

long Args::number(std::size_t i) const {
  const std::string& word = at(i);
  long value = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) {
    throwError(ErrorKind::kInvalidArgument,
               "argument " + std::to_string(i + 1) + " is '" + word + "', which is no whole number" + usageOf(entry_));
  }
  return value;
}

}  // inline namespace SLUICE_ABI

Launch& launch() {
  static auto* facts = new Launch;
  return *facts;
}

std::vector<const ApplicationEntry*> applicationsOf(const ImageTable& images) {
  std::vector<const ApplicationEntry*> found;
  std::lock_guard lock(registry().mutex);
  for (const auto* entry : registry().entries) {
    for (std::size_t i = 1; i < images.images().size(); ++i) {
      if (images.holds(i, entry)) found.push_back(entry);
    }
  }
  return found;
}

absl::Status findApplication(const ImageTable& images, const std::string& name, const ApplicationEntry*& found) {
  found = nullptr;
  std::string names;
  auto all = applicationsOf(images);
  for (const auto* entry : all) {
    names += (names.empty() ? "" : ", ") + std::string(entry->name);
    if (name != entry->name) continue;
    if (found) {
      return absl::AlreadyExistsError("class " + name + " is defined twice: " + found->file + ":" + std::to_string(found->line) + " and " +
                                      entry->file + ":" + std::to_string(entry->line));
    }
    found = entry;
  }
  if (found) return absl::OkStatus();
  std::string file = images.images().size() > 1 ? images.images()[1].name : "the module";
  if (all.empty()) return absl::NotFoundError(file + " has no application; write SLUICE_APPLICATION(" + (name.empty() ? "Name" : name) + ") { ... } in it");
  if (name.empty()) {
    if (all.size() == 1) return found = all[0], absl::OkStatus();
    return absl::InvalidArgumentError(file + " has several applications; name one with --class: " + names);
  }
  return absl::NotFoundError("class " + name + " is not in " + file + ", which has: " + names);
}

int runApplication(const ApplicationEntry& entry, const std::vector<std::string>& args) {
  try {
    entry.run(Args(&entry, args));
    return 0;
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", entry.name, wordsOf(e).c_str());
    return e.kind() == ErrorKind::kUnavailable ? 3 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", entry.name, wordsOf(e).c_str());
  } catch (...) {
    std::fprintf(stderr, "%s: something that is no std::exception was thrown\n", entry.name);
  }
  return 1;
}

}  // namespace sluice
