#include "common/observe/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/observe/metrics_server.h"

namespace conclave {
namespace {

using testing::HasSubstr;
using testing::Not;

// The whole answer to a GET, by HTTP/1.0: the server closes the connection at its end.
std::string HttpGet(const std::string& address, const std::string& path) {
  const size_t colon = address.rfind(':');
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &server.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval limit{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof(server)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
    if (write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char buffer[4096];
      for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;)
        answer.append(buffer, static_cast<size_t>(n));
    }
  }
  close(fd);
  return answer;
}

TEST(MetricRegistry, WritesThePrometheusText) {
  MetricRegistry registry;
  registry.GetCounter("conclave_things_total", "Things", {{"kind", "a"}}).Add(2);
  registry.GetCounter("conclave_things_total", "Things", {{"kind", "a"}}).Add();  // the same one
  registry.GetCounter("conclave_things_total", "Things", {{"kind", "b"}}).Add(5);
  Gauge gauge = registry.GetGauge("conclave_level", "Level");
  gauge.Set(7);
  gauge.Add(-2.5);
  Histogram histogram = registry.GetHistogram("conclave_seconds", "Seconds", {0.1, 1});
  histogram.Observe(0.5);
  histogram.Observe(3);
  const std::string text = registry.Text();
  EXPECT_THAT(text, HasSubstr("# HELP conclave_things_total Things"));
  EXPECT_THAT(text, HasSubstr("conclave_things_total{kind=\"a\"} 3"));
  EXPECT_THAT(text, HasSubstr("conclave_things_total{kind=\"b\"} 5"));
  EXPECT_THAT(text, HasSubstr("conclave_level 4.5"));
  EXPECT_THAT(text, HasSubstr("conclave_seconds_bucket{le=\"1\"} 1"));
  EXPECT_THAT(text, HasSubstr("conclave_seconds_count 2"));
}

TEST(MetricRegistry, RefreshersRunBeforeEveryCollectionUntilTheirHandleGoes) {
  MetricRegistry registry;
  Gauge gauge = registry.GetGauge("conclave_copied", "Copied");
  int value = 0;
  auto handle = registry.OnCollect([&] { gauge.Set(++value); });
  EXPECT_THAT(registry.Text(), HasSubstr("conclave_copied 1"));
  EXPECT_THAT(registry.Text(), HasSubstr("conclave_copied 2"));
  handle.reset();
  EXPECT_THAT(registry.Text(), HasSubstr("conclave_copied 2"));
  EXPECT_EQ(value, 2);
}

TEST(MetricRegistry, HandlesMayOutliveTheRegistry) {
  std::shared_ptr<void> handle;
  {
    MetricRegistry registry;
    handle = registry.OnCollect([] {});
  }
  handle.reset();
  Counter().Add();  // bound to nothing: does nothing
}

TEST(MetricRegistryDeathTest, WrongNamesAreBugs) {
  MetricRegistry registry;
  EXPECT_DEATH(registry.GetGauge("level", "no prefix"), "check failed");
  registry.GetGauge("conclave_x", "x");
  EXPECT_DEATH(registry.GetCounter("conclave_x", "x"), "conclave_x");
}

TEST(MetricsServer, ServesTheRegistryWithItsRefreshers) {
  MetricRegistry registry;
  Gauge gauge = registry.GetGauge("conclave_copied", "Copied");
  const auto handle = registry.OnCollect([&] { gauge.Set(42); });
  const auto server = MetricsServer::Start(registry, "127.0.0.1", 0);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->address(), testing::MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
  EXPECT_THAT((*server)->address(), Not(HasSubstr(":0")));
  EXPECT_THAT(HttpGet((*server)->address(), "/metrics"), HasSubstr("conclave_copied 42"));
}

TEST(MetricsServer, PortInUseSaysSo) {
  MetricRegistry registry;
  const auto first = MetricsServer::Start(registry, "127.0.0.1", 0);
  ASSERT_TRUE(first.ok()) << first.status();
  const int port = std::stoi((*first)->address().substr((*first)->address().rfind(':') + 1));
  const auto second = MetricsServer::Start(registry, "127.0.0.1", port);
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_THAT(Message(second.status()), HasSubstr((*first)->address()));
}

TEST(LatencyBuckets, AscendFromAMillisecondToAMinute) {
  const std::vector<double> buckets = LatencyBuckets();
  EXPECT_DOUBLE_EQ(buckets.front(), 0.001);
  EXPECT_GT(buckets.back(), 60);
  EXPECT_TRUE(std::is_sorted(buckets.begin(), buckets.end()));
}

}  // namespace
}  // namespace conclave
