// A command that a task feeds with lines and reads lines from: what RDD::pipe is made of.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/abi.h"
#include "sluice/buffer.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Where lines for a command are put.
class PipeInput {
 public:
  explicit PipeInput(Buffer& to) : to_(&to) {}
  void operator()(std::string_view line) {
    to_->append(line);
    to_->push('\n');
  }

 private:
  Buffer* to_;
};

// One running command, with one thread that feeds and reads it. Ends it, and what it started, when it is dropped.
class SLUICE_EXPORT PipedCommand {
 public:
  // command[0]: path of the program, or a name to be found in PATH; environment: beside ours. Throws Error(kInvalidArgument) if it cannot be
  // started.
  PipedCommand(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment);
  ~PipedCommand();
  PipedCommand(const PipedCommand&) = delete;

  enum class Step {
    kLine,   // it wrote a line
    kInput,  // it would take more: fill input(), or endInput()
    kEnd,    // it is over, and was content
  };
  // Waits. Throws Error(kUserCode) with the command, its exit code and the last lines of its standard error if it is not content, and
  // Error(kUnavailable) once the task is cancelled.
  Step next(std::string& line, const TaskContext& task);
  Buffer& input();
  void endInput();

 private:
  struct Body;
  Body* body_;  // owned
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
