#include "services/cli/up/free_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace conclave {
namespace {

TEST(FreePortTest, APortThatIsListenedOnIsNotFree) {
  auto port = FreePort("127.0.0.1");
  ASSERT_TRUE(port.ok()) << port.status();
  EXPECT_TRUE(CheckPortFree("127.0.0.1", *port).ok());
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(*port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  const absl::Status status = CheckPortFree("127.0.0.1", *port);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(Message(status).find(std::to_string(*port)), std::string::npos);
  close(fd);
}

TEST(FreePortTest, ZeroMeansAny) { EXPECT_TRUE(CheckPortFree("127.0.0.1", 0).ok()); }

TEST(FreePortTest, RefusesWhatIsNoAddress) {
  EXPECT_EQ(FreePort("localhost!").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace conclave
