// What a function of the application can ask of the task that runs it: TaskContext::get(), null in the driver. As Spark's, but that numbers
// of stages and tasks are the application's own, and that resources and metrics are not told.
//
//   rdd.foreachPartition([](auto& records) {
//     auto* task = sluice::TaskContext::get();
//     auto to = std::make_shared<Connection>(task->partitionId());
//     task->addTaskFailureListener([to](sluice::TaskContext&, std::string_view why) { to->rollBack(why); });
//     for (auto& record : records) to->write(record);
//   });
//
// Listeners run when the task ends, failure listeners before completion listeners, and the one that was added last first. The function that
// added them may have returned by then, so they keep what they need by value or in a shared_ptr.
#pragma once
#include "sluice/operator.h"
