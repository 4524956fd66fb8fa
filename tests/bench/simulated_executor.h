// An executor that is only messages: it says what an executor says to the master, and runs nothing.
#pragma once
#include <cstdint>

#include "common/envelope.h"
#include "common/ids.h"

namespace sluice::bench {

// A job of three stages with `partitions` tasks each: source, exchange, exchange. Its output is in the last stage and returns nothing.
proto::Plan threeStages(std::uint32_t partitions);
inline constexpr std::uint64_t kThreeStages = 7;  // its template hash

EnvelopePtr reportOf(AppId app, std::uint64_t executor, std::uint32_t slots);
// RunJob of threeStages. The plan goes along only if `plan` is given: the master keeps it.
EnvelopePtr runThreeStages(AppId app, std::uint64_t number, const proto::Plan* plan);
// The answer to an Install or a Launch, null to anything else; all tasks are done at once.
EnvelopePtr answerOf(AppId app, std::uint64_t executor, const proto::Message& message);

}  // namespace sluice::bench
