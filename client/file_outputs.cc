#include "client/file_outputs.h"

#include <filesystem>
#include <string>

#include "sluice/error.h"

namespace sluice {

OutputRequest requestOf(const detail::FileOutput& files) {
  OutputRequest output;
  output.kind = proto::OUTPUT_FILES, output.name = files.method;
  std::error_code error;
  // A prefix that ends in a slash, or is empty, leaves only the time as the name.
  output.prefix = std::filesystem::absolute(files.path.empty() ? "./" : std::string(files.path), error).lexically_normal().string();
  output.suffix = files.suffix;
  output.files.set_format(files.objects ? proto::FORMAT_OBJECTS : proto::FORMAT_LINES);
  output.files.set_compression(proto::Compression(files.compression));
  output.files.set_schema(files.schema.data(), files.schema.size());
  return output;
}

OutputRequest requestOf(std::string_view directory, const RollingPolicy& policy) {
  OutputRequest output;
  output.kind = proto::OUTPUT_ROLLING, output.name = "saveAsRollingTextFiles";
  auto refuse = [&](const std::string& why) { throwError(ErrorKind::kInvalidArgument, output.name + ": " + why); };
  if (directory.empty()) refuse("the directory has no name");
  if (policy.maxBytes < 1) refuse("maxBytes is " + std::to_string(policy.maxBytes) + "; it must be above 0");
  if (policy.maxAge.milliseconds() < 1) refuse("maxAge is " + policy.maxAge.toString() + "; it must be above 0");
  std::error_code error;
  output.prefix = std::filesystem::absolute(std::string(directory), error).lexically_normal().string();
  while (output.prefix.size() > 1 && output.prefix.back() == '/') output.prefix.pop_back();
  output.files.set_roll_bytes(policy.maxBytes), output.files.set_roll_age_ms(policy.maxAge.milliseconds());
  output.files.set_compression(proto::Compression(policy.compression));
  return output;
}

}  // namespace sluice
