#include "tests/unit/services/router/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "common/base/check.h"

namespace conclave {

HttpConnection::HttpConnection(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  CONCLAVE_CHECK(inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr) == 1);
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CONCLAVE_CHECK(connect(fd_, reinterpret_cast<sockaddr*>(&peer), sizeof(peer)) == 0);
  const timeval timeout{60, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

HttpConnection::~HttpConnection() { Close(); }

void HttpConnection::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void HttpConnection::SetReceiveBuffer(int bytes) {
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void HttpConnection::Send(const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    CONCLAVE_CHECK(n > 0);
    sent += static_cast<size_t>(n);
  }
}

void HttpConnection::SendUntilClosed(const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<size_t>(n);
  }
}

bool HttpConnection::Receive() {
  char chunk[16384];
  const ssize_t n = recv(fd_, chunk, sizeof(chunk), 0);
  if (n <= 0) return false;
  buffer_.append(chunk, static_cast<size_t>(n));
  return true;
}

bool HttpConnection::ReadUntil(const std::string& text) {
  while (buffer_.find(text) == std::string::npos) {
    if (!Receive()) return false;
  }
  return true;
}

std::string HttpConnection::ReadToEnd() {
  while (Receive()) {
  }
  return std::exchange(buffer_, "");
}

bool HttpConnection::Line(std::string* line) {
  if (!ReadUntil("\r\n")) return false;
  const size_t end = buffer_.find("\r\n");
  *line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return true;
}

HttpReply HttpConnection::ReadReply() {
  HttpReply reply;
  std::string line;
  if (!Line(&line) || line.size() < 12) return {};
  const int status = std::stoi(line.substr(9, 3));
  while (Line(&line) && !line.empty()) {
    const size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    reply.headers[name] = line.substr(colon + 2);
  }
  if (status == 100) return ReadReply();
  if (reply.headers["transfer-encoding"] == "chunked") {
    while (Line(&line)) {
      const size_t size = std::stoul(line, nullptr, 16);
      while (buffer_.size() < size + 2) {
        if (!Receive()) return {};
      }
      reply.body += buffer_.substr(0, size);
      buffer_.erase(0, size + 2);
      if (size == 0) {
        reply.status = status;
        return reply;
      }
    }
    return {};
  }
  if (reply.headers.count("content-length") != 0) {
    const size_t size = std::stoul(reply.headers["content-length"]);
    while (buffer_.size() < size) {
      if (!Receive()) return {};
    }
    reply.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
  } else {
    reply.body = ReadToEnd();
  }
  reply.status = status;
  return reply;
}

HttpReply Fetch(const std::string& address, const std::string& method, const std::string& path,
                const std::string& body, const std::string& headers) {
  HttpConnection connection(address);
  connection.Send(method + " " + path +
                  " HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
  return connection.ReadReply();
}

}  // namespace conclave
