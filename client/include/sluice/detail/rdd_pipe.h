// Datasets through commands.
#pragma once
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "sluice/detail/rdd_files.h"
#include "sluice/ops/pipe.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Words between blanks.
SLUICE_EXPORT std::vector<std::string> wordsOf(std::string_view command);
// Throws Error(kInvalidArgument) if there is none.
SLUICE_EXPORT void checkCommand(const std::vector<std::string>& command);

template <class T> class RddPipe : public RddFiles<T> {
  using Base = RddFiles<T>;
  using Line = std::enable_if_t<!never<T>, std::string>;  // of T, so that RDD need not be known yet

 public:
  using Command = std::vector<std::string>;
  using Environment = std::map<std::string, std::string>;

  // Runs the command once for each partition, with the records as lines on its standard input (as they print), and gives the lines of its
  // standard output. It is no shell's: the command is cut into words at blanks; for a shell, pipe({"sh", "-c", "..."}). `environment` is added to
  // the executor's. A command that ends with another code than 0 fails the task, with its code and the last it said on standard error; one that
  // stops reading early does not.
  RDD<Line> pipe(std::string_view command, const Environment& environment = {}, CallSite at = CallSite::here()) const {
    return pipe(wordsOf(command), environment, at);
  }
  RDD<Line> pipe(std::initializer_list<const char*> command, const Environment& environment = {}, CallSite at = CallSite::here()) const {
    return pipe(Command(command.begin(), command.end()), environment, at);
  }
  RDD<Line> pipe(const Command& command, const Environment& environment = {}, CallSite at = CallSite::here()) const {
    return piped(command, environment, ops::NoContext(), ops::PrintElement(), at);
  }
  // With Spark's print hooks: printPipeContext(sluice::PipeInput& print) gives lines before the first record, and
  // printRDDElement(const T& record, sluice::PipeInput& print) those of each record, both by calling print(line).
  template <class Context, class Element>
  RDD<Line> pipe(const Command& command, const Environment& environment, Context printPipeContext, Element printRDDElement,
                        CallSite at = CallSite::here()) const {
    if constexpr (kBroken) return {};
    else if constexpr (!std::is_invocable_v<Context&, PipeInput&>) {
      static_assert(never<Context>, "sluice: the first hook of pipe, printPipeContext, takes sluice::PipeInput& and gives it lines");
      return {};
    } else if constexpr (!std::is_invocable_v<Element&, const T&, PipeInput&>) {
      static_assert(never<Element>, "sluice: the second hook of pipe, printRDDElement, takes a record and sluice::PipeInput&, and gives it lines");
      return {};
    } else return piped(command, environment, std::move(printPipeContext), std::move(printRDDElement), at);
  }

 protected:
  using Base::Base;
  using Base::kBroken;
  using Base::method;
  using Base::node_;

 private:
  template <class Context, class Element>
  RDD<Line> piped(const Command& command, const Environment& environment, Context context, Element element, CallSite at) const {
    if constexpr (kBroken || !kShippable<Context> || !kShippable<Element>) {
      if constexpr (!kBroken) usable<Context, PipeInput>(), usable<Element, T, PipeInput>();
      return {};
    } else {
      checkCommand(command);
      OpRef op = ops::Pipe<T, Context, Element>::of(command, environment, std::move(context), std::move(element));
      return RDD<Line>(step<std::string>(node_, op, method("pipe", at)));
    }
  }
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
