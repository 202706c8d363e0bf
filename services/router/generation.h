// Inside of the pipeline: one generation from its request to its last event.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "services/router/pipeline.h"
#include "services/router/text_stream.h"

namespace conclave {

// Prepare and the decode client's callbacks run one after the other, on different threads; Cancel
// on any.
class Generation : public GenerationHandle, public std::enable_shared_from_this<Generation> {
 public:
  Generation(Pipeline& pipeline, GenerationRequest request, std::shared_ptr<GenerationSink> sink);

  void Cancel() override;
  // Ends it with `reason` for the client.
  void CancelWith(absl::Status reason);
  // On the pipeline's pool: everything up to the first call of a decode worker.
  void Prepare();

 private:
  absl::Status Plan();  // validates and fills spec_, start_, text_
  // Calls a decode worker other than `except`; Unavailable when there is none.
  absl::Status Attempt(const std::string& except);
  void OnTokens(std::vector<GeneratedToken> tokens, std::optional<FinishReason> finish);
  void OnDone(absl::Status status);
  void Deliver(GenerationDelta delta);
  void Finish(FinishReason reason);
  void Fail(absl::Status status);
  void StopCall();
  absl::Status cancel_reason();

  Pipeline& pipeline_;
  GenerationRequest request_;
  std::shared_ptr<GenerationSink> sink_;  // null once the last event was given

  DecodeSpec spec_;
  GenerationStart start_;
  GenerationUsage usage_;
  std::optional<TextStream> text_;
  std::unique_ptr<WorkerSelector::Lease> lease_;
  bool started_ = false;  // OnStart was given
  bool retried_ = false;

  Mutex mu_;
  std::shared_ptr<DecodeCall> call_ GUARDED_BY(mu_);
  int attempt_ GUARDED_BY(mu_) = 0;
  bool stop_call_ GUARDED_BY(mu_) = false;  // the current call is not wanted any more
  absl::Status cancel_reason_ GUARDED_BY(mu_);
};

}  // namespace conclave
