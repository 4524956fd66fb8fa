// From a descriptor's place in an image to the descriptor: the one way by which an executor reaches code of the application.
#pragma once
#include <cstdint>

#include "proto/plan.pb.h"
#include "sluice/operator.h"
#include "sluice/receiver_base.h"
#include "sluice/type_desc.h"

namespace sluice::executor {

// Given by the shell (it holds the loaded images); lives longer than the Runtime. Any thread may call it.
class CodeResolver {
 public:
  virtual ~CodeResolver() = default;
  // The descriptor at this offset of the image. Throws Error(kInvalidArgument), in one line, if the image is not of this
  // application or no descriptor with that magic lies there.
  virtual const void* resolve(std::uint32_t image, std::uint64_t offset, std::uint64_t magic) = 0;
};

template <class Desc>
const Desc* resolveCode(CodeResolver& code, const proto::Code& at) {
  return static_cast<const Desc*>(code.resolve(at.image(), at.offset(), Desc::kMagic));
}

}  // namespace sluice::executor
