#include "services/router/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "services/router/request_error.h"
#include "tests/unit/services/router/test_model.h"

namespace conclave {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::chrono::seconds kLong{60};

// Hands the calls to the test, which plays the decode workers.
class FakeDecodeClient : public DecodeClient {
 public:
  struct Call : DecodeCall {
    std::string address;
    DecodeSpec spec;
    DecodeEvents events;
    std::function<void()> on_cancel = [] {};
    void Cancel() override {
      {
        MutexLock lock(mu);
        if (std::exchange(cancelled, true)) return;
        changed.NotifyAll();
      }
      on_cancel();
    }
    // The handle of a call may still be on its way into the generation when that is cancelled; the
    // call is cancelled on arrival then.
    bool WaitCancelled() {
      MutexLock lock(mu);
      const SteadyTime deadline = Now() + kLong;
      while (!cancelled && changed.WaitUntil(mu, deadline)) {
      }
      return cancelled;
    }
    Mutex mu;
    CondVar changed;
    bool cancelled = false;

    void Tokens(const std::vector<TokenId>& ids,
                std::optional<FinishReason> finish = std::nullopt) {
      std::vector<GeneratedToken> tokens;
      for (TokenId id : ids) tokens.push_back({id, -0.5f, {}});
      events.on_tokens(std::move(tokens), finish);
    }
    // As the real client does: the events are dropped with the last of them.
    void Done(absl::Status status) { std::exchange(events, {}).on_done(std::move(status)); }
  };

  std::shared_ptr<DecodeCall> Generate(const std::string& address, const DecodeSpec& spec,
                                       SteadyTime, DecodeEvents events) override {
    auto call = std::make_shared<Call>();
    call->address = address;
    call->spec = spec;
    call->events = std::move(events);
    MutexLock lock(mu_);
    calls_.push_back(call);
    changed_.NotifyAll();
    return call;
  }
  std::shared_ptr<Call> Next() {
    MutexLock lock(mu_);
    const SteadyTime deadline = Now() + kLong;
    while (calls_.empty() && changed_.WaitUntil(mu_, deadline)) {
    }
    if (calls_.empty()) return nullptr;
    auto call = calls_.front();
    calls_.pop_front();
    return call;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::deque<std::shared_ptr<Call>> calls_;
};

class RecordingSink : public GenerationSink {
 public:
  void OnStart(const GenerationStart& event) override { start = event; }
  void OnDelta(const GenerationDelta& delta) override {
    content += delta.content;
    reasoning += delta.reasoning;
  }
  void OnFinish(FinishReason reason, const GenerationUsage& counts) override {
    usage = counts;
    End(reason, absl::OkStatus());
  }
  void OnError(const absl::Status& status) override { End(std::nullopt, status); }
  bool Wait() {
    MutexLock lock(mu_);
    const SteadyTime deadline = Now() + kLong;
    while (ends == 0 && changed_.WaitUntil(mu_, deadline)) {
    }
    return ends == 1;
  }

  GenerationStart start;
  std::string content, reasoning;
  GenerationUsage usage;
  std::optional<FinishReason> reason;
  absl::Status error;
  int ends = 0;

 private:
  void End(std::optional<FinishReason> why, absl::Status status) {
    MutexLock lock(mu_);
    ++ends;
    reason = why;
    error = std::move(status);
    changed_.NotifyAll();
  }
  Mutex mu_;
  CondVar changed_;
};

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() {
    for (const auto& [id, role] :
         {std::pair("d1", Role::kDecode), {"d2", Role::kDecode}, {"p1", Role::kPrefill}}) {
      MemberInfo member;
      member.id = id;
      member.role = role;
      member.grpc_address = id;
      members_.push_back(member);
    }
  }
  ~PipelineTest() override { pipeline_.Drain(Now() + kLong); }

  static GenerationRequest Chat(const std::string& question) {
    GenerationRequest request;
    request.input = std::vector<ChatMessage>{{"user", question}};
    request.deadline = Now() + kLong;
    return request;
  }
  std::shared_ptr<RecordingSink> Start(GenerationRequest request) {
    auto sink = std::make_shared<RecordingSink>();
    handle_ = pipeline_.Start(std::move(request), sink);
    return sink;
  }

  std::vector<MemberInfo> members_;
  MetricRegistry registry_;
  RouterMetrics metrics_{registry_};
  FakeDecodeClient decode_;
  WorkerSelector workers_{[this](Role role) {
                            std::vector<MemberInfo> out;
                            for (const MemberInfo& member : members_) {
                              if (member.role == role) out.push_back(member);
                            }
                            return out;
                          },
                          8, 2};
  Pipeline pipeline_{
      TestModel(), workers_, decode_, metrics_, {.max_in_flight = 2, .tokenize_threads = 1}};
  std::shared_ptr<GenerationHandle> handle_;
};

TEST_F(PipelineTest, GeneratesAChat) {
  GenerationRequest request = Chat("hello");
  request.sampling.seed = 42;
  request.sampling.max_tokens = 7;
  const auto sink = Start(std::move(request));
  const auto call = decode_.Next();
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(call->spec.seed, 42u);
  EXPECT_EQ(call->spec.max_tokens, 7u);
  EXPECT_THAT(call->spec.prefill_addresses, ElementsAre("p1"));
  EXPECT_EQ(call->spec.prompt_ids.front(), TestModel().config.bos_token_id);
  call->Tokens(Encode("<think>\nhm\n</think>\n\nHi"));
  call->Tokens(Encode(" there"), FinishReason::kStop);
  call->Done(absl::OkStatus());
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(sink->content, "Hi there");
  EXPECT_EQ(sink->reasoning, "hm");
  EXPECT_EQ(sink->reason, FinishReason::kStop);
  EXPECT_EQ(sink->start.seed, 42u);
  EXPECT_EQ(sink->usage.prompt_tokens, static_cast<int>(call->spec.prompt_ids.size()));
  EXPECT_EQ(
      sink->usage.completion_tokens,
      static_cast<int>(Encode("<think>\nhm\n</think>\n\nHi").size() + Encode(" there").size()));
}

TEST_F(PipelineTest, DrawsASeedAndFillsTheContext) {
  const auto sink = Start(Chat("hello"));
  const auto call = decode_.Next();
  EXPECT_LT(call->spec.seed, uint64_t{1} << 53);
  EXPECT_EQ(call->spec.max_tokens + call->spec.prompt_ids.size(),
            static_cast<size_t>(TestModel().context_length()));
  call->Done(Unavailable("d gone"));
  decode_.Next()->Done(Unavailable("d gone too"));
  ASSERT_TRUE(sink->Wait());
}

TEST_F(PipelineTest, PlainTextGetsBosAndIdsAreTakenAsTheyAre) {
  GenerationRequest text = Chat("");
  text.input = std::string("abc");
  Start(text);
  auto call = decode_.Next();
  EXPECT_EQ(call->spec.prompt_ids.front(), TestModel().config.bos_token_id);
  EXPECT_EQ(call->spec.prompt_ids.size(), Encode("abc").size() + 1);
  call->Tokens({}, FinishReason::kLength);
  call->Done(absl::OkStatus());
  text.input = std::vector<int32_t>{5, 6};
  Start(text);
  call = decode_.Next();
  EXPECT_THAT(call->spec.prompt_ids, ElementsAre(5, 6));
  call->Tokens({}, FinishReason::kLength);
  call->Done(absl::OkStatus());
}

TEST_F(PipelineTest, AStopStringCancelsTheWorker) {
  GenerationRequest request = Chat("count");
  request.stop = {"th"};
  const auto sink = Start(std::move(request));
  const auto call = decode_.Next();
  call->Tokens(Encode("one two three four five"));
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(sink->content, "one two ");
  EXPECT_EQ(sink->reason, FinishReason::kStop);
  EXPECT_TRUE(call->WaitCancelled());
  call->Tokens(Encode("late"));  // still on the way
  call->Done(Cancelled("cancelled"));
  EXPECT_EQ(sink->content, "one two ");
  EXPECT_EQ(sink->ends, 1);
}

TEST_F(PipelineTest, ALostWorkerIsReplacedBeforeTheFirstToken) {
  const auto sink = Start(Chat("hello"));
  const auto first = decode_.Next();
  first->Done(Unavailable("connection refused"));
  const auto second = decode_.Next();
  ASSERT_NE(second, nullptr);
  EXPECT_NE(second->address, first->address);
  EXPECT_EQ(second->spec.seed, first->spec.seed);
  second->Tokens(Encode("ok"), FinishReason::kStop);
  second->Done(absl::OkStatus());
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(sink->content, "ok");
}

TEST_F(PipelineTest, OneRetryOnlyAndNoneAfterATokenAndNoneWithoutAnotherWorker) {
  auto sink = Start(Chat("a"));
  decode_.Next()->Done(Unavailable("first"));
  decode_.Next()->Done(Unavailable("second"));
  ASSERT_TRUE(sink->Wait());
  EXPECT_THAT(Message(sink->error), HasSubstr("second"));

  sink = Start(Chat("b"));
  auto call = decode_.Next();
  call->Tokens(Encode("x"));
  call->Done(Unavailable("lost"));
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(HttpStatusOf(sink->error), 503);

  std::erase_if(members_, [](const MemberInfo& member) { return member.id == "d2"; });
  sink = Start(Chat("c"));
  decode_.Next()->Done(Unavailable("alone"));
  ASSERT_TRUE(sink->Wait());
  EXPECT_THAT(Message(sink->error), HasSubstr("decode worker d1: alone"));
}

TEST_F(PipelineTest, RefusesWithTypedErrors) {
  GenerationRequest request = Chat("x");
  request.model = "other";
  auto sink = Start(request);
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(ErrorCode(sink->error), "model_not_found");

  request = Chat("x");
  request.input = std::vector<int32_t>(5000, 5);
  sink = Start(request);
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(ErrorCode(sink->error), "context_length_exceeded");
  EXPECT_THAT(Message(sink->error), HasSubstr("5000 tokens, but the model's context is 2048"));

  request.input = std::vector<int32_t>{5, 768};
  sink = Start(request);
  ASSERT_TRUE(sink->Wait());
  EXPECT_THAT(Message(sink->error), HasSubstr("'prompt[1]' is token id 768"));

  request.input = std::string("\xff");
  sink = Start(request);
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(ErrorParam(sink->error), "prompt");

  request = Chat("x");
  request.deadline = Now();
  sink = Start(request);
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(HttpStatusOf(sink->error), 504);

  members_.clear();
  sink = Start(Chat("x"));
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(HttpStatusOf(sink->error), 503);
}

TEST_F(PipelineTest, ADeadlineOfTheWorkerTellsHowFarItCame) {
  const auto sink = Start(Chat("x"));
  const auto call = decode_.Next();
  call->Tokens(Encode("a"));
  call->Done(DeadlineExceeded("Deadline Exceeded"));
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(HttpStatusOf(sink->error), 504);
  EXPECT_THAT(Message(sink->error), HasSubstr("and 1 tokens (decode worker"));
}

TEST_F(PipelineTest, AStreamWithoutFinishIsAnError) {
  const auto sink = Start(Chat("x"));
  decode_.Next()->Done(absl::OkStatus());
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(sink->error.code(), absl::StatusCode::kInternal);
}

TEST_F(PipelineTest, CancelReachesTheWorker) {
  const auto sink = Start(Chat("x"));
  const auto call = decode_.Next();
  call->Tokens(Encode("a"));
  handle_->Cancel();
  ASSERT_TRUE(call->WaitCancelled());
  call->Done(Cancelled("CANCELLED"));
  ASSERT_TRUE(sink->Wait());
  EXPECT_EQ(sink->error.code(), absl::StatusCode::kCancelled);
}

TEST_F(PipelineTest, RefusesBeyondTheLimitAndWhenDraining) {
  const auto first = Start(Chat("a"));
  const auto second = Start(Chat("b"));
  const auto one = decode_.Next(), two = decode_.Next();
  const auto third = Start(Chat("c"));
  ASSERT_TRUE(third->Wait());
  EXPECT_EQ(HttpStatusOf(third->error), 429);
  EXPECT_THAT(Message(third->error), HasSubstr("2 generations are in flight"));

  one->on_cancel = [&] { one->Done(Cancelled("CANCELLED")); };
  two->on_cancel = [&] { two->Done(Cancelled("CANCELLED")); };
  pipeline_.Drain(Now());
  ASSERT_TRUE(first->Wait() && second->Wait());
  EXPECT_EQ(HttpStatusOf(first->error), 503);
  EXPECT_THAT(Message(first->error), HasSubstr("shutting down"));
  const auto late = Start(Chat("d"));
  ASSERT_TRUE(late->Wait());
  EXPECT_EQ(HttpStatusOf(late->error), 503);
}

}  // namespace
}  // namespace conclave
