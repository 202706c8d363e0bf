// The step loop by itself, with sinks that fail as told.
#include "services/decode/jobs/run_steps.h"

#include "tests/unit/services/worker_cluster.h"

namespace conclave {
namespace {

// What came out of one sequence; shared with its sink.
struct Outcome {
  Mutex mu;
  CondVar changed;
  std::vector<int32_t> ids;
  bool finished = false;
  absl::Status status;
};

class Sink : public TokenSink {
 public:
  // From the `fail_from`th token on the client counts as too slow.
  Sink(std::shared_ptr<Outcome> outcome, size_t fail_from)
      : outcome_(std::move(outcome)), fail_from_(fail_from) {}
  absl::Status Write(const SampledToken& token, SequenceEnd end) override {
    MutexLock lock(outcome_->mu);
    if (outcome_->ids.size() >= fail_from_) return ResourceExhausted("the client lags behind");
    outcome_->ids.push_back(token.id);
    return absl::OkStatus();
  }
  void Finish(const absl::Status& status) override {
    MutexLock lock(outcome_->mu);
    outcome_->finished = true;
    outcome_->status = status;
    outcome_->changed.NotifyAll();
  }

 private:
  const std::shared_ptr<Outcome> outcome_;
  const size_t fail_from_;
};

class RunStepsTest : public WorkerCluster {
 protected:
  static constexpr size_t kNever = 1000;

  RunStepsTest() {
    steps_ = std::make_unique<RunSteps>(state_, forward_, *model_, model_->config().vocab_size,
                                        StepLimits{.max_running = 2, .step_timeout = kPatience},
                                        metrics_);
  }
  ~RunStepsTest() override {
    state_.EvictAll();
    state_.WaitIdle(After(kPatience));
    state_.Stop();
    steps_.reset();
  }

  // Submits a sequence and computes its prompt here, in place of a prefill worker.
  std::shared_ptr<Outcome> Run(int max_tokens, size_t fail_from) {
    auto outcome = std::make_shared<Outcome>();
    auto sequence = std::make_shared<Sequence>();
    sequence->spec = {.request_id = "test",
                      .prompt = golden_.prompt,
                      .sampling = {.temperature = 0},
                      .max_tokens = max_tokens,
                      .ignore_eos = true,
                      .deadline = After(kPatience)};
    sequence->sink = std::make_unique<Sink>(outcome, fail_from);
    EXPECT_EQ(state_.Submit(sequence), absl::OkStatus());
    Forward prompt(model_, *cache_, pool_, experts_);
    const std::vector<SequenceChunk> chunk = {
        {.tokens = sequence->spec.prompt, .pages = sequence->pages}};
    const auto result = prompt.Step(chunk, {});
    EXPECT_TRUE(result.ok()) << result.status();
    auto first = Sample(result->logits, model_->config().vocab_size, sequence->spec.sampling,
                        static_cast<int64_t>(golden_.prompt.size()));
    absl::Status status;
    if (steps_->Emit(*sequence, *first, &status)) {
      state_.Join(sequence);
    } else {
      state_.End(sequence, status);
    }
    return outcome;
  }
  static absl::Status Await(Outcome& outcome) {
    MutexLock lock(outcome.mu);
    while (!outcome.finished) EXPECT_TRUE(outcome.changed.WaitUntil(outcome.mu, After(kPatience)));
    return outcome.status;
  }

  const std::shared_ptr<const Model> model_ = SharedModel();
  const std::unique_ptr<KvCache> cache_ = *KvCache::Create(model_->config(), model_->mode(), 16);
  LocalExperts experts_{model_, pool_};
  Forward forward_{model_, *cache_, pool_, experts_};
  MetricRegistry registry_;
  DecodeMetrics metrics_{registry_};
  DecodeState state_{16, {}, metrics_, [](const SequencePtr&) {}};
  std::unique_ptr<RunSteps> steps_;
};

TEST_F(RunStepsTest, ClientThatLagsBehindEndsAloneAndHoldsUpNobody) {
  const auto slow = Run(100, 5);
  const auto good = Run(static_cast<int>(golden_.greedy.size()), kNever);
  EXPECT_EQ(Await(*slow).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Await(*good), absl::OkStatus());
  EXPECT_EQ(good->ids, golden_.greedy);
  EXPECT_EQ(slow->ids.size(), 5u);
  EXPECT_EQ(state_.counts().free_pages, 16);
}

TEST_F(RunStepsTest, MoreSequencesThanAStepHoldsAllGetTheirTurn) {
  std::vector<std::shared_ptr<Outcome>> all;
  for (int i = 0; i < 5; ++i) all.push_back(Run(static_cast<int>(golden_.greedy.size()), kNever));
  for (const auto& outcome : all) {
    EXPECT_EQ(Await(*outcome), absl::OkStatus());
    EXPECT_EQ(outcome->ids, golden_.greedy);
  }
}

}  // namespace
}  // namespace conclave
