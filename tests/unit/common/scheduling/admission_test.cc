#include "common/scheduling/admission.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

const AdmissionLimits kLimits{4, 8, 100, 30'000};
const AdmissionRequest kRequest{10, 60'000};

AdmissionState Roomy() { return {50, 100, 2, 0, 0, 0, 0}; }

TEST(Admission, AdmitsWhenPagesAndASequenceAreFree) {
  EXPECT_EQ(DecideAdmission(kRequest, Roomy(), kLimits).verdict, AdmissionVerdict::kAdmit);
}

TEST(Admission, WaitsForPagesForASequenceAndForThoseAhead) {
  AdmissionState state = Roomy();
  state.free_pages = 9;
  EXPECT_EQ(DecideAdmission(kRequest, state, kLimits).verdict, AdmissionVerdict::kWait);
  state = Roomy();
  state.running = 4;
  EXPECT_EQ(DecideAdmission(kRequest, state, kLimits).verdict, AdmissionVerdict::kWait);
  state = Roomy();
  state.ahead = 1;
  EXPECT_EQ(DecideAdmission(kRequest, state, kLimits).verdict, AdmissionVerdict::kWait);
}

TEST(Admission, RefusesForGoodWhatNeverFits) {
  const AdmissionDecision decision = DecideAdmission({101, 60'000}, Roomy(), kLimits);
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kTooLarge);
  EXPECT_NE(decision.reason.find("101"), std::string::npos);
}

TEST(Admission, FullQueueIsOverloadWithAHintFromTheRates) {
  AdmissionState state{0, 100, 4, 8, 40, 0, 10};
  AdmissionDecision decision = DecideAdmission(kRequest, state, kLimits);
  EXPECT_EQ(decision.verdict, AdmissionVerdict::kOverload);
  EXPECT_EQ(decision.retry_after_ms, 5000);  // 50 pages at 10 a second
  state.finished_per_second = 0.5;
  EXPECT_EQ(DecideAdmission(kRequest, state, kLimits).retry_after_ms,
            18'000);  // 9 sequences at 0.5 a second
  state.pages_per_second = 0.001;
  EXPECT_EQ(DecideAdmission(kRequest, state, kLimits).retry_after_ms, kLimits.max_retry_ms);
  state.pages_per_second = state.finished_per_second = 0;
  EXPECT_EQ(DecideAdmission(kRequest, state, kLimits).retry_after_ms, kLimits.min_retry_ms);
}

TEST(Admission, NobodyWaitsInVain) {
  const AdmissionState state{0, 100, 4, 2, 20, 0, 10};  // 3 s
  EXPECT_EQ(DecideAdmission({10, 3000}, state, kLimits).verdict, AdmissionVerdict::kWait);
  EXPECT_EQ(DecideAdmission({10, 3000}, state, kLimits).expected_wait_ms, 3000);
  EXPECT_EQ(DecideAdmission({10, 2999}, state, kLimits).verdict, AdmissionVerdict::kOverload);
}

}  // namespace
}  // namespace conclave
