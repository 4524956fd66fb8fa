// What a thread of the driver says of the jobs that it runs from now on (Spark's local properties).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/link.pb.h"

namespace sluice {

// Each thread has its own, and a thread that begins has none. They are one Context's: of the next one nothing is set.
class LocalProperties {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;
  using Ref = std::shared_ptr<const Map>;  // null: none are set

  static constexpr const char* kGroup = "sluice.jobGroup.id";
  static constexpr const char* kDescription = "sluice.job.description";
  static constexpr const char* kInterrupt = "sluice.job.interruptOnCancel";
  static constexpr const char* kTags = "sluice.job.tags";  // with commas between
  static constexpr const char* kPool = "sluice.scheduler.pool";
  // Of functions of a stream's batch.
  static constexpr const char* kBatch = "sluice.streaming.internal.batchTime";
  static constexpr const char* kOutput = "sluice.streaming.internal.outputOpId";

  static Ref of(std::uint64_t context);
  static std::optional<std::string> get(std::uint64_t context, std::string_view key);
  // No value: it is not set any more.
  static void set(std::uint64_t context, std::string_view key, std::optional<std::string_view> value);

  // As they are handed to a stream: its batches are of no group.
  static Ref withoutGroup(const Ref& properties);

  // This thread has these while the object lives.
  class Scope {
   public:
    Scope(std::uint64_t context, Ref properties);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::uint64_t context_;
    Ref outer_;
  };
};

// Of those that travel with a job; "" if it is not set.
std::string_view propertyOf(const LocalProperties::Ref& properties, std::string_view key);
bool hasTag(const LocalProperties::Ref& properties, std::string_view tag);
void addProperties(const LocalProperties::Ref& properties, google::protobuf::RepeatedPtrField<proto::Property>& to);

}  // namespace sluice
