// Metrics over prometheus-cpp, whose headers stay inside this folder. Names start with "conclave_",
// are in base units, and are documented where they are made (each service's metrics.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace conclave {

using Labels = std::map<std::string, std::string>;

// Handles are cheap to copy, thread-safe, and valid as long as the registry.
class Counter {
 public:
  void Add(double amount = 1);

 private:
  friend class MetricRegistry;
  void* metric_ = nullptr;
};

class Gauge {
 public:
  void Set(double value);
  void Add(double amount);

 private:
  friend class MetricRegistry;
  void* metric_ = nullptr;
};

class Histogram {
 public:
  void Observe(double value);

 private:
  friend class MetricRegistry;
  void* metric_ = nullptr;
};

// Thread-safe. Asking twice for one name and labels gives the same metric.
class MetricRegistry {
 public:
  MetricRegistry();
  ~MetricRegistry();
  Counter GetCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge GetGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `buckets`: ascending upper bounds.
  Histogram GetHistogram(const std::string& name, const std::string& help,
                         const std::vector<double>& buckets, const Labels& labels = {});
  // Runs before every collection: the place to copy counters kept elsewhere into gauges. Remove
  // with the returned handle's destruction.
  std::shared_ptr<void> OnCollect(std::function<void()> refresh);
  // The text format of Prometheus.
  std::string Text();

 private:
  friend class MetricsServer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// 1 ms to about a minute, a factor of two apart.
std::vector<double> LatencyBuckets();

}  // namespace conclave
