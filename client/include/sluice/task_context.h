// What a function of the application can ask of the task that runs it: TaskContext::get(), null in the driver. As Spark's, but that numbers
// of stages and tasks are the application's own.
//
//   words.foreachPartition([](auto& records) {
//     auto* task = sluice::TaskContext::get();
//     std::string name = "part-" + std::to_string(task->partitionId());
//     std::FILE* to = std::fopen(name.c_str(), "w");
//     task->addTaskFailureListener([name](sluice::TaskContext&, std::string_view) { std::remove(name.c_str()); });
//     for (const auto& word : records) std::fprintf(to, "%s\n", word.c_str());
//     std::fclose(to);
//   });
//
// Listeners run when the task ends, failure listeners before completion listeners, and the one that was added last first. The function that
// added them may have returned by then, so they keep what they need by value or in a shared_ptr.
#pragma once
#include "sluice/operator.h"
