// What arrives on a link: frames of envelopes, hostile and well-formed.
#include "common/grpc/frame.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  // In one slice, or in two as the transport may have cut it.
  std::size_t cut = in.byte();
  std::string_view bytes = in.rest();
  cut = std::min(cut, bytes.size());
  grpc::Slice slices[] = {grpc::Slice(bytes.data(), cut), grpc::Slice(bytes.data() + cut, bytes.size() - cut)};
  std::vector<EnvelopePtr> envelopes;
  if (!decodeFrames(grpc::ByteBuffer(slices, 2), envelopes)) return 0;
  std::size_t held = 0;
  for (const auto& envelope : envelopes) {
    for (const auto& attachment : envelope->attachments) held += attachment.view().size();
  }
  fuzz::require(held <= bytes.size(), "attachments are parts of what arrived");
  if (envelopes.empty()) return 0;
  std::vector<EnvelopePtr> again;
  fuzz::require(decodeFrames(encodeFrames(envelopes), again) && again.size() == envelopes.size(), "what arrived can be sent on");
  for (std::size_t i = 0; i < again.size(); ++i) {
    fuzz::require(again[i]->attachments.size() == envelopes[i]->attachments.size(), "with all attachments");
    for (std::size_t a = 0; a < again[i]->attachments.size(); ++a) {
      fuzz::require(again[i]->attachments[a].view() == envelopes[i]->attachments[a].view(), "which are the same");
    }
  }
  return 0;
}
