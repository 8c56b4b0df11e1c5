# frozen_string_literal: true

require 'socket'

module WickRuntime
  # The API has closed the connection: the instance is going away.
  class Disconnected < StandardError; end

  # What came back is not HTTP.
  class Malformed < StandardError; end

  # An answer of the API: headers by lower-case name, asked for by any.
  class Answer
    attr_reader :status, :body

    def initialize(status, headers, body)
      @status = status
      @headers = headers
      @body = body
    end

    def [](name)
      @headers[name.downcase]
    end
  end

  # A Runtime API client on a bare socket: Net::HTTP would open a connection for every
  # request. A response and the poll behind it leave together. One connection, not for
  # several threads at once.
  #
  # Source: Lambda runtime API, 2018-06-01.
  class RuntimeAPI
    PREFIX = '/2018-06-01/runtime/'
    READ_BYTES = 65_536
    # Over this the API refuses a response, and its answer has to be read before the next
    # poll. Source: Lambda quotas, invocation payload.
    MAX_RESPONSE_BYTES = (6 * 1024 * 1024) + 100
    # A longer X-Ray cause is left out, as AWS's clients do.
    MAX_HEADER_BYTES = (1024 * 1024) - 1

    # Connects to AWS_LAMBDA_RUNTIME_API, host:port.
    def self.connect(address)
      host, _, port = address.rpartition(':')
      socket = TCPSocket.new(host.delete('[]'), port.to_i)
      socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      new(socket, address)
    end

    # Takes over a connected socket, and keeps it from child processes.
    def self.inherit(descriptor)
      socket = Socket.for_fd(descriptor)
      socket.close_on_exec = true
      new(socket, 'wick')
    end

    def initialize(socket, host)
      @socket = socket
      @buffer = String.new(capacity: READ_BYTES, encoding: Encoding::BINARY)
      @tail = " HTTP/1.1\r\nHost: #{host}\r\n"
      @next = "GET #{PREFIX}invocation/next#{@tail}\r\n"
      @unsent = nil
    end

    # Waits until this stem is given a function; returns the JSON document.
    def assignment
      @socket.write("GET /wick/assign#{@tail}\r\n")
      answer = read
      raise Malformed, "assignment answered with #{answer.status}" unless answer.status == 200

      answer.body
    end

    # Waits for the next event. A response kept by respond leaves first.
    def next
      unsent = @unsent
      @unsent = nil
      if unsent
        @socket.write(unsent, @next)
        read
      else
        @socket.write(@next)
      end
      answer = read
      raise Malformed, "Received #{answer.status} when waiting for next invocation." unless answer.status == 200

      answer
    end

    # Answers an invocation; leaves together with the poll that follows.
    def respond(request_id, body, content_type)
      message = message("invocation/#{request_id}/response", body, "Content-Type: #{content_type}\r\n")
      @unsent = message
      flush if body.bytesize > MAX_RESPONSE_BYTES
    end

    # Ends an invocation with an error object.
    def fail(request_id, body, error_type, xray_cause)
      @unsent = message("invocation/#{request_id}/error", body, error_headers(error_type, xray_cause))
    end

    # Ends init as failed; returns when that is known.
    def fail_init(body, error_type)
      @unsent = message('init/error', body, error_headers(error_type, nil))
      flush
    end

    # Sends what respond or fail kept, for when no poll will follow.
    def flush
      return unless @unsent

      @socket.write(@unsent)
      @unsent = nil
      read
    end

    private

    def message(path, body, headers)
      text = "POST #{PREFIX}#{path}#{@tail}#{headers}Content-Length: #{body.bytesize}\r\n\r\n".b
      text << body.b
    end

    def error_headers(error_type, xray_cause)
      headers = +"Content-Type: application/json\r\n"
      { 'Lambda-Runtime-Function-Error-Type' => error_type,
        'Lambda-Runtime-Function-XRay-Error-Cause' => xray_cause }.each do |name, value|
        next if value.nil? || value.bytesize > MAX_HEADER_BYTES

        headers << "#{name}: #{value.tr("\r\n", '  ')}\r\n"
      end
      headers
    end

    def fill
      @buffer << @socket.readpartial(READ_BYTES)
    rescue EOFError, SystemCallError
      raise Disconnected
    end

    # Reads one answer. An interim one (100) has no body and is followed by the real one.
    def read
      loop do
        lines = read_head
        version, status = lines.shift.split(' ', 3)
        raise Malformed, version.to_s unless version&.start_with?('HTTP/1.') && status.to_i >= 100
        next if status.to_i < 200

        headers = parse(lines)
        return Answer.new(status.to_i, headers, read_body(status.to_i, headers))
      end
    end

    def read_head
      fill until (stop = @buffer.index("\r\n\r\n"))
      head = @buffer.slice!(0, stop + 4)
      head.force_encoding(Encoding::UTF_8).split("\r\n")
    end

    def parse(lines)
      lines.each_with_object({}) do |line, headers|
        name, colon, value = line.partition(':')
        raise Malformed, line if colon.empty?

        headers[name.downcase] = value.strip
      end
    end

    def read_body(status, headers)
      return '' if [204, 304].include?(status)
      return read_chunks if headers['transfer-encoding']&.casecmp?('chunked')

      length = headers['content-length']
      raise Malformed, 'an answer without a length' unless length

      take(length.to_i)
    end

    def take(length)
      fill while @buffer.bytesize < length
      @buffer.slice!(0, length).force_encoding(Encoding::UTF_8)
    end

    def read_chunks
      body = +''
      loop do
        fill until (stop = @buffer.index("\r\n"))
        size = @buffer.slice!(0, stop + 2).to_i(16)
        body << take(size)
        take(2)
        return body if size.zero?
      end
    end
  end
end
