#include "common/observe/metrics.h"

#include <prometheus/text_serializer.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "common/base/check.h"
#include "common/observe/registry_impl.h"

namespace conclave {
namespace {

// prometheus-cpp throws on a malformed name or on one name used for two kinds: both are bugs.
template <typename Make>
void* MakeMetric(const std::string& name, const Make& make) {
  CONCLAVE_CHECK(name.rfind("conclave_", 0) == 0);
  try {
    return make();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "metric %s: %s\n", name.c_str(), e.what());
    std::abort();
  }
}

}  // namespace

void Counter::Add(double amount) {
  if (metric_ != nullptr) static_cast<prometheus::Counter*>(metric_)->Increment(amount);
}

void Gauge::Set(double value) {
  if (metric_ != nullptr) static_cast<prometheus::Gauge*>(metric_)->Set(value);
}

void Gauge::Add(double amount) {
  if (metric_ != nullptr) static_cast<prometheus::Gauge*>(metric_)->Increment(amount);
}

void Histogram::Observe(double value) {
  if (metric_ != nullptr) static_cast<prometheus::Histogram*>(metric_)->Observe(value);
}

MetricRegistry::MetricRegistry() : impl_(std::make_unique<Impl>()) {}
MetricRegistry::~MetricRegistry() = default;

Counter MetricRegistry::GetCounter(const std::string& name, const std::string& help,
                                   const Labels& labels) {
  Counter counter;
  counter.metric_ = MakeMetric(name, [&] {
    return &prometheus::BuildCounter()
                .Name(name)
                .Help(help)
                .Register(*impl_->collector->registry)
                .Add(labels);
  });
  return counter;
}

Gauge MetricRegistry::GetGauge(const std::string& name, const std::string& help,
                               const Labels& labels) {
  Gauge gauge;
  gauge.metric_ = MakeMetric(name, [&] {
    return &prometheus::BuildGauge()
                .Name(name)
                .Help(help)
                .Register(*impl_->collector->registry)
                .Add(labels);
  });
  return gauge;
}

Histogram MetricRegistry::GetHistogram(const std::string& name, const std::string& help,
                                       const std::vector<double>& buckets, const Labels& labels) {
  Histogram histogram;
  histogram.metric_ = MakeMetric(name, [&] {
    return &prometheus::BuildHistogram()
                .Name(name)
                .Help(help)
                .Register(*impl_->collector->registry)
                .Add(labels, buckets);
  });
  return histogram;
}

std::shared_ptr<void> MetricRegistry::OnCollect(std::function<void()> refresh) {
  return impl_->collector->AddRefresh(std::move(refresh));
}

std::string MetricRegistry::Text() {
  return prometheus::TextSerializer().Serialize(impl_->collector->Collect());
}

std::vector<double> LatencyBuckets() {
  std::vector<double> buckets;
  for (int i = 0; i <= 16; ++i) buckets.push_back(std::ldexp(0.001, i));
  return buckets;
}

}  // namespace conclave
