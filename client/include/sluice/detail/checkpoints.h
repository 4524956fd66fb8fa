// What the typed face says to libsluice of checkpoints of datasets.
#pragma once
#include <string>
#include <string_view>

#include "sluice/detail/graph.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

SLUICE_EXPORT void setCheckpointDir(ContextCore& context, std::string_view directory, CallSite site);
SLUICE_EXPORT std::string checkpointDirOf(ContextCore& context);  // "": not set
// `schema`: sluice::schemaOf of the owned record.
SLUICE_EXPORT void markForCheckpoint(const NodeRef& node, std::string_view schema, CallSite site);
SLUICE_EXPORT void markForLocalCheckpoint(const NodeRef& node, CallSite site);
SLUICE_EXPORT bool isCheckpointed(const NodeRef& node);
SLUICE_EXPORT std::string checkpointFileOf(const NodeRef& node);  // "": none
SLUICE_EXPORT NodeRef addCheckpointFile(ContextCore& context, std::string_view directory, std::string_view schema, const NodeFacts& facts);

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
