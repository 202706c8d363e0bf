#include "common/engine/parallel.h"

#include <gtest/gtest.h>

#include <random>

namespace conclave {
namespace {

// Large enough to be shared among threads.
TEST(RunGemms, BitsDoNotDependOnThreadsOrRows) {
  const int n = 700, k = 512;
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(n * k), x(128 * k);
  for (float& w : weights) w = normal(engine);
  for (float& v : x) v = normal(engine);
  const kernels::PackSpec spec{
      {kernels::WeightType::kF32, n, k, reinterpret_cast<const uint8_t*>(weights.data()), nullptr},
      0,
      n,
      false};
  Linear linear;
  linear.m = kernels::PlanPack(spec);
  linear.data = *Buffer::Create(linear.m.data_bytes());
  int64_t row, col;
  ASSERT_TRUE(kernels::Pack(spec, {linear.data.data(), nullptr, nullptr}, &row, &col));
  linear.m.data = linear.data.data();

  std::vector<float> expected(128 * n);
  kernels::GemmRef(DenseGemm(linear, x.data(), expected.data(), 128));
  for (int threads : {1, 2, 3}) {
    ThreadPool pool(threads, 0);
    for (int rows : {1, 2, 3, 7, 16, 33, 128}) {
      std::vector<float> out(rows * n), twice(rows * n);
      const kernels::GemmParams gemms[] = {DenseGemm(linear, x.data(), out.data(), rows),
                                           DenseGemm(linear, x.data(), twice.data(), rows)};
      RunGemms(pool, kernels::BestIsa(), gemms);
      EXPECT_EQ(out, std::vector<float>(expected.begin(), expected.begin() + rows * n))
          << rows << " rows, " << threads;
      EXPECT_EQ(twice, out);
    }
  }
}

TEST(RunGemms, NothingToDoIsFine) {
  ThreadPool pool(2, 0);
  RunGemms(pool, kernels::BestIsa(), {});
  const kernels::GemmParams empty;
  RunGemms(pool, kernels::BestIsa(), {&empty, 1});
}

}  // namespace
}  // namespace conclave
