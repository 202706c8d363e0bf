// An HTTP client over a plain socket, for sending what no proper client would send.
#pragma once

#include <map>
#include <string>

namespace conclave {

struct HttpReply {
  int status = 0;                              // 0: the connection ended before a whole answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks joined
};

// One connection. Every wait ends after a minute.
class HttpConnection {
 public:
  explicit HttpConnection(const std::string& address);  // "host:port"; aborts when nobody listens
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;

  void Send(const std::string& bytes);
  // Sends as much as the peer takes before it closes.
  void SendUntilClosed(const std::string& bytes);
  HttpReply ReadReply();
  // Received so far that no reply has consumed, once it contains `text`; false at the end of the
  // connection.
  bool ReadUntil(const std::string& text);
  // Until the peer closes; what came.
  std::string ReadToEnd();
  void Close();
  void SetReceiveBuffer(int bytes);

 private:
  bool Receive();
  bool Line(std::string* line);

  int fd_ = -1;
  std::string buffer_;
};

// One request on a connection of its own. `headers`: whole lines with their ends.
HttpReply Fetch(const std::string& address, const std::string& method, const std::string& path,
                const std::string& body = "", const std::string& headers = "");

}  // namespace conclave
