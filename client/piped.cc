// RDD::pipe: what its command may be.
#include "sluice/detail/rdd_pipe.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

std::vector<std::string> wordsOf(std::string_view command) {
  constexpr std::string_view kBlanks = " \t\n\r\f\v";
  std::vector<std::string> words;
  for (;;) {
    command.remove_prefix(std::min(command.find_first_not_of(kBlanks), command.size()));
    if (command.empty()) return words;
    std::size_t end = std::min(command.find_first_of(kBlanks), command.size());
    words.emplace_back(command.substr(0, end));
    command.remove_prefix(end);
  }
}

void checkCommand(const std::vector<std::string>& command) {
  if (command.empty() || command[0].empty()) throwError(ErrorKind::kInvalidArgument, "pipe: the command is empty");
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
