// What an executor writes for good, all of it on the disk's thread: published output files and checkpoints.
#pragma once
#include <string>

#include "worker/executor/control.h"
#include "worker/executor/templates.h"
#include "worker/executor/values.h"

namespace sluice::executor {

class DurableFiles {
 public:
  DurableFiles(Control& control, Values& values, Templates& templates) : control_(control), values_(values), templates_(templates) {}

  // Makes staged files visible (published_files.h) and says Published. May be repeated.
  void onPublish(const proto::Publish& publish);
  // Writes these state partitions as files of their own and these panes into one, synced, and says CheckpointWritten.
  void onTakeCheckpoint(const proto::TakeCheckpoint& take);
  // Reads such files back as kept values.
  void onRestore(const proto::Restore& restore);

 private:
  Control& control_;
  Values& values_;
  Templates& templates_;
};

}  // namespace sluice::executor
