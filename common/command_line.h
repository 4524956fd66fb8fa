// Command lines of the programs, over CLI11: one clear line for each mistake, with the nearest flag, and one table of exit codes.
// For the programs' mains only (CLI11 is slow to compile and no part of any library).
#pragma once
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice {

enum ExitCode {
  kExitOk = 0,
  kExitFailed = 1,       // the application failed; the daemon cannot run
  kExitUsage = 2,        // a wrong flag or setting
  kExitUnreachable = 3,  // no answer from the cluster
  kExitNotFound = 5,     // no such application or driver
};

// How many letters must change to make one of the other.
inline std::size_t lettersBetween(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
    }
  }
  return row[b.size()];
}

class CommandLine {
 public:
  // `usage`: the forms of the command, one a line.
  CommandLine(std::string program, const std::string& about, const std::string& usage, const std::string& version)
      : program_(std::move(program)), app_(about, program_) {
    app_.set_version_flag("--version", program_ + " " + version);
    auto formatter = std::make_shared<UsageFormatter>(usage);
    formatter->column_width(34);
    app_.formatter(formatter);
  }
  CLI::App& app() { return app_; }

  // Nothing: go on. Else the process ends with this code; what had to be said was said.
  std::optional<int> parse(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& help) {  // --help, --version
      return app_.exit(help);
    } catch (const CLI::ExtrasError&) {
      return unexpected(app_.remaining());
    } catch (const CLI::ParseError& error) {
      return fail(kExitUsage, error.what());
    }
    return std::nullopt;
  }

  // The line for arguments that nobody knows; the first that looks like a flag is the culprit.
  int unexpected(const std::vector<std::string>& arguments) const {
    for (const auto& argument : arguments) {
      if (argument.size() > 1 && argument[0] == '-') return fail(kExitUsage, "unknown flag " + argument.substr(0, argument.find('=')) + nearest(argument));
    }
    return fail(kExitUsage, "unexpected argument " + (arguments.empty() ? "" : arguments[0]) + "; " + program_ + " --help says how it is called");
  }

  int fail(int code, const std::string& line) const {
    std::fprintf(stderr, "%s: %s\n", program_.c_str(), line.c_str());
    return code;
  }

 private:
  struct UsageFormatter final : CLI::Formatter {
    explicit UsageFormatter(std::string forms) : usage(std::move(forms)) {}
    std::string make_usage(const CLI::App*, std::string) const override { return "Usage: " + usage + "\n"; }
    std::string usage;
  };

  std::string nearest(const std::string& flag) const {
    std::string name = flag.substr(0, flag.find('=')), best;
    std::size_t distance = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (const auto* option : app_.get_options()) {
      for (const auto& known : option->get_lnames()) {
        if (std::size_t letters = lettersBetween(name, "--" + known); letters < distance) distance = letters, best = "--" + known;
      }
    }
    return best.empty() ? "; " + program_ + " --help lists the flags" : "; did you mean " + best + "?";
  }

  std::string program_;
  CLI::App app_;
};

}  // namespace sluice
