# frozen_string_literal: true

require 'logger'

# A Logger's line as AWS writes it, with the request's ID.
class LogFormatter < Logger::Formatter
  def call(severity, time, progname, msg)
    line = format(
      '%<sev>s, [%<datetime>s #%<process>d] %<severity>5s %<request_id>s -- %<progname>s: %<msg>s',
      sev: severity[0], datetime: format_datetime(time), process: Process.pid, severity: severity,
      request_id: $_global_aws_request_id, progname: progname, msg: msg2str(msg)
    )
    line.encode(Encoding::UTF_8)
  end
end

module WickRuntime
  # Writes records as frames to the standard output's descriptor, which keeps records of
  # several lines whole.
  class FrameSink
    MAGIC = 0xa55a0003
    # A longer record is several. Source: CloudWatch Logs quotas, log event size.
    MAX_FRAME_BYTES = 1 << 20

    def initialize
      # Past the buffer of STDOUT, and whatever $stdout is by now.
      @io = IO.for_fd(STDOUT.fileno, 'wb', autoclose: false)
      @io.sync = true
      @lock = Mutex.new
    end

    def write(text)
      data = text.to_s.b.delete_suffix("\n")
      now = Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
      @lock.synchronize do
        STDOUT.flush
        (0..[data.bytesize - 1, 0].max).step(MAX_FRAME_BYTES) do |start|
          part = data.byteslice(start, MAX_FRAME_BYTES)
          @io.write([MAGIC, part.bytesize, now].pack('L>L>Q>') + part)
        end
      end
    end

    # A Logger closes its device; the descriptor is everyone's.
    def close; end

    def reopen(_log = nil); end
  end

  # Puts a function's log records into frames: those of Logger and of puts, as on AWS.
  module Log
    # Loggers of the standard streams write records.
    module Device
      def initialize(logdev = nil, *rest, formatter: nil, **options)
        if !logdev || logdev == $stdout || logdev == $stderr
          logdev = Log.sink
          formatter ||= LogFormatter.new
        end
        super(logdev, *rest, formatter: formatter, **options)
      end
    end

    class << self
      attr_reader :sink

      def install
        @sink = FrameSink.new
        Logger.prepend(Device)
        Kernel.module_eval do
          def puts(*lines)
            text = lines.flatten.map { |line| line.to_s.encode(Encoding::UTF_8) }.join("\n")
            WickRuntime::Log.sink.write(text)
            nil
          end
        end
      end
    end
  end
end
