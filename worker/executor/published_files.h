// Making staged files visible. Every step may be repeated, also by another executor after the first did half of it.
#pragma once
#include <string>

#include "proto/link.pb.h"
#include "sluice/abi.h"

namespace sluice::executor {

// All that the message asks for, on the disk when it returns: parts, markers, then rolled files. Throws Error.
SLUICE_INTERNAL void publishFiles(const proto::Publish& publish);

// Gives a staged part its final name, in place of what an earlier run left there; if there is no staged part any more it was done before.
SLUICE_INTERNAL void publishFile(const std::string& staged, const std::string& final);

// Marks a directory as whole. Parts in it that are none of these (0 up to parts - 1, with the extension) were left by an earlier run, and go.
SLUICE_INTERNAL void publishMarker(const std::string& marker, std::uint32_t parts, const std::string& extension);

}  // namespace sluice::executor
