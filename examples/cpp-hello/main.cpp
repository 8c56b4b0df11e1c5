// A function in C++ with nothing between it and the Runtime API but a socket.
// Source: Lambda developer guide, using the Lambda runtime API for custom runtimes.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

namespace {

std::string handle(const std::string& event) {
  // The value of "name"; a function that does more brings a JSON library.
  std::string name = "world";
  if (auto key = event.find("\"name\""); key != std::string::npos) {
    auto from = event.find('"', event.find(':', key)) + 1;
    name = event.substr(from, event.find('"', from) - from);
  }
  std::cout << "greeting " << name << std::endl;
  return R"({"message":"Hello, )" + name + R"(!","from":"C++ )" + std::to_string(__cplusplus / 100 % 100) + "\"}";
}

struct Response {
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// The Runtime API, over one connection that stays open.
class RuntimeApi {
 public:
  explicit RuntimeApi(std::string address) : address_(std::move(address)) {
    auto colon = address_.find(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(std::stoi(address_.substr(colon + 1)));
    inet_pton(AF_INET, address_.substr(0, colon).c_str(), &to.sin_addr);
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("no Runtime API at " + address_);
  }
  ~RuntimeApi() { close(socket_); }
  RuntimeApi(const RuntimeApi&) = delete;

  Response call(const std::string& method, const std::string& path, const std::string& body = "") {
    std::string request = method + " /2018-06-01/runtime/invocation/" + path + " HTTP/1.1\r\nHost: " + address_ +
                          "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    for (size_t sent = 0; sent < request.size();) {
      auto n = send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) throw std::runtime_error("the Runtime API has gone");
      sent += n;
    }
    Response response;
    line();  // the status
    for (std::string header = line(); !header.empty(); header = line()) {
      auto colon = header.find(':');
      std::string name = header.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      auto value = header.find_first_not_of(' ', colon + 1);
      response.headers[name] = value == std::string::npos ? "" : header.substr(value);
    }
    auto length = std::stoul("0" + response.headers["content-length"]);
    while (unread_.size() < length) receive();
    response.body = unread_.substr(0, length);
    unread_.erase(0, length);
    return response;
  }

 private:
  std::string line() {
    size_t end;
    while ((end = unread_.find("\r\n")) == std::string::npos) receive();
    std::string text = unread_.substr(0, end);
    unread_.erase(0, end + 2);
    return text;
  }

  void receive() {
    char buffer[64 << 10];
    auto n = recv(socket_, buffer, sizeof buffer, 0);
    if (n <= 0) throw std::runtime_error("the Runtime API has gone");
    unread_.append(buffer, n);
  }

  std::string address_;
  int socket_;
  std::string unread_;
};

}  // namespace

int main() {
  RuntimeApi api(std::getenv("AWS_LAMBDA_RUNTIME_API"));
  for (;;) {
    Response event = api.call("GET", "next");
    const std::string id = event.headers["lambda-runtime-aws-request-id"];
    std::string answer;
    try {
      answer = handle(event.body);
    } catch (const std::exception& e) {
      api.call("POST", id + "/error", R"({"errorType":"std::exception","errorMessage":")" + std::string(e.what()) + "\"}");
      continue;
    }
    api.call("POST", id + "/response", answer);
  }
}
